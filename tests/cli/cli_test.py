"""The command line as a person or a script meets it: every command, --json, and what wrong use
gives (draft_test.py and measure_test.py have what belongs to a draft and what measures,
newcomer_test.py what people try). All: python3 -m unittest discover -p '*_test.py', here."""
import json
import os
import pathlib
import signal
import struct
import subprocess

import tiny_gguf
from cli_case import BUILD, Fixture, NUMBER, PROMPT, ROOT, RUN, Case, apus, path, read_logits


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
        self.assertEqual(
            self.ok('detokenize', '-m', Fixture.model, '--ids',
                    ','.join(map(str, o['ids']))).stdout.decode().lstrip(), o['text'].lstrip())

    def test_heal_spells_the_cut_word_anew(self):
        for cut in range(1, len(PROMPT) + 1):
            text = PROMPT[:cut]
            o = self.object('run', Fixture.model, text, '--heal', '-n', 24, '--ignore-eos')
            back = o['healed_bytes']
            self.assertLessEqual(back, cut)
            spelled = self.object('detokenize', Fixture.model,
                                  ','.join(map(str, o['ids'])))['text']
            if back and '\ufffd' not in spelled + o['text']:
                self.assertEqual(spelled.lstrip(), (text[cut - back:] + o['text']).lstrip())
            kept = self.object('tokenize', Fixture.model, text[:cut - back], '--bos')['ids']
            self.assertEqual(kept, self.object('tokenize', Fixture.model, PROMPT,
                                               '--bos')['ids'][:len(kept)] if back else kept)
            self.assertEqual(o['prompt_tokens'], len(kept))
            self.assertEqual(
                self.ok('run', Fixture.model, text, '--heal', '-n', 24, '--ignore-eos',
                        '--lookup').stdout.decode(errors='replace'),
                self.ok('run', Fixture.model, text, '--heal', '-n', 24,
                        '--ignore-eos').stdout.decode(errors='replace'))
        self.assertNotIn('healed_bytes', self.object('run', Fixture.model, PROMPT, '-n', 1))

    def test_the_same_prompt_in_four_ways(self):
        ids = self.object('tokenize', '-m', Fixture.model, '-p', PROMPT, '--bos')['ids']
        self.assertEqual(ids[0], tiny_gguf.BOS)
        listed = ','.join(map(str, ids))
        with open(path('prompt.txt'), 'w') as f:
            f.write(PROMPT)
        runs = [
            self.run_model(*way, '-n', 4, stdin=stdin)
            for way, stdin in ((['-p', PROMPT], b''), (['-f', path('prompt.txt')],
                                                       b''), (['-f', '-'], PROMPT.encode()),
                               (['--ids', listed], b''), (['--ids', '-'], listed.encode()))
        ]
        for o in runs:
            self.assertEqual((o['ids'], o['logits_hash'], o['prompt_tokens']),
                             (runs[0]['ids'], runs[0]['logits_hash'], len(ids)))

    def test_the_same_bits_for_every_mask_and_number_of_threads(self):
        hashes = set()
        for cpu in ('ref', 'avx2', 'avxvnni', 'avx512'):
            for threads in (1, 3):
                r = apus('run', '-m', Fixture.model, '-p', PROMPT, '-n', 12, '--ignore-eos',
                         '--cpu', cpu, '--threads', threads, '--json')
                self.assertIn(r.returncode, (0, 3), r.stderr)
                if r.returncode == 0:
                    o = json.loads(r.stdout)
                    self.assertEqual((o['cpu'], o['threads']), (cpu, threads))
                    hashes.add((tuple(o['ids']), o['logits_hash']))
        self.assertEqual(len(hashes), 1)

    def test_sampling_depends_on_the_seed_alone(self):
        def sampled(seed):
            return self.run_model('-p', PROMPT, '-n', 24, '--ignore-eos', '--temp', '2', '--top-k',
                                  50, '--top-p', '0.95', '--min-p', '0.01', '--repeat-penalty',
                                  '1.1', '--seed', seed)['ids']
        self.assertEqual(sampled(1), sampled(1))
        self.assertGreater(len({tuple(sampled(seed)) for seed in range(4)}), 1)

    def test_stop_text_is_not_shown(self):
        whole = self.run_model('-p', PROMPT, '-n', 24, '--ignore-eos')['text']
        stop = whole[6:9]
        o = self.run_model('-p', PROMPT, '-n', 24, '--ignore-eos', '--stop', 'never in it',
                           '--stop', stop)
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
        o = self.run_model('-p', PROMPT, '-n', 0, '--ctx', 32768, '--ignore-eos', '--threads', 1,
                           '--cpu', 'ref', '--deadline', 200)
        self.assertEqual(o['stop_reason'], 'deadline')

    def test_deadline_within_the_prompt(self):
        ids = ','.join(['5'] * 30000)
        way = ['-n', 4, '--threads', 1, '--cpu', 'ref', '--deadline', 50]
        o = self.run_model('--ids', '-', *way, stdin=ids.encode())
        self.assertEqual((o['stop_reason'], o['ids'], o['text'], o['passes']),
                         ('deadline', [], '', 0))
        r = self.ok('run', '-m', Fixture.model, '--ids', '-', *way, stdin=ids.encode())
        self.assertIn(b'no token after it; stop: deadline', r.stderr)

    def start_long(self, model):
        p = subprocess.Popen([
            str(BUILD / 'apus'), 'run', '-m', model, '-p', PROMPT, '-n', '0', '--ctx', '32768',
            '--ignore-eos', '--cpu', 'ref', '--threads', '2'
        ],
                             stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        self.assertTrue(p.stdout.read(1), 'text comes before the end')
        return p

    def test_interrupt_ends_the_text_with_its_figures(self):
        p = self.start_long(Fixture.model)
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=60)
        self.assertEqual(p.returncode, 128 + signal.SIGINT, err)
        self.assertIn('stop: cancelled', err.decode())
        self.assertLess(len(out), 1 << 20)

    def test_a_reader_that_goes_away_ends_it_without_a_word(self):
        p = self.start_long(Fixture.model)
        p.stdout.close()
        err = p.stderr.read()
        self.assertEqual((p.wait(timeout=60), err), (-signal.SIGPIPE, b''))
        p.stderr.close()

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
            (2, 'no model', ['-p', 'x']), (2, 'no prompt', ['-m', m]),
            (2, 'more than one', ['-m', m, '-p', 'x', '--ids', '1']),
            (2, '--frobnicate', ['-m', m, '--frobnicate']),
            (2, 'many', ['-m', m, '-p', 'x', '-n', 'many']),
            (2, '-2', ['-m', m, '-p', 'x', '-n', '-2']), (2, 'expects a value', ['-m', m, '-p']),
            (2, '0.01', ['-m', m, '-p', 'x', '--temp', '0.001']),
            (2, '--top-p', ['-m', m, '-p', 'x', '--top-p', '1.5']),
            (2, '--min-p', ['-m', m, '-p', 'x', '--min-p', 'nan']),
            (2, '--ctx', ['-m', m, '-p', 'x', '--ctx', '32769']),
            (2, 'the context holds 2', ['-m', m, '-p', PROMPT, '--ctx', '2']),
            (2, '32768 positions', ['-m', m, '-p',
                                    'z' * 40000]), (2, 'x', ['-m', m, '-p', 'x', 'x']),
            (2, '--stop', ['-m', m, '-p', 'x', '--stop', '']),
            (2, '8 times', ['-m', m, '-p', 'x'] + ['--stop', 'a'] * 9),
            (2, f'0 to {Fixture.vocab - 1}', ['-m', m, '--ids',
                                              str(Fixture.vocab)]),
            (2, '1;2', ['-m', m, '--ids', '1;2']), (2, 'nothing', ['-m', m, '--ids', '']),
            (2, '9999999999', ['-m', m, '--ids', '9' * 40]),
            (2, '--threads', ['-m', m, '-p', 'x', '--threads', '0']),
            (2, 'sse', ['-m', m, '-p', 'x', '--cpu', 'sse']),
            (3, 'no engine', ['-m', m, '-p', 'x', '--engine', 'gpu']),
            (1, 'No such file', ['-m', path('absent'), '-p', 'x']),
            (1, 'No such file', ['-m', m, '-f', path('absent')]),
            (1, 'GGUF', ['-m', Fixture.gguf, '-p', 'x']),
            (1, 'directory', ['-m', Fixture.folder.name, '-p', 'x']),
            (1, 'directory', ['-m', m, '-f', Fixture.folder.name]),
            (1, 'regular', ['-m', '/dev/null', '-p', 'x'])
        ]:
            with self.subTest(args=args):
                self.wrong(status, expect, 'run', *args)

    def test_files_that_are_not_blobs(self):
        whole = pathlib.Path(Fixture.model).read_bytes()
        for name, data in {
                'zeros': b'APUS' + bytes(4092),
                'half': whole[:len(whole) // 8192 * 4096],
                'text': b'hello\n',
                'empty': b'',
                'future': whole[:4] + struct.pack('<I', 999) + whole[8:]
        }.items():
            with self.subTest(name):
                pathlib.Path(path(name)).write_bytes(data)
                self.wrong(1, name, 'run', '-m', path(name), '-p', 'x')

    def test_output_that_cannot_be_written(self):
        with open('/dev/full', 'wb') as full:
            for extra in ([], ['--json']):
                r = subprocess.run([
                    str(BUILD / 'apus'), 'run', '-m', Fixture.model, '-p', PROMPT, '-n', '4', *extra
                ],
                                   stdout=full,
                                   stderr=subprocess.PIPE)
                self.assertEqual(r.returncode, 1)
                self.assertIn(b'standard output', r.stderr)


class Info(Case):
    def test_says_what_the_model_is(self):
        o = self.object('info',
                        Fixture.model,
                        want=dict(name=str,
                                  architecture=str,
                                  bytes=int,
                                  bits_per_weight=NUMBER,
                                  weight_bytes=int,
                                  hash=str,
                                  tokenizer=str,
                                  layers=list,
                                  tensors=list,
                                  add_bos=bool,
                                  end_tokens=list,
                                  specials=list))
        self.assertEqual(o['bytes'], os.path.getsize(Fixture.model))
        self.assertEqual(
            (o['dim'], o['vocab'], o['max_positions'], o['tokenizer'], o['bos'], o['eos']),
            (tiny_gguf.DIM, Fixture.vocab, tiny_gguf.POSITIONS, 'spm', tiny_gguf.BOS,
             tiny_gguf.EOS))
        shape = dict(heads=2, kv_heads=1, head_dim=32, ffn=128, experts=0, active=0, window=0)
        self.assertEqual(o['layers'], [shape] * tiny_gguf.LAYERS)
        self.assertIn(tiny_gguf.EOS, o['end_tokens'])
        ends = [s['id'] for s in o['specials'] if s['ends']]
        self.assertEqual(ends, o['end_tokens'])
        for s in o['specials']:
            self.assertEqual(set(s), {'id', 'text', 'control', 'ends'})
            ids = self.object('tokenize', Fixture.model, s['text'], '--special')['ids']
            self.assertIn(s['id'], ids)
            if s['control']:
                self.assertNotIn(s['id'], self.object('tokenize', Fixture.model, s['text'])['ids'])
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
        for text in (PROMPT, '  def add(a, b):\n\treturn a', 'h\u00e9llo \U0001f600 \u4e2d',
                     'a</s>b'):
            ids = self.object('tokenize', '-m', Fixture.model, '-p', text,
                              want=dict(ids=list))['ids']
            self.assertNotIn(tiny_gguf.BOS, ids)
            self.assertNotIn(tiny_gguf.EOS, ids)
            listed = ','.join(map(str, ids))
            self.assertEqual(
                self.ok('tokenize', '-m', Fixture.model, '-p', text).stdout.decode(), listed + '\n')
            self.assertEqual(
                self.ok('tokenize', '-m', Fixture.model, '-f', '-',
                        stdin=text.encode()).stdout.decode(), listed + '\n')
            self.assertEqual(
                self.object('detokenize', '-m', Fixture.model, '--ids', listed)['text'], text)
            self.assertEqual(
                self.ok('detokenize', '-m', Fixture.model, '--ids', listed).stdout, text.encode())

    def test_bos_and_special(self):
        plain = self.object('tokenize', '-m', Fixture.model, '-p', 'a</s>')['ids']
        self.assertEqual(
            self.object('tokenize', '-m', Fixture.model, '-p', 'a</s>', '--bos')['ids'],
            [tiny_gguf.BOS] + plain)
        special = self.object('tokenize', '-m', Fixture.model, '-p', 'a</s>', '--special')['ids']
        self.assertEqual(special[-1], tiny_gguf.EOS)
        listed = ','.join(map(str, special))
        self.assertEqual(
            self.object('detokenize', '-m', Fixture.model, '--ids', listed)['text'], 'a')
        self.assertEqual(
            self.object('detokenize', '-m', Fixture.model, '--ids', listed, '--special')['text'],
            'a</s>')

    def test_bytes_that_are_not_text(self):
        ids = ','.join(str(tiny_gguf.FIRST_BYTE + byte) for byte in (0x41, 0xff, 0, 0x42))
        self.assertEqual(
            self.object('detokenize', '-m', Fixture.model, '--ids', ids)['text'], 'A\ufffd\0B')
        self.assertEqual(
            self.ok('detokenize', '-m', Fixture.model, '--ids', ids).stdout, b'A\xff\0B')
        back = self.object('tokenize', '-m', Fixture.model, '-f', '-', stdin=b'A\xff\0B')['ids']
        self.assertNotIn(tiny_gguf.FIRST_BYTE + 0xff, back)
        self.assertIn(tiny_gguf.FIRST_BYTE + 0xef, back,
                      'U+FFFD in place of the bad byte, as sentencepiece does')

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
        self.wrong(2, 'no number', 'detokenize', '-m', m, '--ids', ',')
        self.wrong(2, 'not a token', 'detokenize', '-m', m, '--ids', '999999999')
        self.wrong(2, '-5', 'detokenize', '-m', m, '--ids', '1,-5')


class Logits(Case):
    def logits(self, ids, *args):
        out = path('logits.f32')
        o = self.object('logits',
                        '-m',
                        Fixture.model,
                        '--ids',
                        ','.join(map(str, ids)),
                        '-o',
                        out,
                        *args,
                        want=dict(positions=int, vocab=int, bytes=int))
        self.assertEqual((o['positions'], o['vocab'], o['bytes']),
                         (len(ids), Fixture.vocab, os.path.getsize(out)))
        return read_logits(out, Fixture.vocab)

    def test_agree_with_what_run_chooses(self):
        prompt = self.object('tokenize', '-m', Fixture.model, '-p', PROMPT, '--bos')['ids']
        chosen = self.object('run', '-m', Fixture.model, '-p', PROMPT, '-n', 6,
                             '--ignore-eos')['ids']
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
        self.wrong(2, 'not a token', 'logits', '-m', Fixture.model, '--ids', '1,999999999', '-o',
                   folder + '/y')
        self.wrong(1, 'regular', 'logits', '-m', Fixture.model, '--ids', '1', '-o', '/dev/null')
        self.assertEqual(os.listdir(folder), ['x'])

    def test_wrong_use(self):
        m = Fixture.model
        self.wrong(2, 'no ids', 'logits', '-m', m, '-o', path('l'))
        self.wrong(2, 'no output', 'logits', '-m', m, '--ids', '1')
        self.wrong(2, 'no model', 'logits', '--ids', '1', '-o', path('l'))
        self.wrong(2, 'unexpected', 'logits', '-m', m, '--ids', '1', '-o', path('l'), 'x')
        self.wrong(1, 'No such file', 'logits', '-m', m, '--ids', '1', '-o', path('no/such/l'))
        self.wrong(2,
                   'positions',
                   'logits',
                   '-m',
                   m,
                   '--ids',
                   '-',
                   '-o',
                   path('l'),
                   stdin=b'1 ' * 32769)
        self.assertFalse(os.path.exists(path('l')))


class Rest(Case):
    def test_probe(self):
        o = self.object('probe', want=dict(engines=list, cpu=str, processors=int))
        cpu = [e for e in o['engines'] if e['engine'] == 'cpu']
        self.assertTrue(cpu and cpu[0]['available'] is True and cpu[0]['says'])
        self.assertIn(o['cpu'], ('ref', 'avx2', 'avxvnni', 'avx512'))
        self.assertIn(b'cpu', self.ok('probe').stdout)
        self.wrong(2, 'unexpected', 'probe', 'x')

    def test_help(self):
        overview = self.ok('help').stdout.decode()
        names = [
            c['name']
            for c in self.object('help', want=dict(commands=list, options=list))['commands']
        ]
        self.assertEqual([name for name in names if name != 'serve'], [  # where libevent is
            'run', 'chat', 'info', 'tokenize', 'detokenize', 'logits', 'perplexity', 'compare',
            'bench', 'trace', 'probe', 'lsp', 'help'
        ])
        for name in names:
            self.assertIn(name, overview)
            text = self.ok('help', name).stdout.decode()
            self.assertEqual(self.ok(name, '--help').stdout.decode(), text)
            for line in text.splitlines():
                if line.lstrip().startswith('-'):
                    self.assertRegex(line, r'^  (-\w, |    )?-[^ ]+( [^ ]+)?  +[^ ]',
                                     'two blanks between an option and its words')
            self.assertTrue(all(len(line) <= 80 for line in text.splitlines()), text)
            self.assertLess(len(text.splitlines()), 24,
                            'a screen, with a line for what is typed next')
            everything = self.ok('help', name, '--all').stdout.decode()
            self.assertTrue(all(len(line) <= 110 for line in everything.splitlines()))
            self.assertIn('options of every command', everything)
            for shown in (text, everything):
                self.assertIn(f'usage: apus {name}', shown)
                self.assertIn('example', shown)
        self.assertEqual(self.ok('--help').stdout.decode(), overview)
        self.wrong(2, 'frobnicate', 'help', 'frobnicate')

    def test_manual_page_is_the_one_in_the_tree(self):
        self.assertEqual(
            self.ok('help', '--man').stdout, (ROOT / 'docs/man/apus.1').read_bytes(),
            'make it again: apus help --man')
        pack = subprocess.run([BUILD / 'apus-pack', '--man'], capture_output=True, check=True)
        self.assertEqual(pack.stdout, (ROOT / 'docs/man/apus-pack.1').read_bytes(),
                         'make it again: apus-pack --man')

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
        run = [
            'run', '-m', Fixture.model, '-p', PROMPT, '-n', 6, '--ignore-eos', '--temp', '0.9',
            '--seed', 3
        ]
        cpu = self.object(*run)
        gpu = self.object(*run, '--engine', 'igpu')
        self.assertEqual((gpu['engine'], gpu['ids'], gpu['logits_hash']),
                         ('igpu', cpu['ids'], cpu['logits_hash']))
        pair = self.object(*run, '--engine', 'igpu', '--device', '0', '-d', Fixture.model,
                           '--draft-engine', 'igpu', '--draft-tokens', 3)
        self.assertEqual((pair['ids'], pair['logits_hash']), (cpu['ids'], cpu['logits_hash']))
        self.assertGreater(pair['accepted'], 0)
        self.assertEqual(pair['ahead'], 0)  # both on one engine
        pair = self.object(*run, '--engine', 'igpu', '-d', Fixture.model, '--draft-tokens', 2,
                           '--overlap', 'on')
        self.assertEqual((pair['ids'], pair['logits_hash']), (cpu['ids'], cpu['logits_hash']))
        self.assertTrue(0 < pair['overlap_ms'] <= pair['verify_ms'] and pair['ahead'])
        for engines in ('igpu:1,cpu', 'cpu:1,igpu'):
            shared = self.object(*run, '--engine', engines)
            self.assertEqual((shared['engine'], shared['ids'], shared['logits_hash']),
                             (engines, cpu['ids'], cpu['logits_hash']))
        self.wrong(2, 'layers is 99, must be 1 to', *run, '--engine', 'igpu:99,cpu')
        shared = self.object(*run, '--engine', 'igpu:1,cpu', '--device', 'igpu=0,-dot')
        self.assertEqual(shared['logits_hash'], cpu['logits_hash'])
        self.wrong(3, 'no Vulkan device of that name', *run, '--engine', 'igpu:1,cpu', '--device',
                   '0', '--device', 'igpu=abacus')
        kept = pathlib.Path(path('compiled'))
        for content in (None, None, b'apuscod1, but cut', b''):
            if content is not None:
                kept.write_bytes(content)
            gpu = self.object(*run, '--engine', 'igpu', '--compiled', kept)
            self.assertEqual(gpu['logits_hash'], cpu['logits_hash'])
            self.assertEqual(kept.read_bytes()[:8], b'apuscod1')
            self.assertNotEqual(kept.read_bytes(), content)
        other = pathlib.Path(path('notes'))
        other.write_bytes(b'not what drivers compile')
        gpu = self.ok(*run, '--engine', 'igpu', '--compiled', other, '--json')
        self.assertEqual(json.loads(gpu.stdout)['logits_hash'], cpu['logits_hash'])
        self.assertIn(b'is not overwritten', gpu.stderr)
        self.assertEqual(other.read_bytes(), b'not what drivers compile')
        self.assertEqual(sorted(kept.parent.glob('compiled*')), [kept])
        r = self.ok(*run, '--engine', 'igpu', '--compiled', path('no folder/compiled'))
        self.assertIn(b'cannot be written', r.stderr)
        self.wrong(3, 'no Vulkan device of that name', *run, '--engine', 'igpu', '--device',
                   'abacus')

    def test_masks_and_engines_that_are_not_here(self):
        sets = ('ref', 'avx2', 'avxvnni', 'avx512')
        best = sets.index(self.object('probe')['cpu'])
        with open('/proc/cpuinfo', encoding='utf-8') as f:
            here = [True, best >= 1, ' avx_vnni ' in f.read().replace('\n', ' '), best >= 3]
        for cpu, has in zip(sets, here):
            if has:
                self.ok('run', '-m', Fixture.model, '-p', 'x', '-n', 1, '--cpu', cpu)
            else:
                self.wrong(3, cpu, 'run', '-m', Fixture.model, '-p', 'x', '--cpu', cpu)
        self.wrong(3, 'npu', 'bench', '-m', Fixture.model, '--engine', 'npu')
