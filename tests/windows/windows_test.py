"""The programs for Windows, under Wine, beside those of Linux: the same bits, the same bytes, names
and text of any kind, the server, the editor's server, and Ctrl-C on a console.

Needs APUS_BUILD, the build for Windows, in which `apus` and `apus-pack` are scripts that run the
programs there under Wine; and APUS_LINUX, the build of the preset `release`. Exit status 77 where
the latter is not there."""
import json
import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import tty
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path += [str(HERE.parent / 'cli'), str(HERE.parent / 'complete')]
import tiny_gguf

WINDOWS = pathlib.Path(os.environ['APUS_BUILD'])
LINUX = pathlib.Path(os.environ.get('APUS_LINUX', ROOT / 'build' / 'release'))
PAIR = ROOT / 'weights' / 'models' / 'pair'
TARGET, DRAFT = PAIR / 'target.apus', PAIR / 'draft.apus'
PROMPT = 'def count_words(path):\n    counts = {}\n'
NAME = 'gr\u00fcn-\u65e5\u672c'  # no code page of one byte has all of it
SECONDS = 60
folder = pathlib.Path(tempfile.mkdtemp(prefix='apus-windows-'))


def tearDownModule():
    import shutil
    shutil.rmtree(folder)


def run(build, program, *arguments, stdin=b'', status=0):
    done = subprocess.run([str(build / program), *map(str, arguments)], input=stdin,
                          capture_output=True, timeout=300, cwd=folder)
    assert done.returncode == status, (program, arguments, done.returncode, done.stderr)
    return done


class Same(unittest.TestCase):
    def test_pair_gives_the_same_ids_and_logits(self):
        for options in ((), ('--temp', '0.8', '--seed', '5', '-d', DRAFT, '--draft-tokens', '3'),
                        ('--cpu', 'avx2'), ('--cpu', 'ref')):
            seen = [
                json.loads(
                    run(build, 'apus', 'run', TARGET, PROMPT, '-n', 24, '--ignore-eos', '--threads',
                        2, '--json', *options).stdout) for build in (LINUX, WINDOWS)
            ]
            for key in ('ids', 'logits_hash', 'text', 'cpu'):
                self.assertEqual(seen[0][key], seen[1][key], (key, options))
            self.assertEqual(len(seen[1]['ids']), 24)

    def test_library_that_is_linked_at_the_start_does_too(self):
        blob = folder / (NAME + '-dll.apus')
        blob.symlink_to(TARGET)
        seen = [run(build, 'dll_run', blob, PROMPT).stdout.split() for build in (LINUX, WINDOWS)]
        self.assertEqual(len(seen[0]), 16 + 1)
        self.assertEqual(seen[0], seen[1])

    def test_library_exports_what_the_headers_declare(self):
        text = subprocess.run(['x86_64-w64-mingw32-objdump', '-p', WINDOWS / 'apus.dll'],
                              capture_output=True, text=True, check=True).stdout
        exported = re.findall(r'^\s*\[ *\d+\] (?:\+base\[ *\d+\] +\w+ )?(\w+)$',
                              text[text.index('[Ordinal/Name Pointer] Table'):], re.M)
        declared = {
            name
            for header in ('apus.h', 'port.h') for name in re.findall(
                r'^[A-Za-z][^(\n]*[ *](apus_\w+)\(', (ROOT / 'include' / 'apus' /
                                                      header).read_text(), re.M)
        }
        self.assertGreater(len(declared), 40)
        self.assertEqual(sorted(exported), sorted(declared))
        needed = set(re.findall(r'DLL Name: (\S+)', text))
        system = {'KERNEL32.dll', 'msvcrt.dll', 'api-ms-win-core-synch-l1-2-0.dll'}
        self.assertTrue(needed <= system, needed)

    def test_packer_makes_the_same_bytes(self):
        gguf = folder / (NAME + '.gguf')
        tiny_gguf.write(gguf)
        for options in (('--weights', 'int8'), ('--weights', 'int4', '--resume')):
            made = []
            for build, name in ((LINUX, 'linux.apus'), (WINDOWS, NAME + '.apus')):
                run(build, 'apus-pack', gguf.name, '-o', name, '-q', *options)
                made.append((folder / name).read_bytes())
            self.assertEqual(made[0], made[1], options)
            # again, in the other's place: replaced in one step
            run(WINDOWS, 'apus-pack', gguf.name, '-o', 'linux.apus', '-q', '--no-calibrate')
            self.assertNotEqual((folder / 'linux.apus').read_bytes(), made[0])
        self.assertEqual([p.name for p in folder.glob('*.tmp-*')], [])
        (folder / 'text').write_bytes(b'no blob')
        refused = run(WINDOWS, 'apus-pack', gguf.name, '-o', 'text', status=1)
        self.assertIn(b'text exists and is no blob: it is not overwritten', refused.stderr)


class Text(unittest.TestCase):
    """Bytes pass as they are, in both directions."""
    TEXTS = ('a\r\nb\n\r\n\tc', 'na\u00efve \u65e5\u672c \U0001f600\r', 'x\x1ay\x00z')

    def test_standard_input_and_output(self):
        for text in self.TEXTS:
            seen = [
                run(build, 'apus', 'tokenize', TARGET, '-f', '-', '--json', stdin=text.encode())
                for build in (LINUX, WINDOWS)
            ]
            self.assertEqual(seen[0].stdout, seen[1].stdout)
        seen = [
            run(build, 'apus', 'run', TARGET, PROMPT, '-n', 24, '-q').stdout
            for build in (LINUX, WINDOWS)
        ]
        self.assertIn(b'\n', seen[0])
        self.assertEqual(seen[0], seen[1])

    def test_arguments_and_names(self):
        for text in self.TEXTS[:2]:
            (folder / (NAME + '.txt')).write_bytes(text.encode())
            seen = [
                run(build, 'apus', 'tokenize', TARGET, *options, '--json').stdout
                for build in (LINUX, WINDOWS)
                for options in (('-p', text.strip()), ('-f', NAME + '.txt'))
            ]
            self.assertEqual(seen[:2], seen[2:])
        gone = run(WINDOWS, 'apus', 'info', NAME + '.gone', status=1)
        self.assertIn((NAME + '.gone').encode(), gone.stderr)
        self.assertIn(b'No such file', gone.stderr)


class Servers(unittest.TestCase):
    def test_requests_are_answered(self):
        import serve_client
        server = serve_client.Server('--slots', '2')
        self.addCleanup(server.process.stdout.close)
        self.addCleanup(server.process.stderr.close)
        self.addCleanup(server.process.wait)
        self.addCleanup(server.process.kill)
        self.assertEqual(server.get('/health'), {'status': 'ok'})
        body = {'prompt': PROMPT, 'max_tokens': 24, 'temperature': 0}
        expected = json.loads(
            run(LINUX, 'apus', 'run', TARGET, PROMPT, '-n', 24, '--json').stdout)['text']
        self.assertEqual(server.post('/v1/completions', body)['choices'][0]['text'], expected)
        events, done = server.events('/v1/completions', body)
        self.assertTrue(done)
        self.assertEqual(''.join(e['choices'][0]['text'] for e in events), expected)
        # a client that hangs up ends its text, with its connection
        with server.socket() as client:
            text = json.dumps(dict(body, max_tokens=900, stream=True, ignore_eos=True)).encode()
            client.sendall(b'POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: '
                           b'%d\r\n\r\n%s' % (len(text), text))
            client.recv(100)
        server.wait_idle()
        self.assertLess(server.metric('tokens_total'), 900)

    def test_editors_are_answered(self):
        import lsp_client
        code = 'def count(names):\n    total = 0\n    for name in names:\n'
        items = []
        for build in (LINUX, WINDOWS):
            lsp_client.BUILD = build
            client = lsp_client.Client(TARGET, '-t', 1)
            self.addCleanup(client.kill)
            client.start(options={'automaticLogProb': 0, 'automaticMs': 0, 'invokedMs': 0})
            client.loaded()
            client.open('file:///c%3A/project/a.py', code)
            items.append(client.complete('file:///c%3A/project/a.py', 3, 0))
            self.assertEqual(client.end(), 0)
        self.assertTrue(items[0])
        self.assertEqual(items[0], items[1])


class Console:
    """A program on a terminal, which Wine makes a console."""

    def __init__(self, *arguments):
        self.parent, child = pty.openpty()
        tty.setraw(child)  # as Wine has it once it reads: what is typed before counts as well
        self.process = subprocess.Popen([str(WINDOWS / 'apus'), *map(str, arguments)], stdin=child,
                                        stdout=child, stderr=child, start_new_session=True,
                                        cwd=folder)
        os.close(child)
        self.seen = b''

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.parent)

    def read(self, seconds=1):
        if select.select([self.parent], [], [], seconds)[0]:
            self.seen += os.read(self.parent, 65536)

    def text(self):
        """What was shown, without what moves the cursor, over blanks too, and without blanks."""
        shown = re.sub(rb'\x1b\[[0-9;?]*[A-Za-z]|\s', b'', self.seen)
        return shown.decode(errors='replace')

    def until(self, expected, count=1):
        end = time.monotonic() + SECONDS
        expected = expected.replace(' ', '')
        while self.text().count(expected) < count:
            assert time.monotonic() < end, (expected, self.text()[-400:])
            self.read()

    def type(self, text):
        os.write(self.parent, text.encode())

    def interrupt(self):
        """What Ctrl-C is to the program: Wine makes the console's event of it."""
        self.process.send_signal(signal.SIGINT)


class Interrupts(unittest.TestCase):
    def test_ctrl_c_stops_the_answer_and_then_the_program(self):
        gguf, blob = folder / 'talk.gguf', folder / 'talk.apus'
        tiny_gguf.write(gguf)
        run(LINUX, 'apus-pack', gguf, '-o', blob, '-q', '--no-calibrate')
        with Console('chat', blob, '--ctx', 30000) as console:
            console.until('>')
            console.type('the quick dog\r')
            console.until('the quick dog')
            begun = len(console.seen) + 200
            end = time.monotonic() + SECONDS
            while len(console.seen) < begun and time.monotonic() < end:
                console.read()
            console.interrupt()
            prompts = console.text().count('>')
            console.until('>', prompts + 1)
            console.type('/nothing\r')
            console.until('is no command')
            self.assertIsNone(console.process.poll())
            console.type('/save talk.json\r')
            console.until('saved 2 turns')
            console.interrupt()
            self.assertEqual(console.process.wait(SECONDS), 130)
        turns = json.loads((folder / 'talk.json').read_text())
        self.assertEqual(turns[0], {'role': 'user', 'content': 'the quick dog'})

    def test_ctrl_c_ends_the_server(self):
        with Console('serve', TARGET, '--port', '0') as console:
            console.until('http://')
            console.interrupt()
            self.assertEqual(console.process.wait(SECONDS), 130)


if __name__ == '__main__':
    if not (LINUX / 'dll_run').exists():
        print('skipped: %s is not there; cmake --preset release and build it first' %
              (LINUX / 'dll_run'))
        sys.exit(77)
    unittest.main()
