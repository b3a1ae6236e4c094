"""A test of files: a folder of its own, a packer over a small model in it, and the hash of blobs
and states."""

import os
import pathlib
import stat
import struct
import subprocess
import tempfile

from cli_case import BUILD, Case, Fixture

PACK = str(BUILD / 'apus-pack')
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
