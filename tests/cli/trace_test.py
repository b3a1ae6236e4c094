"""apus trace, in builds that have it: steps that end with what `apus logits` says, the same bits on
every instruction set, and the operation of a weight that was changed."""
import array
import json
import pathlib
import struct
import unittest

from cli_case import Case, apus, path

MODEL = pathlib.Path(__file__).resolve().parents[2] / 'weights/models/pair/draft.apus'
IDS = '270,300,271,1'
SECTION, WEIGHTS, TENSORS = 24, 7, 2  # weights/format.h: bytes of a record; kinds
RECORD, NAME, OFFSET = 88, 48, 72


def has_trace():
    return apus('trace', MODEL, 'ref', '--ids', '1').returncode != 3


def fnv(data):
    h = 0xcbf29ce484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001b3 % (1 << 64)
    return '%016x' % h


def weight_of(blob, name):
    """Where a tensor's bytes begin in the file."""
    section = lambda kind: struct.unpack_from('<QQ', blob, 32 + kind * SECTION)
    at, size = section(TENSORS)
    for i in range(0, size, RECORD):
        if blob[at + i:at + i + NAME].rstrip(b'\0') == name.encode():
            return section(WEIGHTS)[0] + struct.unpack_from('<Q', blob, at + i + OFFSET)[0]
    raise KeyError(name)


class Trace(Case):
    def test_a_build_without_it_says_so(self):
        if has_trace():
            self.skipTest('this build has the trace')
        self.wrong(3, 'cmake --preset dev', 'trace', MODEL, 'ref', '--ids', '1')

    @unittest.skipUnless(has_trace(), 'this build has no trace')
    def test_steps(self):
        out = path('logits.f32')
        self.ok('logits', '-m', MODEL, '--ids', IDS, '-o', out)
        steps = [json.loads(line) for line in
                 self.ok('trace', MODEL, 'ref', '--ids', IDS, '--json').stdout.splitlines()]
        self.assertEqual(steps[0]['operation'], 'embed')
        self.assertEqual([s['index'] for s in steps], sorted(s['index'] for s in steps))
        self.assertEqual(steps[-1]['slot'], 'logits')
        logits = pathlib.Path(out).read_bytes()
        self.assertEqual(steps[-1]['hash'], fnv(logits))
        largest = max(map(abs, array.array('f', logits)))
        self.assertAlmostEqual(steps[-1]['largest'], largest, places=4)

    @unittest.skipUnless(has_trace(), 'this build has no trace')
    def test_the_same_bits(self):
        for b in ('ref', 'cpu'):
            o = json.loads(self.ok('trace', MODEL, 'ref', b, '--ids', IDS, '--json').stdout)
            self.assertTrue(o['same'] and o['compared'] > 20, o)

    @unittest.skipUnless(has_trace(), 'this build has no trace')
    def test_a_changed_weight_is_found(self):
        for name, slot, layer in (('layer.1.attn_o', 'x', 1), ('layer.0.ffn_up', 'u', 0),
                                  ('head', 'logits', 1)):
            blob = bytearray(MODEL.read_bytes())
            at = weight_of(blob, name)
            for i in range(64):
                blob[at + i] ^= 0x40
            other = path('other.apus')
            pathlib.Path(other).write_bytes(blob)
            done = apus('trace', MODEL, 'ref', 'cpu', '--ids', IDS, '--other', other, '--json')
            o = json.loads(done.stdout)
            self.assertEqual((done.returncode, o['same'], o['operation'], o['slot'], o['layer']),
                             (1, False, 'gemv', slot, layer), name)

    @unittest.skipUnless(has_trace(), 'this build has no trace')
    def test_wrong_arguments(self):
        self.wrong(2, 'no engine was given', 'trace', MODEL, '--ids', '1')
        self.wrong(2, 'no ids were given', 'trace', MODEL, 'ref')
        self.wrong(2, 'at most 16', 'trace', MODEL, 'ref', '--ids', ','.join(['1'] * 17))
        self.wrong(2, 'name two', 'trace', MODEL, 'ref', '--ids', '1', '--other', MODEL)
        self.assertNotEqual(apus('trace', MODEL, 'nothing', '--ids', '1').returncode, 0)


if __name__ == '__main__':
    unittest.main()
