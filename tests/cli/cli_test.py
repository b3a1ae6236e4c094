#!/usr/bin/env python3
"""The command line as a person or a script meets it: every command, --json, and what wrong use gives.

Needs APUS_BUILD, the build folder with apus and apus-pack; the model is made here and packed."""
import json
import math
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

import tiny_gguf

BUILD = pathlib.Path(os.environ.get('APUS_BUILD', 'build/release'))
ROOT = pathlib.Path(__file__).resolve().parents[2]
NUMBER = (int, float)
PROMPT = 'the quick dog'


class Fixture:
    """The packed model, made once."""
    folder = model = gguf = None
    vocab = 0


def setUpModule():
    Fixture.folder = tempfile.TemporaryDirectory()
    Fixture.gguf = os.path.join(Fixture.folder.name, 'tiny.gguf')
    Fixture.model = os.path.join(Fixture.folder.name, 'tiny.apus')
    Fixture.vocab = tiny_gguf.write(Fixture.gguf)
    packed = subprocess.run([str(BUILD / 'apus-pack'), Fixture.gguf, '-o', Fixture.model], capture_output=True, text=True)
    if packed.returncode:
        raise RuntimeError('apus-pack failed: ' + packed.stderr)


def other_model(name, **of):
    """Another packed model, for a draft."""
    tiny_gguf.write(path(name + '.gguf'), **of)
    subprocess.run([str(BUILD / 'apus-pack'), path(name + '.gguf'), '-o', path(name)], check=True, capture_output=True)
    return path(name)


def tearDownModule():
    Fixture.folder.cleanup()


def apus(*args, stdin=b'', **options):
    if 'probe' in args or '--engine' in args: # a driver is loaded, and what it leaks is not ours
        options.setdefault('env', dict(os.environ, ASAN_OPTIONS='detect_leaks=0'))
    return subprocess.run([str(BUILD / 'apus'), *map(str, args)], capture_output=True, input=stdin, timeout=300, **options)


def path(name):
    return os.path.join(Fixture.folder.name, name)


class Case(unittest.TestCase):
    def ok(self, *args, **options):
        r = apus(*args, **options)
        self.assertEqual(r.returncode, 0, r.stderr)
        return r

    def object(self, *args, want=None, **options):
        """The one object that --json prints, with its keys and types."""
        r = self.ok(*args, '--json', **options)
        self.assertEqual(r.stdout.count(b'\n'), 1, 'one object on one line')
        o = json.loads(r.stdout)
        for key, kind in (want or {}).items():
            self.assertIn(key, o)
            self.assertTrue(isinstance(o[key], kind) and not (kind is int and isinstance(o[key], bool)), f'{key}: {o[key]!r}')
        return o

    def wrong(self, status, expect, *args, **options):
        """A sentence on standard error that says `expect`, nothing on standard output."""
        for extra in ([], ['--json']):
            r = apus(*extra, *args, **options)
            self.assertEqual(r.returncode, status, (args, r.stderr))
            self.assertEqual(r.stdout, b'', args)
            text = r.stderr.decode()
            self.assertTrue(text.startswith('apus') and text.count('\n') == 1, (args, text))
            self.assertIn(expect, text)


RUN = dict(text=str, ids=list, prompt_tokens=int, new_tokens=int, stop_reason=str, prefill_tps=NUMBER, decode_tps=NUMBER,
           weight_gb_per_s=NUMBER, first_token_ms=NUMBER, arena_bytes=int, logits_hash=str, engine=str, cpu=str, threads=int)


class Run(Case):
    def run_model(self, *args, **options):
        return self.object('run', '-m', Fixture.model, *args, want=RUN, **options)

    def test_text_is_alone_on_standard_output_and_figures_follow(self):
        o = self.run_model('-p', PROMPT, '-n', 8, '--ignore-eos')
        self.assertEqual((len(o['ids']), o['new_tokens'], o['stop_reason']), (8, 8, 'length'))
        self.assertRegex(o['logits_hash'], '^[0-9a-f]{16}$')
        self.assertGreater(o['decode_tps'], 0)
        self.assertGreater(o['prefill_tps'], 0)
        self.assertGreater(o['weight_gb_per_s'], 0)
        self.assertGreater(o['first_token_ms'], 0)
        self.assertGreater(o['arena_bytes'], 0)
        r = self.ok('run', '-m', Fixture.model, '-p', PROMPT, '-n', 8, '--ignore-eos')
        self.assertEqual(r.stdout.decode(), o['text'])
        self.assertIn('stop: length', r.stderr.decode())
        self.assertEqual(self.ok('detokenize', '-m', Fixture.model, '--ids', ','.join(map(str, o['ids']))).stdout.decode().lstrip(),
                         o['text'].lstrip())

    def test_the_same_prompt_in_four_ways(self):
        ids = self.object('tokenize', '-m', Fixture.model, '-p', PROMPT, '--bos')['ids']
        self.assertEqual(ids[0], tiny_gguf.BOS)
        listed = ','.join(map(str, ids))
        with open(path('prompt.txt'), 'w') as f:
            f.write(PROMPT)
        runs = [self.run_model(*way, '-n', 4, stdin=stdin) for way, stdin in (
            (['-p', PROMPT], b''), (['-f', path('prompt.txt')], b''), (['-f', '-'], PROMPT.encode()), (['--ids', listed], b''),
            (['--ids', '-'], listed.encode()))]
        for o in runs:
            self.assertEqual((o['ids'], o['logits_hash'], o['prompt_tokens']), (runs[0]['ids'], runs[0]['logits_hash'], len(ids)))

    def test_the_same_bits_for_every_mask_and_number_of_threads(self):
        hashes = set()
        for cpu in ('ref', 'avx2', 'avx512'):
            for threads in (1, 3):
                r = apus('run', '-m', Fixture.model, '-p', PROMPT, '-n', 12, '--ignore-eos', '--cpu', cpu, '--threads', threads, '--json')
                self.assertIn(r.returncode, (0, 3), r.stderr)
                if r.returncode == 0:
                    o = json.loads(r.stdout)
                    self.assertEqual((o['cpu'], o['threads']), (cpu, threads))
                    hashes.add((tuple(o['ids']), o['logits_hash']))
        self.assertEqual(len(hashes), 1)

    def test_sampling_depends_on_the_seed_alone(self):
        def sampled(seed):
            return self.run_model('-p', PROMPT, '-n', 24, '--ignore-eos', '--temp', '2', '--top-k', 50, '--top-p', '0.95', '--min-p', '0.01',
                                  '--repeat-penalty', '1.1', '--seed', seed)['ids']
        self.assertEqual(sampled(1), sampled(1))
        self.assertGreater(len({tuple(sampled(seed)) for seed in range(4)}), 1)

    def test_stop_text_is_not_shown(self):
        whole = self.run_model('-p', PROMPT, '-n', 24, '--ignore-eos')['text']
        stop = whole[6:9]
        o = self.run_model('-p', PROMPT, '-n', 24, '--ignore-eos', '--stop', 'never in it', '--stop', stop)
        self.assertEqual((o['stop_reason'], o['text']), ('stop', whole[:whole.index(stop)]))

    def test_end_token_is_the_last_id_and_not_shown(self):
        o = self.run_model('-p', PROMPT, '-n', 0, '--temp', '100', '--seed', 3)
        self.assertEqual((o['stop_reason'], o['ids'][-1]), ('eos', tiny_gguf.EOS))
        self.assertNotIn('</s>', o['text'])

    def test_full_context(self):
        o = self.run_model('-p', PROMPT, '-n', 0, '--ctx', 32, '--ignore-eos')
        self.assertEqual((o['stop_reason'], o['context']), ('context', 32))
        self.assertGreaterEqual(o['prompt_tokens'] + o['new_tokens'], 32)

    def test_deadline(self):
        o = self.run_model('-p', PROMPT, '-n', 0, '--ctx', 32768, '--ignore-eos', '--threads', 1, '--cpu', 'ref', '--deadline', 200)
        self.assertEqual(o['stop_reason'], 'deadline')

    def test_deadline_within_the_prompt(self):
        ids = ','.join(['5'] * 30000)
        way = ['-n', 4, '--threads', 1, '--cpu', 'ref', '--deadline', 50]
        o = self.run_model('--ids', '-', *way, stdin=ids.encode())
        self.assertEqual((o['stop_reason'], o['ids'], o['text'], o['passes']), ('deadline', [], '', 0))
        r = self.ok('run', '-m', Fixture.model, '--ids', '-', *way, stdin=ids.encode())
        self.assertIn(b'no token after it; stop: deadline', r.stderr)

    def start_long(self, model):
        p = subprocess.Popen([str(BUILD / 'apus'), 'run', '-m', model, '-p', PROMPT, '-n', '0', '--ctx', '32768', '--ignore-eos', '--cpu', 'ref',
                              '--threads', '2'], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertTrue(p.stdout.read(1), 'text comes before the end')
        return p

    def test_interrupt_ends_the_text_with_its_figures(self):
        p = self.start_long(Fixture.model)
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=60)
        self.assertEqual(p.returncode, 0, err)
        self.assertIn('stop: cancelled', err.decode())
        self.assertLess(len(out), 1 << 20)

    def test_a_model_cut_short_while_in_use(self):
        copy = path('cut.apus')
        with open(Fixture.model, 'rb') as f, open(copy, 'wb') as g:
            g.write(f.read())
        p = self.start_long(copy)
        os.truncate(copy, 4096)
        _, err = p.communicate(timeout=60)
        self.assertEqual(p.returncode, 1, err)
        self.assertIn('cut short', err.decode())

    def test_control_tokens_in_text_need_the_flag(self):
        plain = self.run_model('-p', '</s>the', '-n', 1)['prompt_tokens']
        special = self.run_model('-p', '</s>the', '-n', 1, '--special')['prompt_tokens']
        self.assertGreater(plain, special)

    def test_wrong_use(self):
        m = Fixture.model
        for status, expect, args in [
                (2, 'no model', ['-p', 'x']), (2, 'no prompt', ['-m', m]), (2, 'more than one', ['-m', m, '-p', 'x', '--ids', '1']),
                (2, '--frobnicate', ['-m', m, '--frobnicate']), (2, 'many', ['-m', m, '-p', 'x', '-n', 'many']),
                (2, '-1', ['-m', m, '-p', 'x', '-n', '-1']), (2, 'expects a value', ['-m', m, '-p']), (2, '0.01', ['-m', m, '-p', 'x', '--temp', '0.001']),
                (2, '--top-p', ['-m', m, '-p', 'x', '--top-p', '1.5']), (2, '--min-p', ['-m', m, '-p', 'x', '--min-p', 'nan']),
                (2, '--ctx', ['-m', m, '-p', 'x', '--ctx', '32769']), (2, 'the context holds 2', ['-m', m, '-p', PROMPT, '--ctx', '2']),
                (2, '32768 positions', ['-m', m, '-p', 'z' * 40000]), (2, 'x', ['-m', m, '-p', 'x', 'x']), (2, '--stop', ['-m', m, '-p', 'x', '--stop', '']),
                (2, '8 times', ['-m', m, '-p', 'x'] + ['--stop', 'a'] * 9), (2, f'0 to {Fixture.vocab - 1}', ['-m', m, '--ids', str(Fixture.vocab)]),
                (2, '1;2', ['-m', m, '--ids', '1;2']), (2, 'nothing', ['-m', m, '--ids', '']), (2, '9999999999', ['-m', m, '--ids', '9' * 40]),
                (2, '--threads', ['-m', m, '-p', 'x', '--threads', '0']), (2, 'sse', ['-m', m, '-p', 'x', '--cpu', 'sse']),
                (3, 'no engine', ['-m', m, '-p', 'x', '--engine', 'gpu']), (1, 'No such file', ['-m', path('absent'), '-p', 'x']),
                (1, 'No such file', ['-m', m, '-f', path('absent')]), (1, 'GGUF', ['-m', Fixture.gguf, '-p', 'x']),
                (1, 'directory', ['-m', Fixture.folder.name, '-p', 'x']), (1, 'directory', ['-m', m, '-f', Fixture.folder.name]),
                (1, 'regular', ['-m', '/dev/null', '-p', 'x'])]:
            with self.subTest(args=args):
                self.wrong(status, expect, 'run', *args)

    def test_files_that_are_not_blobs(self):
        whole = pathlib.Path(Fixture.model).read_bytes()
        for name, data in {'zeros': b'APUS' + bytes(4092), 'half': whole[:len(whole) // 8192 * 4096], 'text': b'hello\n', 'empty': b'',
                           'future': whole[:4] + struct.pack('<I', 999) + whole[8:]}.items():
            with self.subTest(name):
                pathlib.Path(path(name)).write_bytes(data)
                self.wrong(1, name, 'run', '-m', path(name), '-p', 'x')

    def test_output_that_cannot_be_written(self):
        with open('/dev/full', 'wb') as full:
            for extra in ([], ['--json']):
                r = subprocess.run([str(BUILD / 'apus'), 'run', '-m', Fixture.model, '-p', PROMPT, '-n', '4', *extra], stdout=full,
                                   stderr=subprocess.PIPE)
                self.assertEqual(r.returncode, 1)
                self.assertIn(b'standard output', r.stderr)


SPECULATION = dict(RUN, rounds=int, proposed=int, accepted=int, branches=int, branches_taken=int, accepted_at=list, tokens_per_round=NUMBER, draft_ms=NUMBER,
                   draft_prompt_ms=NUMBER, verify_ms=NUMBER, overlap_ms=NUMBER, ahead=int, ahead_kept=int, overhead_ms=NUMBER, draft_off_rounds=int)


class Draft(Case):
    def test_a_draft_changes_figures_only(self):
        draft = other_model('draft.apus', seed=2)
        for sampling in ([], ['--temp', '0.8', '--seed', '3']):
            common = ['run', '-m', Fixture.model, '-p', PROMPT, '-n', 40, '--ignore-eos', *sampling]
            plain = self.object(*common, want=RUN)
            self.assertNotIn('rounds', plain)
            for ways in (['-d', draft], ['-d', draft, '--draft-tokens', 5], ['-d', Fixture.model, '--draft-tokens', 3], ['--lookup'], ['-d', draft, '--draft-ctx', 64],
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
        for status, expect, args in [
                (1, 'different texts', ['-d', other]), (1, 'No such file', ['-d', path('absent')]), (1, 'GGUF', ['-d', Fixture.gguf]),
                (2, '--draft-tokens', ['-d', m, '--draft-tokens', '16']), (2, '--draft-tokens', ['-d', m, '--draft-tokens', '0']),
                (2, '--draft-tokens', ['-d', m, '--draft-tokens', 'some']), (2, 'needs a draft', ['--draft-tokens', '4']),
                (2, '--overlap', ['-d', m, '--overlap', 'yes']), (2, 'needs a draft', ['--overlap', 'on']),
                (2, 'needs a draft', ['--draft-ctx', '64']), (2, '--draft-ctx', ['-d', m, '--draft-ctx', '63']),
                (2, 'positions of the draft', ['-d', m, '--draft-ctx', '99999999'])]:
            with self.subTest(args=args):
                self.wrong(status, expect, 'run', '-m', m, '-p', 'x', *args)


class Info(Case):
    def test_says_what_the_model_is(self):
        o = self.object('info', Fixture.model, want=dict(name=str, architecture=str, bytes=int, bits_per_weight=NUMBER, weight_bytes=int,
                                                         hash=str, tokenizer=str, layers=list, tensors=list, add_bos=bool, end_tokens=list))
        self.assertEqual(o['bytes'], os.path.getsize(Fixture.model))
        self.assertEqual((o['dim'], o['vocab'], o['max_positions'], o['tokenizer'], o['bos'], o['eos']),
                         (tiny_gguf.DIM, Fixture.vocab, tiny_gguf.POSITIONS, 'spm', tiny_gguf.BOS, tiny_gguf.EOS))
        self.assertEqual(o['layers'], [dict(heads=2, kv_heads=1, head_dim=32, ffn=128)] * tiny_gguf.LAYERS)
        self.assertIn(tiny_gguf.EOS, o['end_tokens'])
        self.assertIn(b'layers 0 to 1: 2 heads', self.ok('info', Fixture.model).stdout)
        self.assertEqual(self.object('info', '-m', Fixture.model), o)

    def test_verify_finds_a_changed_weight(self):
        self.assertIs(self.object('info', Fixture.model, '--verify')['verified'], True)
        data = bytearray(pathlib.Path(Fixture.model).read_bytes())
        data[-8000] ^= 1
        pathlib.Path(path('changed.apus')).write_bytes(data)
        self.ok('info', path('changed.apus'))
        self.wrong(1, 'damaged', 'info', path('changed.apus'), '--verify')

    def test_wrong_use(self):
        self.wrong(2, 'no model', 'info')
        self.wrong(2, 'unexpected', 'info', Fixture.model, 'another')
        self.wrong(2, 'twice', 'info', Fixture.model, '-m', Fixture.model)
        self.wrong(2, '--frobnicate', 'info', Fixture.model, '--frobnicate')
        self.wrong(1, 'No such file', 'info', path('absent'))


class Tokens(Case):
    def test_round_trip(self):
        for text in (PROMPT, '  def add(a, b):\n\treturn a', 'h\u00e9llo \U0001f600 \u4e2d', 'a</s>b'):
            ids = self.object('tokenize', '-m', Fixture.model, '-p', text, want=dict(ids=list))['ids']
            self.assertNotIn(tiny_gguf.BOS, ids)
            self.assertNotIn(tiny_gguf.EOS, ids)
            listed = ','.join(map(str, ids))
            self.assertEqual(self.ok('tokenize', '-m', Fixture.model, '-p', text).stdout.decode(), listed + '\n')
            self.assertEqual(self.ok('tokenize', '-m', Fixture.model, '-f', '-', stdin=text.encode()).stdout.decode(), listed + '\n')
            self.assertEqual(self.object('detokenize', '-m', Fixture.model, '--ids', listed)['text'], text)
            self.assertEqual(self.ok('detokenize', '-m', Fixture.model, '--ids', listed).stdout, text.encode())

    def test_bos_and_special(self):
        plain = self.object('tokenize', '-m', Fixture.model, '-p', 'a</s>')['ids']
        self.assertEqual(self.object('tokenize', '-m', Fixture.model, '-p', 'a</s>', '--bos')['ids'], [tiny_gguf.BOS] + plain)
        special = self.object('tokenize', '-m', Fixture.model, '-p', 'a</s>', '--special')['ids']
        self.assertEqual(special[-1], tiny_gguf.EOS)
        listed = ','.join(map(str, special))
        self.assertEqual(self.object('detokenize', '-m', Fixture.model, '--ids', listed)['text'], 'a')
        self.assertEqual(self.object('detokenize', '-m', Fixture.model, '--ids', listed, '--special')['text'], 'a</s>')

    def test_bytes_that_are_not_text(self):
        ids = f'{tiny_gguf.FIRST_BYTE + 0x41},{tiny_gguf.FIRST_BYTE + 0xff},{tiny_gguf.FIRST_BYTE + 0},{tiny_gguf.FIRST_BYTE + 0x42}'
        self.assertEqual(self.object('detokenize', '-m', Fixture.model, '--ids', ids)['text'], 'A\ufffd\0B')
        self.assertEqual(self.ok('detokenize', '-m', Fixture.model, '--ids', ids).stdout, b'A\xff\0B')
        back = self.object('tokenize', '-m', Fixture.model, '-f', '-', stdin=b'A\xff\0B')['ids']
        self.assertNotIn(tiny_gguf.FIRST_BYTE + 0xff, back)
        self.assertIn(tiny_gguf.FIRST_BYTE + 0xef, back, 'U+FFFD in place of the bad byte, as sentencepiece does')

    def test_wrong_use(self):
        m = Fixture.model
        self.wrong(2, 'no model', 'tokenize', '-p', 'x')
        self.wrong(2, 'no text', 'tokenize', '-m', m)
        self.wrong(2, 'both', 'tokenize', '-m', m, '-p', 'x', '-f', 'y')
        self.wrong(2, '--ids', 'tokenize', '-m', m, '-p', 'x', '--ids', '1')
        self.wrong(1, 'No such file', 'tokenize', '-m', m, '-f', path('absent'))
        self.wrong(1, 'No such file', 'tokenize', '-m', path('absent'), '-p', 'x')
        self.wrong(2, 'no model', 'detokenize', '--ids', '1')
        self.wrong(2, 'no ids', 'detokenize', '-m', m)
        self.wrong(2, 'nothing', 'detokenize', '-m', m, '--ids', ',')
        self.wrong(2, 'not a token', 'detokenize', '-m', m, '--ids', '999999999')
        self.wrong(2, '-5', 'detokenize', '-m', m, '--ids', '1,-5')


def read_logits(name, vocab):
    data = pathlib.Path(name).read_bytes()
    rows = len(data) // (4 * vocab)
    return [struct.unpack_from(f'<{vocab}f', data, 4 * vocab * r) for r in range(rows)]


class Logits(Case):
    def logits(self, ids, *args):
        out = path('logits.f32')
        o = self.object('logits', '-m', Fixture.model, '--ids', ','.join(map(str, ids)), '-o', out, *args,
                        want=dict(positions=int, vocab=int, bytes=int))
        self.assertEqual((o['positions'], o['vocab'], o['bytes']), (len(ids), Fixture.vocab, os.path.getsize(out)))
        return read_logits(out, Fixture.vocab)

    def test_agree_with_what_run_chooses(self):
        prompt = self.object('tokenize', '-m', Fixture.model, '-p', PROMPT, '--bos')['ids']
        chosen = self.object('run', '-m', Fixture.model, '-p', PROMPT, '-n', 6, '--ignore-eos')['ids']
        rows = self.logits(prompt + chosen)
        for i, id in enumerate(chosen):
            row = rows[len(prompt) - 1 + i]
            self.assertEqual(row.index(max(row)), id)

    def test_the_same_bytes_for_one_thread_of_plain_c_and_for_long_inputs(self):
        ids = [1 + i * 7 % (Fixture.vocab - 1) for i in range(300)]
        best = self.logits(ids)
        self.assertEqual(self.logits(ids, '--cpu', 'ref', '--threads', 1), best)

    def test_output_appears_whole_or_not_at_all(self):
        folder = path('outputs')
        os.mkdir(folder)
        self.ok('logits', '-m', Fixture.model, '--ids', '1', '-o', folder + '/x')
        self.assertEqual(os.listdir(folder), ['x'])
        self.wrong(2, 'not a token', 'logits', '-m', Fixture.model, '--ids', '1,999999999', '-o', folder + '/y')
        self.wrong(1, 'regular', 'logits', '-m', Fixture.model, '--ids', '1', '-o', '/dev/null')
        self.assertEqual(os.listdir(folder), ['x'])

    def test_wrong_use(self):
        m = Fixture.model
        self.wrong(2, 'no ids', 'logits', '-m', m, '-o', path('l'))
        self.wrong(2, 'no output', 'logits', '-m', m, '--ids', '1')
        self.wrong(2, 'no model', 'logits', '--ids', '1', '-o', path('l'))
        self.wrong(2, 'unexpected', 'logits', '-m', m, '--ids', '1', '-o', path('l'), 'x')
        self.wrong(1, 'No such file', 'logits', '-m', m, '--ids', '1', '-o', path('no/such/l'))
        self.wrong(2, 'positions', 'logits', '-m', m, '--ids', '-', '-o', path('l'), stdin=b'1,' * 32769)
        self.assertFalse(os.path.exists(path('l')))


class Perplexity(Case):
    WANT = dict(perplexity=NUMBER, tokens=int, windows=int, nll=NUMBER)

    def test_is_what_the_logits_say(self):
        n, text = 32, 'the quick fox over the lazy dog. ' * 12
        with open(path('text.txt'), 'w') as f:
            f.write(text)
        o = self.object('perplexity', '-m', Fixture.model, '-f', path('text.txt'), '--ctx', n, want=self.WANT)
        ids = self.object('tokenize', '-m', Fixture.model, '-p', text, '--bos')['ids']
        total, scored = 0.0, 0
        for w in range(len(ids) // n):
            window = [tiny_gguf.BOS] + ids[w * n + 1:w * n + n]
            self.ok('logits', '-m', Fixture.model, '--ids', ','.join(map(str, window)), '-o', path('w.f32'))
            rows = read_logits(path('w.f32'), Fixture.vocab)
            for i in range(n // 2, n - 1):
                top = max(rows[i])
                total -= rows[i][window[i + 1]] - top - math.log(sum(math.exp(x - top) for x in rows[i]))
                scored += 1
        self.assertEqual((o['windows'], o['tokens']), (len(ids) // n, scored))
        self.assertAlmostEqual(o['nll'], total / scored, places=6)
        self.assertAlmostEqual(o['perplexity'], math.exp(total / scored), delta=1e-5 * o['perplexity'])
        self.assertIn(b'perplexity', self.ok('perplexity', '-m', Fixture.model, '-f', path('text.txt'), '--ctx', n).stdout)

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
    WANT = dict(kl=NUMBER, kl_p99=NUMBER, top1=NUMBER, perplexity=NUMBER, perplexity_reference=NUMBER, positions=int, windows=int)
    TEXT = 'the quick fox over the lazy dog. ' * 12

    @classmethod
    def setUpClass(cls):
        with open(path('compared.txt'), 'w') as f:
            f.write(cls.TEXT)
        subprocess.run([str(BUILD / 'apus-pack'), Fixture.gguf, '-o', path('four.apus'), '--weights', 'int4', '-q'], check=True)

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
                self.ok('logits', '-m', model, '--ids', ','.join(map(str, window)), '-o', path('w.f32'))
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
        itself = self.object('compare', '-m', Fixture.model, '-f', path('compared.txt'), '--ctx', n, '--reference', Fixture.model)
        self.assertEqual((itself['kl'], itself['top1']), (0, 1))

    def test_wrong_use(self):
        m, text = Fixture.model, path('compared.txt')
        self.wrong(2, 'no text', 'compare', '-m', m, '--reference', m)
        self.wrong(2, 'no reference', 'compare', '-m', m, '-f', text)
        self.wrong(2, 'no model', 'compare', '-f', text, '--reference', m)
        self.wrong(1, 'cannot open', 'compare', '-m', m, '-f', text, '--reference', path('absent'), '--ctx', '32')
        self.wrong(1, 'are expected', 'compare', '-m', m, '-f', text, '--reference', text, '--ctx', '32')
        self.wrong(1, 'fewer than one window', 'compare', '-m', m, '-f', text, '--reference', m, '--ctx', '4000')


class Bench(Case):
    def test_figures(self):
        o = self.object('bench', '-m', Fixture.model, '--seconds', 1, want=dict(
            read_gb_per_s=NUMBER, vpdpbusd_gmac_per_s=NUMBER, decode=dict, verify=list, prefill=dict, machine=dict, cpu=str, threads=int,
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
        self.wrong(2, 'unexpected', 'bench', Fixture.model)
        self.wrong(2, '32768 positions', 'bench', '-m', Fixture.model, '--at', '32760')
        self.wrong(1, 'No such file', 'bench', '-m', path('absent'))


class BenchPair(Case):
    def test_pair(self):
        o = self.object('bench', '-m', Fixture.model, '-d', Fixture.model, '--pair', '--seconds', 1)
        self.assertEqual({(r['temperature'], r['proposals']) for r in o['pair']},
                         {(t, p) for t in (0, 0.8) for p in ('0', 'auto', '1', '2', '3', '4', '5', '7', '10', '15')})
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
        self.wrong(1, 'different texts', 'bench', '-m', Fixture.model, '-d', other_model('other_pieces.apus', swapped=True), '--agreement')

    def test_replay(self):
        o = self.object('bench', '-m', Fixture.model, '-d', other_model('other_pieces.apus', swapped=True), '--replay', '0.73')
        at_five = [r for r in o['replay'] if r['proposals'] == 5]
        self.assertEqual(len(at_five), 1)
        self.assertAlmostEqual(at_five[0]['accepted'], 0.73, delta=0.02)
        self.assertAlmostEqual(at_five[0]['tokens_per_round'], 1 + 5 * at_five[0]['accepted'], places=6)
        for r in o['replay']:
            self.assertGreater(r['speedup'], 0)
            self.assertGreater(r['ceiling'], r['independent_ceiling'], 'bursts are worth more than independent tokens')

    def test_wrong_uses(self):
        m = Fixture.model
        for expect, args in [('need a draft', ['--pair']), ('need a draft', ['--replay', '0.7']), ('one of', ['-d', m, '--pair', '--replay', '0.7']),
                             ('say what to measure', ['-d', m]), ('0.1 to 0.85', ['-d', m, '--replay', '0.9'])]:
            with self.subTest(args=args):
                self.wrong(2, expect, 'bench', '-m', m, *args)


class Rest(Case):
    def test_probe(self):
        o = self.object('probe', want=dict(engines=list, cpu=str, processors=int))
        cpu = [e for e in o['engines'] if e['engine'] == 'cpu']
        self.assertTrue(cpu and cpu[0]['available'] is True and cpu[0]['says'])
        self.assertIn(o['cpu'], ('ref', 'avx2', 'avx512'))
        self.assertIn(b'cpu', self.ok('probe').stdout)
        self.wrong(2, 'unexpected', 'probe', 'x')

    def test_help(self):
        overview = self.ok('help').stdout.decode()
        names = [c['name'] for c in self.object('help', want=dict(commands=list, options=list))['commands']]
        self.assertEqual(names, ['run', 'info', 'tokenize', 'detokenize', 'logits', 'perplexity', 'compare', 'bench', 'probe', 'help'])
        for name in names:
            self.assertIn(name, overview)
            text = self.ok('help', name).stdout.decode()
            self.assertIn(f'usage: apus {name}', text)
            self.assertIn('example', text)
            self.assertEqual(self.ok(name, '--help').stdout.decode(), text)
            self.assertTrue(all(len(line) <= 110 for line in text.splitlines()))
        self.assertEqual(self.ok('--help').stdout.decode(), overview)
        self.wrong(2, 'frobnicate', 'help', 'frobnicate')

    def test_manual_page_is_the_one_in_the_tree(self):
        self.assertEqual(self.ok('help', '--man').stdout, (ROOT / 'docs/man/apus.1').read_bytes(), 'make it again: apus help --man')

    def test_version(self):
        self.assertRegex(self.ok('--version').stdout.decode(), r'^apus \d+\.\d+\.\d+\n$')
        self.assertRegex(self.object('--version')['version'], r'^\d+\.\d+\.\d+$')

    def test_no_command(self):
        r = apus()
        self.assertEqual((r.returncode, r.stdout), (2, b''))
        self.assertIn(b'usage: apus COMMAND', r.stderr)
        self.wrong(2, 'frobnicate', 'frobnicate')
        self.wrong(2, '--frobnicate', '--frobnicate', 'run')

    def test_options_in_front_of_the_command(self):
        r = self.ok('--json', '--threads', 2, 'tokenize', '-m', Fixture.model, '-p', 'dog')
        self.assertTrue(json.loads(r.stdout)['ids'])

    def test_every_engine_gives_the_same_bits(self):
        engines = {e['engine']: e['available'] for e in self.object('probe')['engines']}
        if not engines.get('igpu'):
            self.wrong(3, 'igpu', 'run', '-m', Fixture.model, '-p', 'x', '--engine', 'igpu')
            self.skipTest('this build or machine has no igpu engine')
        run = ['run', '-m', Fixture.model, '-p', PROMPT, '-n', 6, '--ignore-eos', '--temp', '0.9', '--seed', 3]
        cpu = self.object(*run)
        gpu = self.object(*run, '--engine', 'igpu')
        self.assertEqual((gpu['engine'], gpu['ids'], gpu['logits_hash']), ('igpu', cpu['ids'], cpu['logits_hash']))
        pair = self.object(*run, '--engine', 'igpu', '--device', '0', '-d', Fixture.model, '--draft-engine', 'igpu', '--draft-tokens', 3)
        self.assertEqual((pair['ids'], pair['logits_hash']), (cpu['ids'], cpu['logits_hash']))
        self.assertGreater(pair['accepted'], 0)
        self.assertEqual(pair['ahead'], 0)  # both on one engine
        pair = self.object(*run, '--engine', 'igpu', '-d', Fixture.model, '--draft-tokens', 2, '--overlap', 'on')
        self.assertEqual((pair['ids'], pair['logits_hash']), (cpu['ids'], cpu['logits_hash']))
        self.assertTrue(0 < pair['overlap_ms'] <= pair['verify_ms'] and pair['ahead'])
        for engines in ('igpu:1,cpu', 'cpu:1,igpu'):
            shared = self.object(*run, '--engine', engines)
            self.assertEqual((shared['engine'], shared['ids'], shared['logits_hash']), (engines, cpu['ids'], cpu['logits_hash']))
        self.wrong(2, 'NAME:LAYERS,NAME', *run, '--engine', 'igpu:99,cpu')
        kept = pathlib.Path(path('compiled'))
        for content in (None, None, b'not what was written there'):
            if content:
                kept.write_bytes(content)
            gpu = self.object(*run, '--engine', 'igpu', '--compiled', kept)
            self.assertEqual(gpu['logits_hash'], cpu['logits_hash'])
            self.assertEqual(kept.read_bytes()[:7], b'apuscod')
        self.assertEqual(sorted(kept.parent.glob('compiled*')), [kept])
        r = self.ok(*run, '--engine', 'igpu', '--compiled', path('no folder/compiled'))
        self.assertIn(b'could not be written', r.stderr)
        self.wrong(3, 'no Vulkan device of that name', *run, '--engine', 'igpu', '--device', 'abacus')

    def test_masks_and_engines_that_are_not_here(self):
        known = self.object('probe')['cpu']
        for cpu in ('avx2', 'avx512'):
            if cpu > known or known == 'ref':
                self.wrong(3, cpu, 'run', '-m', Fixture.model, '-p', 'x', '--cpu', cpu)
        self.wrong(3, 'npu', 'bench', '-m', Fixture.model, '--engine', 'npu')


if __name__ == '__main__':
    unittest.main(argv=[sys.argv[0], *sys.argv[1:]])
