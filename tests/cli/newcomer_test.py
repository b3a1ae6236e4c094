"""What somebody types who has read nothing: the model and the prompt as they come, a pipe, other
programs' options, slips."""
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess

from cli_case import COMMAND, Fixture, PROMPT, RUN, Case, apus, path


class Arguments(Case):
    def test_the_model_and_the_prompt_without_options(self):
        m = Fixture.model
        plain = self.object('run', '-m', m, '-p', PROMPT, '-n', 6)
        for args in ([m, PROMPT], [PROMPT, '-m', m], [m, '-p', PROMPT]):
            o = self.object('run', '-n', 6, *args)
            self.assertEqual((o['ids'], o['logits_hash']), (plain['ids'], plain['logits_hash']))
        self.assertEqual(self.ok('run', m, '-n', 6, '--', PROMPT).stdout.decode(), plain['text'])
        ids = self.object('tokenize', '-m', m, '-p', PROMPT)['ids']
        self.assertEqual(self.object('tokenize', m, PROMPT)['ids'], ids)
        listed = ','.join(map(str, ids))
        self.assertEqual(
            self.ok('detokenize', m, listed).stdout,
            self.ok('detokenize', '-m', m, '--ids', listed).stdout)
        with open(path('words.txt'), 'w') as f:
            f.write(PROMPT * 40)
        measured = self.object('perplexity', '-m', m, '-f', path('words.txt'), '--ctx',
                               16)['perplexity']
        self.assertEqual(
            self.object('perplexity', m, path('words.txt'), '--ctx', 16)['perplexity'], measured)
        self.assertEqual(self.object('compare', m, m, '-f', path('words.txt'), '-c', 16)['kl'], 0)
        self.ok('logits', m, '--ids', listed, '-o', path('l.f32'))

    def test_one_too_many(self):
        m = Fixture.model
        self.wrong(2, 'twice, here and with -p', 'run', m, '-p', 'x', 'y')
        self.wrong(2, 'twice, here and with -m', 'bench', m, '-m', m)
        self.wrong(2, 'quotes', 'run', m, 'the', 'quick', 'dog')
        self.wrong(2, 'more than one prompt', 'run', m, 'x', '--ids', '1')
        self.wrong(2, 'unexpected', 'info', m, 'x')

    def test_a_pipe_is_the_text_where_none_is_given(self):
        m = Fixture.model
        o = self.object('run', m, '-n', 6, stdin=PROMPT.encode())
        self.assertEqual(o['ids'], self.object('run', m, PROMPT, '-n', 6, stdin=b'not this')['ids'])
        self.assertEqual(self.object('tokenize', m, stdin=PROMPT.encode()),
                         self.object('tokenize', m, PROMPT))
        self.assertEqual(
            self.object('run', m, '-', '-n', 6, stdin=PROMPT.encode())['ids'], o['ids'])
        with open(path('file'), 'w+') as f:
            f.write(PROMPT)
            f.seek(0)
            r = subprocess.run([COMMAND, 'run', m, '-n', '6', '--json'],
                               stdin=f,
                               capture_output=True)
        self.assertEqual(json.loads(r.stdout)['ids'], o['ids'])
        self.wrong(2, 'standard input is empty', 'run', m)
        r = subprocess.run([COMMAND, 'run', m],
                           stdin=subprocess.DEVNULL,
                           capture_output=True,
                           text=True)
        self.assertEqual((r.returncode, r.stdout), (2, ''))
        self.assertIn('no prompt was given. Give it', r.stderr)

    def test_a_pipe_where_nothing_comes_is_told(self):
        p = subprocess.Popen([COMMAND, 'run', Fixture.model, '-n', '1'],
                             stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        self.assertIn(b'nothing comes yet', p.stderr.readline())
        p.communicate(PROMPT.encode(), timeout=60)
        self.assertEqual(p.returncode, 0)

    def test_escapes(self):
        m = Fixture.model

        def ids(*args):
            return self.object('tokenize', m, *args)['ids']
        typed = r'''a\nb\tc\\d\x41\x4\'\"\q\r''' + '\\'
        meant = 'a\nb\tc\\dA\x04\'"\\q\r\\'
        self.assertEqual(ids('-e', '-p', typed), ids('-p', meant))
        self.assertEqual(
            self.ok('run', m, typed, '-n', 4, '-e').stdout,
            self.ok('run', m, meant, '-n', 4).stdout)
        with open(path('escapes'), 'w') as f:
            f.write(typed)
        self.assertEqual(ids('-e', '-f', path('escapes')), ids(typed), 'a file is taken as it is')
        text = self.object('run', m, PROMPT, '-n', 24, '--ignore-eos')['text']
        stop = ''.join(r'\x%02x' % b for b in text[6:9].encode())
        stopped = self.object('run', m, PROMPT, '-n', 24, '--ignore-eos', '-e', '--stop', stop)
        self.assertEqual(stopped['stop_reason'], 'stop')

    def test_a_forgotten_escape_is_told(self):
        told = 'with -e it is a line break'
        self.assertIn(told, self.ok('run', Fixture.model, r'a\nb', '-n', 1).stderr.decode())
        warning = json.loads(self.ok('run', Fixture.model, r'a\nb', '-n', 1,
                                     '--json').stderr)['warning']
        self.assertIn(told, warning['message'])
        for args in ([r'a\nb', '-e'], [r'a\nb', '-q'], ['printf("\\n");\n'], ['ab']):
            self.assertNotIn(told, self.ok('run', Fixture.model, *args, '-n', 1).stderr.decode())

    def test_to_the_end_and_any_seed(self):
        m = Fixture.model
        whole = self.object('run', m, PROMPT, '-n', 0, '--ctx', 32, '--ignore-eos')
        self.assertEqual(
            self.object('run', m, PROMPT, '-n', -1, '--ctx', 32, '--ignore-eos')['ids'],
            whole['ids'])
        way = ['run', m, PROMPT, '-n', 16, '--ignore-eos', '--temp', 3]
        first, second = (self.object(*way, '--seed', -1, want=RUN) for _ in range(2))
        self.assertNotEqual((first['seed'], first['ids']), (second['seed'], second['ids']))
        self.assertEqual(self.object(*way, '--seed', first['seed'])['ids'], first['ids'])
        r = self.ok(*way, '--seed', -1)
        seed = re.search(r'; seed (\d+);', r.stderr.decode()).group(1)
        self.assertEqual(self.ok(*way, '--seed', seed).stdout, r.stdout)

    def test_other_names_of_the_same(self):
        m = Fixture.model
        o = self.object('run', m, PROMPT, '--tokens', 5, '--ctx', 40, '--temp', 1, '--threads', 1,
                        '--seed', 3)
        same = self.object('run', m, PROMPT, '--n-predict', 5, '-c', 40, '--temperature=1', '-t', 1,
                           '-s', 3)
        for key in ('ids', 'context', 'threads', 'seed', 'logits_hash'):
            self.assertEqual(same[key], o[key])

    def test_quiet(self):
        r = self.ok('run', Fixture.model, PROMPT, '-n', 4, '-q')
        self.assertTrue(r.stdout)
        self.assertEqual(r.stderr, b'')
        self.assertTrue(apus('run', Fixture.model, '-q').stderr)


class Lines(Case):
    def test_pieces_and_at_last_the_figures(self):
        way = ['run', Fixture.model, PROMPT, '-n', 12, '--ignore-eos']
        o = self.object(*way)
        for more in (['--lookup'], ['--json'], []):
            lines = [
                json.loads(line) for line in self.ok(*way, '--jsonl', *more).stdout.splitlines()
            ]
            *pieces, end = lines
            self.assertEqual(''.join(p['text'] for p in pieces), o['text'])
            self.assertEqual([id for p in pieces for id in p['ids']], o['ids'])
            self.assertTrue(end['done'])
            self.assertEqual((end['logits_hash'], end['stop_reason']), (o['logits_hash'], 'length'))
            self.assertLessEqual(set(o) - {'text', 'ids'}, set(end))
        self.assertEqual(len(pieces), 12)

    def test_a_piece_is_there_before_the_next(self):
        p = subprocess.Popen([
            COMMAND, 'run', Fixture.model, PROMPT, '-n', '-1', '--ctx', '32768', '--ignore-eos',
            '--jsonl', '--cpu', 'ref'
        ],
                             stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        self.assertIn('text', json.loads(p.stdout.readline()))
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=60)
        end = json.loads(out.splitlines()[-1])
        self.assertEqual((p.returncode, end['done'], end['stop_reason'], err),
                         (130, True, 'cancelled', b''))

    def test_errors(self):
        error = self.wrong(2, 'no prompt', 'run', Fixture.model, '--jsonl')
        self.assertEqual((error['code'], error['command']), ('usage', 'run'))
        self.assertEqual(
            self.wrong(1, 'No such file', 'run', path('absent'), 'x', '--jsonl')['code'], 'fault')


class Hints(Case):
    def hint(self, expect, *args, status=2):
        error = self.wrong(status, expect, *args)
        self.assertIn(expect, error['hint'] or '')
        return error['hint']

    def test_slips(self):
        m = Fixture.model
        for typed, meant in {
                '--tmep': '--temp',
                '--Temp': '--temp',
                '-temp': '--temp',
                '--stpo': '--stop',
                '--top_p': '--top-p',
                '--ignore': '--ignore-eos',
                '--thread': '--threads',
                '--jsn': '--json',
                '--promt': '--prompt'
        }.items():
            self.hint(f'Did you mean {meant}?', 'run', m, 'x', typed, '1')
        for typed, meant in {
                'rnu': 'run',
                'perplex': 'perplexity',
                'tokenise': 'tokenize',
                'benchmark': 'bench',
                'INFO': 'info'
        }.items():
            self.hint(f'Did you mean: apus {meant}', typed)
            self.hint(f'Did you mean: apus {meant}', 'help', typed)
        self.hint('Did you mean avx512?', 'run', m, 'x', '--cpu', 'avx-512')
        self.hint('Did you mean igpu?', 'run', m, 'x', '--engine', 'gpu', status=3)
        self.hint('Did you mean auto?', 'run', m, 'x', '-d', m, '--draft-tokens', 'atuo')
        self.hint('Did you mean on?', 'run', m, 'x', '-d', m, '--overlap', 'ON')
        self.hint('Did you mean --version?', '--verison')
        self.hint('apus run', 'info', m, '--temp', '1')
        self.hint('apus help run', 'run', m, '--frobnicate')
        self.hint('stands apart: -n 32', 'run', m, 'x', '-n32')
        self.hint('stands apart: -t 2', 'run', m, 'x', '-t=2')
        self.hint('apus --version', 'run', '--version')

    def test_words_of_other_programs(self):
        m = Fixture.model
        for expect, args in {
                '--engine igpu': ['-ngl', '99'],
                'apus chat MODEL.apus': ['-cnv'],
                'fetches nothing': ['-hf', 'x/y'],
                'logits callback': ['--grammar', 'x']
        }.items():
            self.hint(expect, 'run', m, 'x', *args)
        for expect, word in {
                'apus chat': 'conversation',
                'apus serve': 'server',
                'apus-pack': 'convert',
                'apus run': 'generate',
                '--version': 'version'
        }.items():
            self.hint(expect, word)

    def test_no_command(self):
        for args in (['-m', Fixture.model, '-p', 'the dog'], [Fixture.model, 'the dog']):
            hint = self.hint('apus run', *args, '-n', 2)
            again = self.ok(*shlex.split(hint.split('apus ', 1)[1]))
            self.assertEqual(
                json.loads(again.stdout)['ids'],
                self.object('run', *args, '-n', 2)['ids'])

    def test_a_checkpoint_is_packed_first(self):
        folder = path("it's a model")
        os.mkdir(folder)
        gguf = os.path.join(folder, 'some model.gguf')
        pathlib.Path(gguf).write_bytes(pathlib.Path(Fixture.gguf).read_bytes())
        hint = self.hint('Pack it first: apus-pack', 'run', gguf, 'x', status=1)
        self.assertEqual(shlex.split(hint.split(': ', 1)[1]),
                         ['apus-pack', gguf, '-o', 'some model.apus'])
        self.hint('a blob, or a GGUF file', 'run', folder, 'x', status=1)
        pathlib.Path(folder, 'config.json').write_text('{}')
        hint = self.hint('Pack it first', 'run', folder + '/', 'x', status=1)
        self.assertEqual(shlex.split(hint.split(': ', 1)[1]),
                         ['apus-pack', folder + '/', '-o', "it's a model.apus"])
        self.hint('The model comes first', 'run', 'the quick dog', Fixture.model, status=1)
