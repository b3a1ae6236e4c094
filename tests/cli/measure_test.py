"""The commands that measure: perplexity, compare, bench."""
import json
import math
import os
import pty
import re
import signal
import subprocess

import tiny_gguf
from cli_case import COMMAND, Fixture, NUMBER, Case, pack, path, read_logits


class Perplexity(Case):
    WANT = dict(perplexity=NUMBER, tokens=int, windows=int, nll=NUMBER)

    def test_is_what_the_logits_say(self):
        n, text = 32, 'the quick fox over the lazy dog. ' * 12
        with open(path('text.txt'), 'w') as f:
            f.write(text)
        o = self.object('perplexity',
                        '-m',
                        Fixture.model,
                        '-f',
                        path('text.txt'),
                        '--ctx',
                        n,
                        want=self.WANT)
        ids = self.object('tokenize', '-m', Fixture.model, '-p', text, '--bos')['ids']
        total, scored = 0.0, 0
        for w in range(len(ids) // n):
            window = [tiny_gguf.BOS] + ids[w * n + 1:w * n + n]
            self.ok('logits', '-m', Fixture.model, '--ids', ','.join(map(str, window)), '-o',
                    path('w.f32'))
            rows = read_logits(path('w.f32'), Fixture.vocab)
            for i in range(n // 2, n - 1):
                top = max(rows[i])
                total -= rows[i][window[i + 1]] - top - math.log(
                    sum(math.exp(x - top) for x in rows[i]))
                scored += 1
        self.assertEqual((o['windows'], o['tokens']), (len(ids) // n, scored))
        self.assertAlmostEqual(o['nll'], total / scored, places=6)
        self.assertAlmostEqual(o['perplexity'],
                               math.exp(total / scored),
                               delta=1e-5 * o['perplexity'])
        self.assertIn(
            b'perplexity',
            self.ok('perplexity', '-m', Fixture.model, '-f', path('text.txt'), '--ctx', n).stdout)

    def test_wrong_use(self):
        m = Fixture.model
        with open(path('short.txt'), 'w') as f:
            f.write('the dog')
        self.wrong(2, 'no text', 'perplexity', '-m', m)
        self.wrong(2, 'no model', 'perplexity', '-f', path('short.txt'))
        self.wrong(1, 'fewer than one window', 'perplexity', '-m', m, '-f', path('short.txt'))
        self.wrong(1, 'No such file', 'perplexity', '-m', m, '-f', path('absent'))
        self.wrong(2, '--ctx', 'perplexity', '-m', m, '-f', path('short.txt'), '--ctx', '3')
        self.wrong(2, '32768', 'perplexity', '-m', m, '-f', path('short.txt'), '--ctx', '40000')


def log_softmax(row):
    top = max(row)
    total = top + math.log(sum(math.exp(x - top) for x in row))
    return [x - total for x in row]


class Compare(Case):
    WANT = dict(kl=NUMBER,
                kl_p99=NUMBER,
                top1=NUMBER,
                perplexity=NUMBER,
                perplexity_reference=NUMBER,
                positions=int,
                windows=int)
    TEXT = 'the quick fox over the lazy dog. ' * 12

    @classmethod
    def setUpClass(cls):
        with open(path('compared.txt'), 'w') as f:
            f.write(cls.TEXT)
        pack(Fixture.gguf, path('four.apus'), '--weights', 'int4')

    def test_is_what_the_logits_say(self):
        n = 32
        args = ('compare', '-m', path('four.apus'), '-f', path('compared.txt'), '--ctx', n)
        o = self.object(*args, '--reference', Fixture.model, want=self.WANT)
        ids = self.object('tokenize', '-m', Fixture.model, '-p', self.TEXT, '--bos')['ids']
        kl, same, nll, all_logits = [], 0, [0.0, 0.0], b''
        for w in range(len(ids) // n):
            window = [tiny_gguf.BOS] + ids[w * n + 1:w * n + n]
            both = []
            for model in (Fixture.model, path('four.apus')):
                self.ok('logits', '-m', model, '--ids', ','.join(map(str, window)), '-o',
                        path('w.f32'))
                both.append([log_softmax(row) for row in read_logits(path('w.f32'), Fixture.vocab)])
                if model == Fixture.model:
                    with open(path('w.f32'), 'rb') as f:
                        all_logits += f.read()
            for i, (p, q) in enumerate(zip(*both)):
                kl.append(sum(math.exp(a) * (a - b) for a, b in zip(p, q)))
                same += p.index(max(p)) == q.index(max(q))
                if n // 2 <= i < n - 1:
                    nll = [nll[0] - p[window[i + 1]], nll[1] - q[window[i + 1]]]
        scored = len(ids) // n * (n - 1 - n // 2)
        self.assertEqual((o['positions'], o['windows']), (len(kl), len(ids) // n))
        self.assertAlmostEqual(o['kl'], sum(kl) / len(kl), places=6)
        self.assertAlmostEqual(o['kl_p99'], sorted(kl)[(len(kl) - 1) * 99 // 100], places=6)
        self.assertAlmostEqual(o['top1'], same / len(kl), places=9)
        self.assertAlmostEqual(math.log(o['perplexity_reference']), nll[0] / scored, places=6)
        self.assertAlmostEqual(math.log(o['perplexity']), nll[1] / scored, places=6)
        with open(path('reference.f32'), 'wb') as f:
            f.write(all_logits)
        again = self.object(*args, '--reference', path('reference.f32'), want=self.WANT)
        self.assertEqual([again[k] for k in self.WANT], [o[k] for k in self.WANT])
        self.assertIn(b'likeliest', self.ok(*args, '--reference', Fixture.model).stdout)
        itself = self.object('compare', '-m', Fixture.model, '-f', path('compared.txt'), '--ctx', n,
                             '--reference', Fixture.model)
        self.assertEqual((itself['kl'], itself['top1']), (0, 1))

    def test_wrong_use(self):
        m, text = Fixture.model, path('compared.txt')
        self.wrong(2, 'no text', 'compare', '-m', m, '--reference', m)
        self.wrong(2, 'no reference', 'compare', '-m', m, '-f', text)
        self.wrong(2, 'no model', 'compare', '-f', text, '--reference', m)
        self.wrong(1, 'cannot open', 'compare', '-m', m, '-f', text, '--reference', path('absent'),
                   '--ctx', '32')
        self.wrong(1, 'are expected', 'compare', '-m', m, '-f', text, '--reference', text, '--ctx',
                   '32')
        self.wrong(1, 'fewer than one window', 'compare', '-m', m, '-f', text, '--reference', m,
                   '--ctx', '4000')


class Bench(Case):
    def test_figures(self):
        o = self.object('bench',
                        '-m',
                        Fixture.model,
                        '--seconds',
                        1,
                        want=dict(read_gb_per_s=NUMBER,
                                  vpdpbusd_gmac_per_s=NUMBER,
                                  decode=dict,
                                  verify=list,
                                  prefill=dict,
                                  machine=dict,
                                  cpu=str,
                                  threads=int,
                                  repetitions=int))
        self.assertGreater(o['read_gb_per_s'], 0)
        for key in ('tps', 'weight_gb_per_s', 'of_roof'):
            self.assertGreater(o['decode'][key], 0)
        self.assertEqual([v['columns'] for v in o['verify']], [1, 2, 4, 8, 16])
        self.assertTrue(all(v['ms'] > 0 and v['ratio'] > 0 for v in o['verify']))
        self.assertEqual(o['verify'][0]['ratio'], 1)
        self.assertIsInstance(o['prefill']['tokens'], int)
        self.assertGreater(o['prefill']['tps'], 0)
        self.assertIsInstance(o['prefill']['of_peak'], NUMBER)

    def test_deep(self):
        o = self.object('bench', '-m', Fixture.model, '--seconds', 1, '--at', 700)
        self.assertEqual((o['position'], o['prefill']['tokens']), (700, 700))
        self.assertGreater(o['decode']['gb_per_s'], o['decode']['weight_gb_per_s'])

    def test_text(self):
        r = self.ok('bench', '-m', Fixture.model, '--seconds', 1, '--threads', 1, '--cpu', 'ref')
        for word in (b'decode', b'verify    16 columns', b'prefill', b'cpu ref'):
            self.assertIn(word, r.stdout)

    def test_wrong_use(self):
        self.wrong(2, 'no model', 'bench')
        self.wrong(2, '--seconds', 'bench', '-m', Fixture.model, '--seconds', '0')
        self.wrong(2, 'unexpected', 'bench', Fixture.model, 'x')
        self.wrong(2, '32768 positions', 'bench', '-m', Fixture.model, '--at', '32760')
        self.wrong(1, 'No such file', 'bench', '-m', path('absent'))


class Progress(Case):
    """What a terminal shows meanwhile, and what an interrupt leaves (test_progress.c has the lines
    of logs)."""
    @classmethod
    def setUpClass(cls):
        for name, times in dict(short=400, long=40000).items():
            with open(path(name), 'w') as f:
                f.write('the quick fox over the lazy dog. ' * times)

    def on_terminal(self, *args, interrupt=None):
        """Standard error is a terminal; an interrupt is sent when what matches `interrupt` is seen
        there."""
        ours, theirs = pty.openpty()
        p = subprocess.Popen([COMMAND, *map(str, args)],
                             stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE,
                             stderr=theirs)
        os.close(theirs)
        seen = b''
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            seen += piece
            if not piece:
                break
            if interrupt and re.search(interrupt, seen):
                p.send_signal(signal.SIGINT)
                interrupt = None
        os.close(ours)
        out = p.stdout.read()
        p.stdout.close()
        return p.wait(timeout=60), out, seen

    # or a later one: a line may be drawn after several windows
    SECOND = rb'window ([2-9]|\d\d+) of'
    SLOW = ['--ctx', 512, '--cpu', 'ref', '--threads', 1]

    def test_a_line_is_drawn_and_taken_away(self):
        long = ['perplexity', Fixture.model, path('long'), *self.SLOW]
        status, out, seen = self.on_terminal(*long, interrupt=self.SECOND)
        self.assertEqual(status, 130)
        self.assertIn(b'left after', seen)
        self.assertEqual(seen[-4:], b'\r\x1b[K')
        self.assertNotIn(b'\n', seen)
        self.assertIn(b'perplexity', out)
        for line in seen.split(b'\r'):
            self.assertLess(len(line), 80 + len(b'\x1b[K'))
        quiet = self.on_terminal('perplexity', Fixture.model, path('short'), '--ctx', 64, '-q')
        self.assertEqual(quiet[2], b'')

    def test_an_interrupt_leaves_what_there_is(self):
        whole = self.object('perplexity', Fixture.model, path('short'), '--ctx', 512)
        self.assertNotIn('interrupted', whole)
        m, text = Fixture.model, path('long')
        for args in (['perplexity', m, text], ['compare', m, m, '-f', text]):
            status, out, _ = self.on_terminal(*args, *self.SLOW, '--json', interrupt=self.SECOND)
            o = json.loads(out)
            self.assertEqual((status, o['interrupted']), (130, True))
            self.assertGreaterEqual(o['windows'], 1)
            each, counted = (255, 'tokens') if args[0] == 'perplexity' else (512, 'positions')
            self.assertEqual(o[counted], o['windows'] * each)

    def test_a_long_prompt_in_stretches(self):
        ids = [1 + i * 7 % (Fixture.vocab - 1) for i in range(1700)]
        listed = ','.join(map(str, ids))
        self.ok('logits', Fixture.model, '--ids', listed, '-o', path('stretches.f32'))
        row = read_logits(path('stretches.f32'), Fixture.vocab)[-1]
        o = self.object('run', Fixture.model, '--ids', listed, '-n', 1, '--ignore-eos')
        self.assertEqual((o['ids'], o['prompt_tokens']), ([row.index(max(row))], 1700))
        self.assertGreater(o['prefill_tps'], 0)
