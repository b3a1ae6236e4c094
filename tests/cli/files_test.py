"""What the programs write when others have been there before: links and pipes in the way, files
that are somebody's own, what a killed run left."""

import json
import os
import pathlib
import struct
import subprocess
import time
import unittest

from cli_case import Fixture
from folder_case import PACK, SECONDS, Folder, xxh64

MARK = b'APUSPART'


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

    def resumable(self, source):
        packed = [str(source or self.source), '-o', str(self.out)]
        return [PACK, *packed, '--weights', 'int8', '--resume']

    def stop_after_a_layer(self, source=None):
        child = subprocess.Popen(
            self.resumable(source) + ['-q', '--threads', '1'], stderr=subprocess.DEVNULL
        )
        while child.poll() is None and not self.state.exists():
            time.sleep(0.0001)
        child.kill()
        child.wait()
        self.assertTrue(self.state.exists(), 'the run was over before it could be killed')

    def go_on(self, source=None):
        r = subprocess.run(
            self.resumable(source), capture_output=True, text=True, timeout=SECONDS
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


if __name__ == '__main__':
    unittest.main()
