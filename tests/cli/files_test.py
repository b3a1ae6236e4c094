"""What the programs write and read when others have been there before: links and pipes in the way,
files that are somebody's own, what a killed run left; and what reaches a terminal."""

import json
import os
import pathlib
import pty
import signal
import stat
import struct
import subprocess
import tempfile
import time
import unittest

import tiny_gguf
from cli_case import BUILD, COMMAND, Case, Fixture, apus

PACK = str(BUILD / 'apus-pack')
MARK = b'APUSPART'
SECONDS = 120  # more than anything here takes: a pipe that is waited for takes for ever


class Folder(Case):
    """A folder of its own for each test, and the source in it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.at = pathlib.Path(folder.name)
        self.out = self.at / 'out.apus'
        self.source = self.at / 'model.gguf'
        os.symlink(Fixture.gguf, self.source)

    def pack(self, *arguments, source=None, **options):
        return subprocess.run(
            [
                PACK,
                str(source or self.source),
                *(() if '-o' in arguments else ('-o', str(self.out))),
                '--no-calibrate',
                *map(str, arguments),
            ],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            **options,
        )

    def packed(self, *arguments, **options):
        r = self.pack(*arguments, **options)
        self.assertEqual((r.returncode, r.stderr), (0, ''))
        return r.stdout

    def refused(self, says, *arguments, **options):
        r = self.pack(*arguments, **options)
        self.assertEqual(r.returncode, 1, r.stderr)
        self.assertIn(says, r.stderr)
        self.assertEqual(r.stderr.count('\n'), 1)
        return r.stderr

    def mode(self, path):
        return stat.S_IMODE(os.lstat(path).st_mode)

    def beside(self):
        return sorted(
            p.name for p in self.at.iterdir() if p.name.startswith('out.apus') and p != self.out
        )


class Outputs(Folder):
    def test_what_is_no_file_of_its_kind_is_refused_in_words(self):
        victim = self.at / 'victim'
        victim.write_bytes(b'APUS, but mine')
        (self.at / 'folder').mkdir()
        os.mkfifo(self.at / 'pipe')
        os.symlink(victim, self.at / 'link')
        os.symlink(self.at / 'nowhere', self.at / 'dangling')
        (self.at / 'notes').write_text('mine')
        for name, says in {
            'folder': 'is a directory',
            'pipe': 'is a FIFO',
            'link': 'is a symbolic link',
            'dangling': 'is a symbolic link',
            '/dev/null': 'is a device',
            'notes': 'is not overwritten',
            'model.gguf': 'names the source itself',
        }.items():
            for option in ('-o', '--report'):
                self.refused(
                    'is a symbolic link' if (name, option) == ('model.gguf', '--report') else says,
                    option,
                    self.at / name,
                )
        hard = self.at / 'hard.gguf'
        real = self.at / 'real.gguf'
        real.write_bytes(pathlib.Path(Fixture.gguf).read_bytes())
        os.link(real, hard)
        self.refused('names the source itself', '-o', hard, source=real)
        self.refused('is no report', '--report', hard, source=real)
        self.refused('is no report', '--report', Fixture.model)
        self.refused('both name', '--report', self.at / 'folder' / '..' / 'out.apus')
        self.assertEqual(victim.read_bytes(), b'APUS, but mine')
        self.assertEqual((self.at / 'notes').read_text(), 'mine')
        self.assertFalse((self.at / 'nowhere').exists() or self.out.exists())

    def test_a_report_replaces_a_report_and_keeps_its_mode(self):
        report = self.at / 'report.json'
        self.packed('--report', report)
        first = json.loads(report.read_text())
        os.chmod(report, 0o604)
        self.packed('--report', report)
        self.assertEqual(json.loads(report.read_text())['hash'], first['hash'])
        self.assertEqual(self.mode(report), 0o604)
        report.write_text('{"tensors": [], "mine": true}')
        self.refused('is no report', '--report', report)

    def test_modes(self):
        self.packed(umask=0o027)
        self.assertEqual(self.mode(self.out), 0o640)
        for mode in (0o600, 0o444):
            os.chmod(self.out, mode)
            self.packed(umask=0o022)
            self.assertEqual(self.mode(self.out), mode)

    def test_what_a_killed_run_left_is_removed_and_nothing_else(self):
        gone = subprocess.run(
            ['sh', '-c', 'echo $$'], capture_output=True, text=True
        ).stdout.strip()
        left, alive = f'out.apus.tmp-{gone}-aB3xYz', f'out.apus.tmp-{os.getpid()}-aB3xYz'
        others = [
            alive,
            'out.apus.tmp-notes',
            'out.apus.tmp-',
            f'out.apus.tmp-{gone}-aB3xYzz',
            f'other.apus.tmp-{gone}-aB3xYz',
        ]
        victim = self.at / 'victim'
        for name in [left, *others, 'victim']:
            (self.at / name).write_text('half')
        os.symlink(victim, self.at / f'out.apus.tmp-{gone}-symlnk')
        os.link(victim, self.at / f'out.apus.tmp-{gone}-hardln')
        self.packed()
        for name in [
            *others,
            'victim',
            f'out.apus.tmp-{gone}-symlnk',
            f'out.apus.tmp-{gone}-hardln',
        ]:
            self.assertTrue(os.path.lexists(self.at / name), name)
        self.assertFalse((self.at / left).exists())

    def test_a_killed_run_leaves_what_the_next_one_finds(self):
        child = subprocess.Popen(
            [PACK, str(self.source), '-o', str(self.out), '-q'], stderr=subprocess.DEVNULL
        )
        while child.poll() is None and not self.beside():
            time.sleep(0.001)
        child.kill()
        child.wait()
        self.assertEqual(len(self.beside()), 1)
        self.packed()
        self.assertEqual(self.beside(), [])

    def test_logits_and_compiled_code_are_no_exception(self):
        victim = self.at / 'victim'
        victim.write_bytes(b'mine')
        os.symlink(victim, self.at / 'link')
        os.mkfifo(self.at / 'pipe')
        model = self.at / 'model.apus'
        model.write_bytes(pathlib.Path(Fixture.model).read_bytes())
        for name, says in {
            'link': 'symbolic link',
            'pipe': 'FIFO',
            'model.apus': 'not overwritten',
            'model.gguf': 'symbolic link',
        }.items():
            self.wrong(1, says, 'logits', '-m', model, '--ids', '1,2', '-o', self.at / name)
        logits = self.at / 'out.f32'
        self.ok('logits', '-m', model, '--ids', '1,2', '-o', logits)
        os.chmod(logits, 0o600)
        self.ok('logits', '-m', model, '--ids', '1,2,3', '-o', logits)
        self.assertEqual(self.mode(logits), 0o600)
        (self.at / 'open').write_bytes(b'apuscod1' + bytes(64))
        os.chmod(self.at / 'open', 0o666)
        for name, says in {'pipe': b'is not used', 'open': b'others than you can write it'}.items():
            r = self.ok('run', '-m', model, '-p', 'the', '-n', 1, '--compiled', self.at / name)
            self.assertIn(says, r.stderr)
        self.assertEqual(victim.read_bytes(), b'mine')


class Resume(Folder):
    def setUp(self):
        super().setUp()
        self.part, self.state = self.at / 'out.apus.part', self.at / 'out.apus.state'

    def stop_after_a_layer(self, source=None):
        child = subprocess.Popen(
            [
                PACK,
                str(source or self.source),
                '-o',
                str(self.out),
                '--weights',
                'int8',
                '--resume',
                '-q',
                '--threads',
                '1',
            ],
            stderr=subprocess.DEVNULL,
        )
        while child.poll() is None and not self.state.exists():
            time.sleep(0.0001)
        child.kill()
        child.wait()
        self.assertTrue(self.state.exists(), 'the run was over before it could be killed')

    def go_on(self, source=None):
        r = subprocess.run(
            [
                PACK,
                str(source or self.source),
                '-o',
                str(self.out),
                '--weights',
                'int8',
                '--resume',
            ],
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        self.assertEqual((r.returncode, r.stderr), (0, ''))
        self.assertEqual(self.beside(), [])
        return 'Went on after' in r.stdout

    def whole(self, source=None):
        other = self.at / 'whole.apus'
        subprocess.run(
            [PACK, str(source or self.source), '-o', str(other), '--weights', 'int8', '-q'],
            check=True,
            timeout=SECONDS,
        )
        return other.read_bytes()

    def test_what_others_planted_is_not_followed(self):
        victim = self.at / 'victim'
        for name in (self.part, self.state):
            for plant in (os.symlink, os.link):
                for content in (b'', MARK + bytes(100), b'APUSPRT2' + bytes(100)):
                    victim.write_bytes(content)
                    os.chmod(victim, 0o600)
                    plant(victim, name)
                    r = self.pack('--resume')
                    self.assertEqual(
                        (r.returncode, r.stderr.count('\n')), (1, 1), (name, plant, r.stderr)
                    )
                    self.assertIn(name.name, r.stderr)
                    self.assertEqual((victim.read_bytes(), self.mode(victim)), (content, 0o600))
                    os.unlink(name)
            os.mkfifo(name)
            r = self.pack('--resume')
            self.assertEqual((r.returncode, r.stderr.count('\n')), (1, 1), r.stderr)
            os.unlink(name)
        self.assertFalse(self.out.exists())

    def test_the_users_own_files_stay(self):
        for name in (self.part, self.state):
            name.write_bytes(b'notes of mine')
            self.refused(name.name, '--resume')
            self.assertEqual(name.read_bytes(), b'notes of mine')
            self.packed()
            self.assertEqual(name.read_bytes(), b'notes of mine')
            name.unlink()

    def test_leftovers_go_once_the_blob_is_there(self):
        self.stop_after_a_layer()
        self.assertEqual(self.beside(), ['out.apus.part', 'out.apus.state'])
        self.assertEqual((self.mode(self.part), self.mode(self.state) & 0o022), (0o600, 0))
        self.packed()
        self.assertEqual(self.beside(), [])

    def test_other_weights_of_the_same_size_and_time(self):
        source = self.at / 'copy.gguf'
        data = bytearray(pathlib.Path(Fixture.gguf).read_bytes())
        source.write_bytes(data)
        os.utime(source, (1e9, 1e9))
        self.stop_after_a_layer(source)
        data[-100] ^= 1  # of the last tensor
        source.write_bytes(data)
        os.utime(source, (1e9, 1e9))
        self.assertFalse(self.go_on(source))
        self.assertEqual(self.out.read_bytes(), self.whole(source))

    def test_the_same_bytes_elsewhere_are_the_same_source(self):
        folder = self.at / 'moved'
        self.stop_after_a_layer()
        folder.mkdir()
        moved = folder / 'tiny.gguf'  # the name is in the blob
        moved.write_bytes(pathlib.Path(Fixture.gguf).read_bytes())
        self.assertTrue(self.go_on(moved))

    def test_states_that_somebody_made(self):
        """Every word of the head and of what was saved first, bent, under a right hash."""
        whole = self.whole()
        self.stop_after_a_layer()
        state, part = self.state.read_bytes(), self.part.read_bytes()
        magic, key, count, hashed = struct.unpack('<8sQQQ', state[:32])
        self.assertEqual((magic, count), (b'APUSPRT2', len(state) - 32))
        self.assertEqual(hashed, xxh64(state[32:]))
        nan = struct.pack('<d', float('nan'))
        bends = [
            (8, struct.pack('<I', n))
            for n in (0, 1, 3, 15, 16, 17, 1000, 1 << 20, 1 << 31, (1 << 32) - 1)
        ]  # finished tensors
        bends += [
            (0, bytes(8)),
            (12, b'\1'),
            (16, nan),
            (16 + 8, nan),
            (len(state) - 32 - 4, struct.pack('<f', float('inf'))),
        ]
        for at, word in bends:
            made = bytearray(state[32:])
            made[at : at + len(word)] = word
            self.state.write_bytes(
                struct.pack('<8sQQQ', magic, key, count, xxh64(bytes(made))) + made
            )
            self.part.write_bytes(part)
            self.out.unlink(missing_ok=True)
            self.assertFalse(self.go_on(), (at, word))
            self.assertEqual(self.out.read_bytes(), whole)
        for cut in (0, 8, 31, 32, len(state) - 1):
            self.state.write_bytes(state[:cut])
            self.part.write_bytes(part)
            if cut:
                self.assertFalse(self.go_on(), cut)
        self.state.write_bytes(state)
        self.part.write_bytes(part)
        self.assertTrue(self.go_on())
        self.assertEqual(self.out.read_bytes(), whole)


def xxh64(data):
    """As its specification gives it, seed 0."""
    mask, p = (1 << 64) - 1, (
        11400714785074694791,
        14029467366897019727,
        1609587929392839161,
        9650029242287828579,
        2870177450012600261,
    )
    turn = lambda x, r: ((x << r) | (x >> (64 - r))) & mask
    step = lambda lane, word: turn((lane + word * p[1]) & mask, 31) * p[0] & mask
    at, h = 0, p[4]
    if len(data) >= 32:
        lanes = [(p[0] + p[1]) & mask, p[1], 0, -p[0] & mask]
        for at in range(0, len(data) - 31, 32):
            lanes = [
                step(lane, word) for lane, word in zip(lanes, struct.unpack_from('<4Q', data, at))
            ]
        at += 32
        h = sum(turn(lane, r) for lane, r in zip(lanes, (1, 7, 12, 18))) & mask
        for lane in lanes:
            h = ((h ^ step(0, lane)) * p[0] + p[3]) & mask
    h = (h + len(data)) & mask
    for at in range(at, len(data) - 7, 8):
        h = (turn(h ^ step(0, struct.unpack_from('<Q', data, at)[0]), 27) * p[0] + p[3]) & mask
    at = len(data) // 8 * 8
    if len(data) - at >= 4:
        h = (turn(h ^ struct.unpack_from('<I', data, at)[0] * p[0] & mask, 23) * p[1] + p[2]) & mask
        at += 4
    for byte in data[at:]:
        h = turn(h ^ byte * p[4] & mask, 11) * p[0] & mask
    for shift, prime in ((33, p[1]), (29, p[2]), (32, None)):
        h ^= h >> shift
        h = h * prime & mask if prime else h
    return h


class Pipes(Folder):
    """None is waited for where a file is expected."""

    def checkpoint(self):
        folder = self.at / 'checkpoint'
        folder.mkdir()
        for name in ('config.json', 'tokenizer.json', 'model.safetensors'):
            (folder / name).write_bytes(CHECKPOINT[name])
        return folder

    def test_in_the_packers_way(self):
        names = [
            'config.json',
            'generation_config.json',
            'tokenizer.json',
            'tokenizer_config.json',
            'model.safetensors',
        ]
        folder = self.checkpoint()
        self.packed('-q', source=folder)  # there is a note on the ids of its tokenizer.json
        for name in names:
            kept = (folder / name).read_bytes() if (folder / name).exists() else None
            (folder / name).unlink(missing_ok=True)
            os.mkfifo(folder / name)
            self.assertIn(name, self.refused('not a regular file', source=folder))
            (folder / name).unlink()
            if kept is not None:
                (folder / name).write_bytes(kept)
        (folder / 'tokenizer.json').unlink()
        for name in ('tokenizer.model', 'tekken.json'):
            os.mkfifo(folder / name)
            self.assertIn(name, self.refused('not a regular file', source=folder))
            (folder / name).unlink()
        (folder / 'model.safetensors').unlink()
        index = folder / 'model.safetensors.index.json'
        os.mkfifo(index)
        self.refused('not a regular file', source=folder)
        index.unlink()
        index.write_text('{"weight_map": {"a": "one.safetensors"}}')
        os.mkfifo(folder / 'one.safetensors')
        self.refused('not a regular file', source=folder)
        pipe = self.at / 'pipe'
        os.mkfifo(pipe)
        self.refused('not a regular file', source=pipe)
        r = subprocess.run(
            [PACK, str(self.source), '-o', str(self.out), '--calibrate', str(pipe)],
            capture_output=True,
            timeout=SECONDS,
        )
        self.assertEqual(r.returncode, 1)

    def test_in_the_programs_way(self):
        pipe = self.at / 'pipe'
        os.mkfifo(pipe)
        self.wrong(1, 'regular file', 'run', '-m', pipe, '-p', 'the')
        self.wrong(1, 'regular file', 'run', '-m', Fixture.model, '-d', pipe, '-p', 'the')
        self.wrong(
            1,
            'regular file',
            'compare',
            '-m',
            Fixture.model,
            '--reference',
            pipe,
            '-f',
            Fixture.gguf,
        )
        writer = subprocess.Popen(
            ['sh', '-c', f'printf "the quick" > {pipe}']
        )  # here one is welcome
        self.assertEqual(
            self.object('tokenize', '-m', Fixture.model, '-f', pipe),
            self.object('tokenize', '-m', Fixture.model, '-p', 'the quick'),
        )
        writer.wait()


class Closed(Folder):
    def shell(self, command):
        return subprocess.run(['sh', '-c', command], capture_output=True, timeout=SECONDS)

    def test_standard_input(self):
        """The first file that is opened must not take its place."""
        for text in ('run -n 1 -f -', 'tokenize -f -', 'detokenize --ids -'):
            r = self.shell(f'{COMMAND} {text} -m {Fixture.model} <&-')
            self.assertEqual((r.returncode, r.stdout), (1, b''), r.stderr)
            self.assertIn(b'standard input is closed', r.stderr)
        self.assertEqual(
            self.shell(f'{COMMAND} tokenize -m {Fixture.model} -p the <&-').returncode, 0
        )

    def test_standard_output_and_error(self):
        r = self.shell(f'{COMMAND} info {Fixture.model} >&-')
        self.assertEqual(r.returncode, 1)
        self.assertIn(b'cannot write to standard output', r.stderr)
        for closed in ('>&-', '2>&-', '<&- >&- 2>&-'):
            r = self.shell(f'{PACK} {self.source} -o {self.out} --no-calibrate -q {closed}')
            self.assertEqual(r.returncode, 0, closed)
            self.assertEqual(self.out.read_bytes()[:4], b'APUS')
            self.ok('info', self.out, '--verify')
            self.shell(
                f'{PACK} {self.at}/absent -o {self.out} {closed}'
            )  # whose sentence goes nowhere, and not into a file
            self.ok('info', self.out, '--verify')


# A name with everything in it: a line that looks like the program's, colours, a C1 control, a
# direction.
EVIL = (
    'x\nhash          0000000000000000, every section verified\n'
    '\x1b[31mred\x9b2J\u202egnp.exe\u2066'
)
SPELLED = (
    r'x\nhash          0000000000000000, every section verified\n'
    r'\x1b[31mred\u009b2J\u202egnp.exe\u2066'
)


class Terminal(Folder):
    def on_terminal(self, *command):
        master, slave = pty.openpty()
        child = subprocess.Popen(
            [COMMAND, *map(str, command)],
            stdout=slave,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )
        os.close(slave)
        data = b''
        try:
            while piece := os.read(master, 65536):
                data += piece
        except OSError:
            pass  # the terminal's end
        child.stderr.close()
        self.assertEqual(child.wait(), 0)
        os.close(master)
        return data.replace(b'\r\n', b'\n')

    def test_names_cannot_say_what_the_program_says(self):
        source = self.at / 'evil.gguf'
        data = pathlib.Path(Fixture.gguf).read_bytes()
        name = tiny_gguf.entry('general.name', tiny_gguf.STRING, 'tiny')
        longer = tiny_gguf.entry('general.name', tiny_gguf.STRING, EVIL)
        self.assertEqual(data.count(name), 1)
        head = data.index(name)
        # The data begins at a multiple of 32: what that takes goes into a key that does not matter.
        filler = tiny_gguf.entry(
            'x',
            tiny_gguf.STRING,
            'y'
            * (-(len(longer) - len(name) + len(tiny_gguf.entry('x', tiny_gguf.STRING, ''))) % 32),
        )
        pairs = struct.unpack_from('<Q', data, 16)[0]
        source.write_bytes(
            data[:16]
            + struct.pack('<Q', pairs + 1)
            + data[24:head]
            + longer
            + filler
            + data[head + len(name) :]
        )
        said = self.packed(source=source)
        self.assertIn(SPELLED, said)
        self.assertEqual(said.count('\n'), 2)  # and that it was not calibrated
        # A blob whose name was not cleaned by the packer.
        blob = bytearray(self.out.read_bytes())
        offset, size = struct.unpack_from('<QQ', blob, 32 + 6 * 24)
        text = bytes(blob[offset : offset + size])
        spelled = SPELLED.encode()
        at = text.index(spelled)
        raw = EVIL.encode()
        blob[offset + at : offset + at + len(spelled)] = raw + b'.' * (len(spelled) - len(raw))
        blob[32 + 6 * 24 + 16 : 32 + 6 * 24 + 24] = struct.pack(
            '<Q', xxh64(bytes(blob[offset : offset + size]))
        )
        blob[24:32] = struct.pack('<Q', xxh64(bytes(blob[32 : 32 + 8 * 24])))
        self.out.write_bytes(blob)
        shown = self.ok('info', self.out).stdout.decode()
        self.assertIn(SPELLED + '.', shown)
        self.assertEqual(
            sum('every section verified' in line for line in shown.split('\n')), 1
        )  # in the name's own line
        self.assertTrue(shown.isascii())
        self.assertEqual(self.object('info', self.out)['name'].rstrip('.'), EVIL)
        self.assertTrue(self.on_terminal('info', self.out, '--json').isascii())
        r = apus('run', '-m', self.at / '\x1b[2J\x9b\u202e', '-p', 'x')
        self.assertIn(r'\x1b[2J\u009b\u202e', r.stderr.decode())

    def test_what_a_model_says(self):
        ids = [tiny_gguf.FIRST_BYTE + b for b in 'a\x1b[2J\t\r\n\u0085\u202eé\x07\n'.encode()]
        text = ','.join(map(str, ids))
        shown = 'a\\x1b[2J\t\r\n\\u0085\\u202eé\\x07\n'
        self.assertEqual(
            self.ok('detokenize', '-m', Fixture.model, '--ids', text).stdout,
            'a\x1b[2J\t\r\n\u0085\u202eé\x07\n'.encode(),
        )
        self.assertEqual(
            self.on_terminal('detokenize', '-m', Fixture.model, '--ids', text)
            .decode()
            .rstrip('\n'),
            shown.rstrip('\n'),
        )
        self.assertIn(
            b'\x1b[2J', self.on_terminal('detokenize', '--raw', '-m', Fixture.model, '--ids', text)
        )


def checkpoint():
    """A Hugging Face directory in memory, as small as they come."""
    dim, ffn, vocab = 64, 64, 300
    letters = [chr(c) for c in [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]]
    letters += [chr(0x100 + i) for i in range(256 - len(letters))]
    config = dict(
        architectures=['LlamaForCausalLM'],
        model_type='llama',
        hidden_size=dim,
        intermediate_size=ffn,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        vocab_size=vocab,
        max_position_embeddings=128,
        rms_norm_eps=1e-5,
        rope_theta=10000.0,
        hidden_act='silu',
        tie_word_embeddings=True,
        torch_dtype='float32',
    )
    pre = dict(type='ByteLevel', add_prefix_space=False, trim_offsets=True, use_regex=True)
    tokenizer = dict(
        version='1.0',
        added_tokens=[
            dict(
                id=299,
                content='<|end|>',
                special=True,
                single_word=False,
                lstrip=False,
                rstrip=False,
                normalized=False,
            )
        ],
        normalizer=None,
        pre_tokenizer=pre,
        post_processor=None,
        decoder=pre,
        model=dict(
            type='BPE',
            dropout=None,
            unk_token=None,
            byte_fallback=False,
            vocab={c: i for i, c in enumerate(letters)},
            merges=[],
        ),
    )
    shapes = {'model.embed_tokens.weight': [vocab, dim], 'model.norm.weight': [dim]}
    for role in ('q', 'k', 'v', 'o'):
        shapes[f'model.layers.0.self_attn.{role}_proj.weight'] = [dim, dim]
    for role, shape in {'gate': [ffn, dim], 'up': [ffn, dim], 'down': [dim, ffn]}.items():
        shapes[f'model.layers.0.mlp.{role}_proj.weight'] = shape
    for norm in ('input_layernorm', 'post_attention_layernorm'):
        shapes[f'model.layers.0.{norm}.weight'] = [dim]
    header, at = {}, 0
    for name, shape in shapes.items():
        size = 4 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = dict(dtype='F32', shape=shape, data_offsets=[at, at + size])
        at += size
    text = json.dumps(header).encode()
    values = b''.join(
        struct.pack('<f', ((i * 2654435761) % 1000 - 500) / 4000 or 0.01) for i in range(at // 4)
    )
    return {
        'config.json': json.dumps(config).encode(),
        'tokenizer.json': json.dumps(tokenizer).encode(),
        'model.safetensors': struct.pack('<Q', len(text)) + text + values,
    }


CHECKPOINT = checkpoint()

if __name__ == '__main__':
    unittest.main()
