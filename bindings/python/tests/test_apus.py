"""The package on the pair of models that ships. APUS_PAIR is its folder; APUS_TEXT and APUS_HASH
are what `apus run` gives for 24 tokens behind PROMPT."""
import gc
import os
import pathlib
import threading
import unittest

import apus

PAIR = pathlib.Path(os.environ['APUS_PAIR'])
PROMPT = 'def is_connected(G):\n    """Returns'


class Apus(unittest.TestCase):
    def setUp(self) -> None:
        self.model = apus.Model(PAIR / 'target.apus')
        self.session = self.model.session(threads=1)
        self.addCleanup(self.model.close)
        self.addCleanup(self.session.close)

    def test_text_and_hash_of_the_command_line(self) -> None:
        pieces = list(self.session.generate(PROMPT, max_tokens=24, want_hash=True))
        self.assertEqual(b''.join(p.data for p in pieces).decode(), os.environ['APUS_TEXT'])
        stats = self.session.stats()
        self.assertEqual('%016x' % stats.logits_hash, os.environ['APUS_HASH'])
        self.assertEqual(stats.new_tokens, 24)
        self.assertEqual([p.stop for p in pieces[:-1]], [''] * (len(pieces) - 1))
        self.assertEqual(pieces[-1].stop, 'length')
        self.assertTrue(all(x <= 0 for p in pieces for x in p.log_probs))
        ids = [i for p in pieces for i in p.ids]
        self.assertEqual(list(self.session.ids()[-len(ids):]), ids)

    def test_a_draft_changes_no_text(self) -> None:
        with apus.Model(PAIR / 'draft.apus') as draft:
            with self.model.session(threads=1, draft=draft, proposals=4) as session:
                text = ''.join(p.text for p in session.generate(PROMPT, max_tokens=24))
                self.assertEqual(text, os.environ['APUS_TEXT'])
                self.assertGreater(session.stats().accepted, 0)

    def test_pieces_come_one_by_one(self) -> None:
        pieces = self.session.generate(PROMPT, max_tokens=24)
        next(pieces)
        self.assertEqual(self.session.stats().new_tokens, 1)

    def test_what_is_refused_says_why(self) -> None:
        with self.assertRaises(FileNotFoundError):
            apus.Model(PAIR / 'no such file')
        with self.assertRaises(OSError) as folder:
            apus.Model(PAIR)
        self.assertNotIsInstance(folder.exception, FileNotFoundError)
        self.assertEqual(folder.exception.filename, str(PAIR))
        with self.assertRaises(apus.Error) as refused:
            apus.Model(PAIR / 'README.md')
        self.assertEqual(refused.exception.status, -3)
        self.assertIn('blob', str(refused.exception))
        with self.assertRaises(apus.Error) as refused:
            next(self.session.pieces(temperature=-1.0))
        self.assertLess(refused.exception.status, 0)
        with self.assertRaises(apus.Error):
            self.session.prompt(apus.Special('<|no such token|>'))
        self.session.close()
        with self.assertRaises(ValueError):
            self.session.ids()

    def test_states_and_rewinding(self) -> None:
        self.session.prompt(PROMPT)
        state, ids = self.session.save(), self.session.ids()
        first = [p.ids for p in self.session.pieces(max_tokens=8)]
        self.session.rewind(len(ids))
        self.assertEqual(self.session.ids(), ids)
        with self.model.session(threads=1) as other:
            other.restore(state)
            self.assertEqual([p.ids for p in other.pieces(max_tokens=8)], first)
            other.prompt(ids, bos=False)
            self.assertEqual(other.ids(), ids)

    def test_stop_texts_and_sampling(self) -> None:
        text = os.environ['APUS_TEXT']
        stop = text[len(text) // 2:len(text) // 2 + 4]
        pieces = list(self.session.generate(PROMPT, max_tokens=24, stop=[stop]))
        self.assertEqual(pieces[-1].stop, 'stop')
        self.assertEqual(''.join(p.text for p in pieces), text[:text.index(stop)])
        both = [[p.ids for p in self.session.generate(PROMPT, max_tokens=8, temperature=0.8,
                                                      top_k=40, seed=7)] for _ in range(2)]
        self.assertEqual(both[0], both[1])

    def test_cancel_from_another_thread(self) -> None:
        pieces = self.session.generate(PROMPT, max_tokens=1500)
        next(pieces)
        thread = threading.Thread(target=self.session.cancel)
        thread.start()
        thread.join()
        self.assertEqual([p.stop for p in pieces][-1], 'cancelled')

    def test_models_are_closed_behind_their_sessions(self) -> None:
        draft = apus.Model(PAIR / 'draft.apus')
        session = self.model.session(threads=1, draft=draft)
        for model, count in ((draft, 1), (self.model, 2)):
            with self.assertRaisesRegex(ValueError, '%d are open' % count):
                model.close()
        self.assertEqual(''.join(p.text for p in session.generate(PROMPT, max_tokens=24)),
                         os.environ['APUS_TEXT'])
        session.close()
        draft.close()
        with self.assertRaisesRegex(ValueError, 'closed'):
            self.model.session(draft=draft)

    def test_sessions_that_nobody_closes(self) -> None:
        """Threads of a session end with it, before its memory is somebody else's."""
        before = len(os.listdir('/proc/self/task'))
        for _ in range(20):
            session = apus.Model(PAIR / 'target.apus').session(threads=2)
            text = ''.join(p.text for p in session.generate(PROMPT, max_tokens=4))
            self.assertTrue(os.environ['APUS_TEXT'].startswith(text))
            del session
        gc.collect()
        self.assertEqual(len(os.listdir('/proc/self/task')), before)

    def test_version(self) -> None:
        self.assertEqual(apus.version(), (0, 1, 0))


if __name__ == '__main__':
    unittest.main()
