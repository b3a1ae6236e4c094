"""What is said aloud instead of being guessed: lists with a gap, an option twice, files of another
kind, bytes without a token."""
import json
import os
import pathlib
import subprocess

import tiny_gguf
from cli_case import BUILD, Fixture, PROMPT, Case, apus, pack, path


class Slips(Case):
    def test_lists_of_ids(self):
        m = Fixture.model
        for listed in ('1,,2', ',1', '1,', '1 , , 2', ',', '1, '):
            self.wrong(2, 'a comma with no number', 'detokenize', m, f'--ids={listed}')
        for listed in ('+1', '-1', '0x10', '1.5', '1e2', '1;2', '1,2x', '1, 2-',
                       '\N{ARABIC-INDIC DIGIT ONE}'):
            self.wrong(2, 'whole numbers separated by commas, found', 'detokenize', m,
                       f'--ids={listed}')
        for listed in ('', ' ', '\n'):
            self.wrong(2, 'found nothing', 'detokenize', m, f'--ids={listed}')
        for listed in ('4294967296', '18446744073709551617', '9' * 60):
            self.wrong(2, 'is not a token of this model', 'detokenize', m, f'--ids=1,{listed}')
        plain = self.ok('detokenize', m, '--ids', '270,271').stdout
        for listed in (' 270 , 271 ', '270 271', '270\n271\n', '00270,271', '270 ,271'):
            self.assertEqual(
                self.ok('detokenize', m, '--ids', '-', stdin=listed.encode()).stdout, plain, listed)

    def test_an_option_twice(self):
        m = Fixture.model
        self.wrong(2, '-m (--model) was given twice', 'run', '-m', m, '-m', 'other', '-p', 'x')
        self.wrong(2, "'1' and as '2'", 'run', '-m', m, '-p', 'x', '-n', '1', '--tokens', '2')
        self.wrong(2, 'was given twice', '--threads', '1', 'run', '-m', m, '-p', 'x', '--threads=2')
        self.wrong(2, 'was given twice', 'run', '-m', m, '-p', 'x', '--temp', '1', '--temp', '0')
        self.wrong(2, 'was given twice', 'detokenize', m, '--ids', '1', '--ids', '2')
        self.ok('run', '-m', m, '-m', m, '-p', PROMPT, '-n', 1, '-n', 1, '-q', '-q', '--stop', 'a',
                '--stop', 'b')

    def test_standard_output_is_no_file(self):
        self.wrong(2, './-', 'logits', Fixture.model, '--ids', '1', '-o', '-')
        r = subprocess.run([BUILD / 'apus-pack', Fixture.gguf, '-o', '-'],
                           capture_output=True,
                           cwd=Fixture.folder.name)
        self.assertEqual((r.returncode, r.stdout), (2, b''))
        self.assertFalse(os.path.exists(path('-')))

    def test_files_of_other_kinds(self):
        kinds = {
            'lfs.apus': (b'version https://git-lfs.github.com/spec/v1\n', 'git lfs pull'),
            'page.apus': (b'\n <!doctype HTML><title>', '/resolve/'),
            'pytorch_model.bin': (b'PK\3\4aaaa', 'safetensors'),
            'consolidated.00.pth': (b'\x80\2}q', 'safetensors'),
            'elf': (b'\x7fELF\2\1', 'a program (ELF)'),
            'model.zip': (b'PK\3\4aaaa', 'unpack'),
            'config.json': (b'{}', 'Pack the directory'),
            'model.safetensors': (b'\2\0\0\0\0\0\0\0{}', 'Pack the directory'),
            'model.onnx': (b'\x08\x07', 'ONNX')
        }
        os.mkdir(path('kinds'))
        for name, (data, expect) in kinds.items():
            file = os.path.join(path('kinds'), name)
            pathlib.Path(file).write_bytes(data)
            error = self.wrong(1, 'not a blob', 'info', file)
            self.assertIn(expect.lower(), (error['message'] + ' ' + (error['hint'] or '')).lower())

    def test_bytes_that_no_token_has(self):
        tiny_gguf.write(path('ids.gguf'), tokenizer=False)
        pack(path('ids.gguf'), path('ids.apus'))
        o = self.object('tokenize', path('ids.apus'), 'h\xe9')
        self.assertEqual(o, {'ids': [], 'dropped_bytes': 3})
        self.assertIn(b'3 bytes of the text', apus('tokenize', path('ids.apus'), 'h\xe9').stderr)
        r = apus('run', path('ids.apus'), 'h\xe9', '-n', 1, '--json')
        self.assertEqual((r.returncode, r.stdout), (2, b''))
        self.assertIn('with --ids', json.loads(r.stderr.splitlines()[-1])['error']['message'])
        self.assertEqual(len(self.object('run', path('ids.apus'), '--ids', '3,4', '-n', 5)['ids']),
                         5)
        self.assertEqual(self.object('tokenize', Fixture.model, 'h\xe9\xff')['dropped_bytes'], 0)
        self.assertEqual(self.object('run', Fixture.model, PROMPT, '-n', 1)['dropped_bytes'], 0)
