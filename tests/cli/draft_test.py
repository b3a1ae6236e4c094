"""The command line with a draft: what run says of it, which drafts are refused, and what bench
measures of a pair."""
import tiny_gguf
from cli_case import Fixture, NUMBER, PROMPT, RUN, Case, pack, path

SPECULATION = dict(RUN,
                   rounds=int,
                   proposed=int,
                   accepted=int,
                   branches=int,
                   branches_taken=int,
                   accepted_at=list,
                   tokens_per_round=NUMBER,
                   draft_ms=NUMBER,
                   draft_prompt_ms=NUMBER,
                   verify_ms=NUMBER,
                   overlap_ms=NUMBER,
                   ahead=int,
                   ahead_kept=int,
                   overhead_ms=NUMBER,
                   draft_off_rounds=int)


def other_model(name, **of):
    """Another packed model."""
    tiny_gguf.write(path(name + '.gguf'), **of)
    pack(path(name + '.gguf'), path(name))
    return path(name)


class Draft(Case):
    def test_a_draft_changes_figures_only(self):
        draft = other_model('draft.apus', seed=2)
        for sampling in ([], ['--temp', '0.8', '--seed', '3']):
            common = ['run', '-m', Fixture.model, '-p', PROMPT, '-n', 40, '--ignore-eos', *sampling]
            plain = self.object(*common, want=RUN)
            self.assertNotIn('rounds', plain)
            for ways in (['-d', draft], ['-d', draft, '--draft-tokens',
                                         5], ['-d', Fixture.model, '--draft-tokens',
                                              3], ['--lookup'], ['-d', draft, '--draft-ctx', 64],
                         ['-d', draft, '--lookup', '--draft-tokens', 'auto']):
                with self.subTest(ways=ways):
                    o = self.object(*common, *ways, want=SPECULATION)
                    for key in ('text', 'ids', 'logits_hash', 'stop_reason'):
                        self.assertEqual(o[key], plain[key])
                    self.assertLessEqual(o['accepted'], o['proposed'])
                    self.assertAlmostEqual(o['tokens_per_round'], 40 / o['rounds'])
                    if Fixture.model in ways[1:]:  # its own draft is always right
                        self.assertEqual(o['accepted'], o['proposed'])
                        self.assertEqual(o['accepted_at'], [1, 1, 1])
                        self.assertGreater(o['tokens_per_round'], 3)
        r = self.ok(*common, '-d', draft, '--draft-tokens', 2)
        self.assertIn('tokens a round', r.stderr.decode())

    def test_wrong_drafts(self):
        m = Fixture.model
        other = other_model('other.apus', swapped=True)
        for status, expect, args in [(1, 'different texts', ['-d', other]),
                                     (1, 'No such file', ['-d', path('absent')]),
                                     (1, 'GGUF', ['-d', Fixture.gguf]),
                                     (2, '--draft-tokens', ['-d', m, '--draft-tokens', '16']),
                                     (2, '--draft-tokens', ['-d', m, '--draft-tokens', '0']),
                                     (2, '--draft-tokens', ['-d', m, '--draft-tokens', 'some']),
                                     (2, 'needs a draft', ['--draft-tokens', '4']),
                                     (2, '--overlap', ['-d', m, '--overlap', 'yes']),
                                     (2, 'needs a draft', ['--overlap', 'on']),
                                     (2, 'needs a draft', ['--draft-ctx', '64']),
                                     (2, '--draft-ctx', ['-d', m, '--draft-ctx', '63']),
                                     (2, 'positions of the draft',
                                      ['-d', m, '--draft-ctx', '99999999'])]:
            with self.subTest(args=args):
                self.wrong(status, expect, 'run', '-m', m, '-p', 'x', *args)


class BenchPair(Case):
    def test_pair(self):
        o = self.object('bench', '-m', Fixture.model, '-d', Fixture.model, '--pair', '--seconds', 1)
        self.assertEqual({(r['temperature'], r['proposals'])
                          for r in o['pair']},
                         {(t, p)
                          for t in (0, 0.8)
                          for p in ('0', 'auto', '1', '2', '3', '4', '5', '7', '10', '15')})
        for row in o['pair']:
            self.assertGreater(row['tps'], 0)
            if row['proposals'] not in ('0', 'auto'):
                self.assertEqual(row['accepted'], 1, 'a model drafts for itself without a miss')
                self.assertGreater(row['tokens_per_round'], min(int(row['proposals']), 10) * 0.7)

    def test_agreement(self):
        for draft in (Fixture.model, other_model('draft.apus', seed=2)):
            o = self.object('bench', '-m', Fixture.model, '-d', draft, '--agreement')
            self.assertEqual([r['temperature'] for r in o['agreement']], [0, 0.4, 0.8, 1])
            for r in o['agreement']:
                self.assertEqual(r['tokens'], 4 * 128)
                self.assertTrue(0 <= r['independent'] <= r['rejection'] + 1e-9 <= 1 + 1e-6)
                if draft == Fixture.model:
                    self.assertEqual(r['shared_noise'], 1)
                    self.assertAlmostEqual(r['rejection'], 1, places=6)
            greedy = o['agreement'][0]
            self.assertAlmostEqual(greedy['shared_noise'], greedy['rejection'])
        self.wrong(1, 'different texts', 'bench', '-m', Fixture.model, '-d',
                   other_model('other_pieces.apus', swapped=True), '--agreement')

    def test_replay(self):
        o = self.object('bench', '-m', Fixture.model, '-d',
                        other_model('other_pieces.apus', swapped=True), '--replay', '0.73')
        at_five = [r for r in o['replay'] if r['proposals'] == 5]
        self.assertEqual(len(at_five), 1)
        self.assertAlmostEqual(at_five[0]['accepted'], 0.73, delta=0.02)
        self.assertAlmostEqual(at_five[0]['tokens_per_round'],
                               1 + 5 * at_five[0]['accepted'],
                               places=6)
        for r in o['replay']:
            self.assertGreater(r['speedup'], 0)
            self.assertGreater(r['ceiling'], r['independent_ceiling'],
                               'bursts are worth more than independent tokens')

    def test_wrong_uses(self):
        m = Fixture.model
        for expect, args in [('need a draft', ['--pair']), ('need a draft', ['--replay', '0.7']),
                             ('one of', ['-d', m, '--pair', '--replay', '0.7']),
                             ('say what to measure', ['-d', m]),
                             ('0.1 to 0.85', ['-d', m, '--replay', '0.9'])]:
            with self.subTest(args=args):
                self.wrong(2, expect, 'bench', '-m', m, *args)
