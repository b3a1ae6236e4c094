#!/usr/bin/env python3
"""apus against docs/numerics.md in numpy: the same bits, for every tiny model, int8, int4 and a
budget in which all types of layers take part, every instruction set and thread count, with int8
every type of the cache; and for SmolLM2 where it is at hand, on fewer positions.

    test_contract.py [SHAPE ...]"""
import itertools
import json
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import runner

runner.need('numpy')
sys.path.insert(0, str(runner.ROOT / 'weights' / 'tools'))
import numpy as np  # noqa: E402
import numerics  # noqa: E402
import random_checkpoint  # noqa: E402

MIXED = 'int4 --bits 5.5'
PRUNED = 'int4 --prune 2:4'  # sparse matrices of every kind, those of experts too
types_seen = set()
POSITIONS = 75  # more than four passes of 16 columns, no multiple of 16
MASKS = [('--cpu', cpu, '--threads', threads) for cpu in ('ref', 'avx2', 'avxvnni', 'avx512')
         for threads in (1, 2)]


def first_difference(a, b):
    at = np.argwhere(a.view(np.uint32) != b.view(np.uint32))
    p, v = at[0]
    return (f'{len(at)} of {a.size} logits differ; first at position {p}, id {v}: {a[p, v]!r} '
            f'where the contract has {b[p, v]!r}')


def differ(want, got):
    """A sentence; '' if there is none to say, None without logits."""
    if got is None:
        return None
    if got.shape != want.shape:
        return f'shape {got.shape} where {want.shape} is expected'
    same = np.array_equal(got.view(np.uint32), want.view(np.uint32))
    return '' if same else first_difference(got, want)


def check(source, weights, folder, positions=POSITIONS, more=()):
    blob = folder / 'm.apus'
    runner.pack(source, blob, *weights.split(), '--no-calibrate', *more)
    return check_blob(blob, source.stem, weights, folder, positions)


def check_blob(blob, shape, weights, folder, positions=POSITIONS):
    parsed = numerics.Blob(blob)
    types_seen.update(int(t['type']) for t in parsed.tensors)
    ids = np.random.default_rng(zlib.crc32(shape.encode())).integers(0, int(parsed.model['vocab']),
                                                                     positions).tolist()
    caches, missing = numerics.KV_BITS if weights == 'int8' else ('8', ), set()
    want = {kv: numerics.logits(parsed, ids, kv) for kv in caches}
    if len({w.tobytes() for w in want.values()}) < len(want):
        return 'two types of the cache give the same logits'
    for kv, mask in itertools.product(want, MASKS):
        why = differ(want[kv], runner.logits(blob, ids, folder / 'l.f32', '--kv', kv, *mask))
        if why is None:
            missing.add(mask[1])
        elif why:
            return f'--kv {kv} {" ".join(map(str, mask))}: {why}'
    print(f'ok   {shape} {weights}: {sum(w.size for w in want.values())} logits' +
          (f' (not on this machine: {", ".join(sorted(missing))})' if missing else ''),
          flush=True)
    return None


def check_draft(source, folder):
    """A head with fewer rows, and a mask that the configuration names."""
    config = json.loads((source / 'config.json').read_text())
    mask = config['vocab_size'] - 1
    (source / 'config.json').write_text(json.dumps({**config, 'pard_token': mask}))
    why = check(source, 'int8', folder, more=('--draft-vocab', config['vocab_size'] - 20))
    parsed = numerics.Blob(folder / 'm.apus')
    if not why and (parsed.mask, len(parsed.head_ids)) != (mask, mask - 19):
        why = f'mask {parsed.mask}, {len(parsed.head_ids)} rows of the head'
    return why


def failed(why, shape, weights):
    if why:
        print(f'FAIL {shape} {weights}: {why}', flush=True)
    return why is not None


def main():
    shapes = sys.argv[1:] or [s for s in random_checkpoint.SHAPES if s.startswith('tiny-')]
    bad = 0
    with tempfile.TemporaryDirectory() as tmp:
        for shape in shapes:
            random_checkpoint.write_checkpoint(shape, Path(tmp) / shape)
            for weights in ('int8', 'int4', MIXED, PRUNED):
                bad += failed(check(Path(tmp) / shape, weights, Path(tmp)), shape, weights)
        bad += failed(check_draft(Path(tmp) / shapes[0], Path(tmp)), shapes[0], 'as a draft')
        if not sys.argv[1:]:
            blob = Path(tmp) / 'variant.apus'
            for which, shape in (('windows', 'windows and sinks'), ('experts', 'experts'),
                                 ('clamped', 'layers of gpt-oss'),
                                 ('norms', 'norms behind sublayers'),
                                 ('unrotated', 'norms behind sublayers, not rotated'),
                                 ('w4s', 'sparse weights of 4 bits'),
                                 ('w8s', 'sparse weights of 8 bits'),
                                 ('w4t', 'weights from a table')):
                made = subprocess.run([runner.program('tests/oracle/write_variants'), which],
                                      capture_output=True,
                                      check=True)
                blob.write_bytes(made.stdout)
                bad += failed(check_blob(blob, shape, 'as it is', Path(tmp)), shape, 'as it is')
        real = None if sys.argv[1:] else runner.smollm2(required=False)
        for weights in ('int8', 'int4') if real else ():
            bad += failed(check(real, weights, Path(tmp), 20), real.stem, weights)
    if not sys.argv[1:] and types_seen != {1, 2, 3, 4, 5, 6, 7, 8}:
        print(f'FAIL: of all types of weights only {types_seen} were seen')
        bad += 1
    sys.exit(bad > 0)


main()
