"""What the tests of the command line share: a model, packed once, and how the program is run and
looked at.

Needs APUS_BUILD, the build folder with apus and apus-pack; APUS_COMMAND names another program to
run as apus."""
import json
import os
import pathlib
import struct
import subprocess
import tempfile
import unittest

import tiny_gguf

BUILD = pathlib.Path(os.environ.get('APUS_BUILD', 'build/release'))
COMMAND = os.environ.get('APUS_COMMAND', str(BUILD / 'apus'))
ROOT = pathlib.Path(__file__).resolve().parents[2]
NUMBER = (int, float)
PROMPT = 'the quick dog'


class Fixture:
    """The packed model, made when this is imported."""
    folder = tempfile.TemporaryDirectory()
    gguf = os.path.join(folder.name, 'tiny.gguf')
    model = os.path.join(folder.name, 'tiny.apus')
    vocab = tiny_gguf.write(gguf)


def path(name):
    return os.path.join(Fixture.folder.name, name)


def pack(gguf, blob, *options):
    packed = subprocess.run([str(BUILD / 'apus-pack'), gguf, '-o', blob, *options],
                            capture_output=True,
                            text=True)
    if packed.returncode:
        raise RuntimeError('apus-pack failed: ' + packed.stderr)


pack(Fixture.gguf, Fixture.model)


def apus(*args, stdin=b'', **options):
    if 'probe' in args or '--engine' in args: # a driver is loaded, and what it leaks is not ours
        options['env'] = dict(options.get('env', os.environ), ASAN_OPTIONS='detect_leaks=0')
    return subprocess.run([COMMAND, *map(str, args)],
                          capture_output=True,
                          input=stdin,
                          timeout=300,
                          **options)


def read_logits(name, vocab):
    data = pathlib.Path(name).read_bytes()
    rows = len(data) // (4 * vocab)
    return [struct.unpack_from(f'<{vocab}f', data, 4 * vocab * r) for r in range(rows)]


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
            self.assertTrue(
                isinstance(o[key], kind) and not (kind is int and isinstance(o[key], bool)),
                f'{key}: {o[key]!r}')
        return o

    def wrong(self, status, expect, *args, **options):
        """A sentence on standard error that says `expect`, with --json as an object; nothing on
        standard output."""
        r = apus(*args, **options)
        text = r.stderr.decode()
        if '--json' not in args and '--jsonl' not in args:
            self.assertEqual((r.returncode, r.stdout), (status, b''), (args, text))
            self.assertTrue(text.startswith('apus') and text.count('\n') == 1, (args, text))
            self.assertIn(expect, text)
            r = apus('--json', *args, **options)
        self.assertEqual((r.returncode, r.stdout, r.stderr.count(b'\n')), (status, b'', 1),
                         (args, r.stderr))
        error = json.loads(r.stderr)['error']
        said = error['message'] + (' ' + error['hint'] if error['hint'] else '')
        self.assertEqual(error['status'], status)
        self.assertTrue(error['code'])
        self.assertIn(expect, said)
        return error


RUN = dict(text=str,
           ids=list,
           prompt_tokens=int,
           new_tokens=int,
           stop_reason=str,
           seed=int,
           prefill_tps=NUMBER,
           decode_tps=NUMBER,
           weight_gb_per_s=NUMBER,
           first_token_ms=NUMBER,
           arena_bytes=int,
           logits_hash=str,
           engine=str,
           cpu=str,
           threads=int)
