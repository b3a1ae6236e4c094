#!/usr/bin/env python3
"""KL against bits per weight: SmolLM2 in Apus' formats and llama.cpp's, on text that no calibration
saw.

    curve.py [SmolLM2.gguf] [--work build/accuracy] [--windows 8] [--only apus|llama] [--docs docs]

All formats are made from one F32 file (off_grid.py). llama.cpp's are quantized by its
llama-quantize, without and with an importance matrix that its llama-imatrix made from the packer's
calibration text (build/peers, bench/peers/peers.sh), and run by its Python binding; Apus runs its
own blobs. Each text gives `windows` windows of 512 tokens, evenly over the text (table.py has the
texts, code and English), and each window is evaluated without context before it. The reference is
tests/oracle/float_reference.py. Bits per weight count what the layers' tensors take in the file,
scales of rows and all padding included. What has been measured stays in WORK/curve.jsonl and is not
measured again. It prints the table. With --docs it writes accuracy/curve.json and
accuracy/curve.svg into that folder. APUS_BUILD names the build folder. Exit status 77, with a
reason, if something is missing."""
import argparse
import itertools
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / 'tests' / 'oracle'), str(ROOT / 'bench' / 'accuracy')]
import runner  # noqa: E402

runner.need('numpy', 'gguf', 'llama_cpp')
import gguf  # noqa: E402
import numpy as np  # noqa: E402
import compare  # noqa: E402
import float_reference  # noqa: E402
import off_grid  # noqa: E402
import table  # noqa: E402

PEERS = ROOT / 'build' / 'peers'
WINDOW = 512
# The importance matrix sees every seventh piece of the calibration text, which is twice as many
# tokens as the packer uses.
PIECE, MATRIX_SHARE = 4096, 7
TYPES = ['Q4_0', 'IQ4_XS', 'Q4_K_M', 'Q5_K_M', 'Q6_K', 'Q8_0']
BUDGETS = ['4.13', '4.25', '4.5', '5', '6']
PLAIN, OURS, LLAMA, MATRIX = 'Apus, rounded', 'Apus', 'llama.cpp', 'llama.cpp, importance matrix'
LOOK = {
    PLAIN: ('tab:orange', 'o:'),
    OURS: ('tab:red', 'o-'),
    LLAMA: ('tab:gray', 's:'),
    MATRIX: ('tab:blue', 's-')
}


def made(path, make):
    """Returns path. If there is no such file, make(part) writes a part file first, which then gets
    the name."""
    if not path.exists():
        part = path.with_suffix('.part' + path.suffix)
        make(part)
        part.rename(path)
    return path


def tool(name, *args):
    if not (PEERS / name).exists():
        runner.skip(f'{PEERS / name} is missing: sh bench/peers/peers.sh')
    r = subprocess.run([PEERS / name, *map(str, args)],
                       capture_output=True,
                       text=True,
                       stdin=subprocess.DEVNULL)
    if r.returncode:
        sys.exit(f'{name} failed with status {r.returncode}: {r.stderr[-1000:]}')


def blob_bits(report):
    layers = [
        t for t in json.loads(report.read_text())['tensors'] if t['name'] not in ('embed', 'head')
    ]
    return sum(8 * t['bytes'] + 32 * (-(-t['rows'] // 16) * 16)
               for t in layers) / sum(t['rows'] * t['cols'] for t in layers)


def gguf_bits(path):
    layers = [
        t for t in gguf.GGUFReader(path).tensors if t.name.startswith('blk.') and len(t.shape) == 2
    ]
    return 8 * sum(int(t.n_bytes) for t in layers) / sum(int(t.n_elements) for t in layers)


def apus_formats(source, work, threads):
    for family, more in ((PLAIN, ['--no-calibrate']), (OURS, [])):
        for name, args in [('int8', ['--weights', 'int8'])] + [(f'{b} bits', ['--bits', b])
                                                               for b in BUDGETS]:
            blob = work / f"curve-{name.split()[0]}{'-rounded' if more else ''}.apus"
            report = blob.with_suffix('.json')
            made(
                blob, lambda part: runner.run('apus-pack', source, '-q', '-o', part, '--report',
                                              report, *args, *more))
            yield family, name, blob_bits(report), lambda ids, blob=blob: runner.logits(
                blob, ids, work / f'{os.getpid()}.f32', '--threads', threads)


def llama_formats(source, work, threads):
    text = (ROOT / 'weights/calibration/text').read_bytes()
    (work / 'matrix.txt').write_bytes(b''.join(text[at:at + PIECE]
                                               for at in range(0, len(text), MATRIX_SHARE * PIECE)))
    matrix = made(
        work / 'imatrix.gguf',
        lambda part: tool('llama-imatrix', '-m', source, '-f', work / 'matrix.txt', '-c', WINDOW,
                          '-t', threads, '--no-ppl', '-o', part))
    for family, more in ((LLAMA, []), (MATRIX, ['--imatrix', matrix])):
        for name in TYPES:
            path = made(work / f"curve-{name}{'-imatrix' if more else ''}.gguf",
                        lambda part: tool('llama-quantize', *more, source, part, name, threads))
            yield family, name, gguf_bits(path), table.Llama(path, WINDOW, threads).logits


def windows(work, blob, count):
    """(kind, number, ids)"""
    for kind, text in table.texts(100000):
        path = work / f'{kind}.txt'
        path.write_text(text, encoding='utf-8')
        ids = runner.tokenize(blob, path)
        for i in range(count):
            at = (2 * i + 1) * (len(ids) - WINDOW) // (2 * count)
            yield kind, i, ids[at:at + WINDOW]


def measure(formats, source, work, count, log, most=None):
    """{(family, name, kind, window): {kl, same}} of all formats over all windows."""
    done = {}
    if log.exists():
        done = {tuple(k): v for k, v in map(json.loads, log.read_text().splitlines())}
    reference, tokenizer = None, made(
        work / 'tokenizer.apus', lambda part: runner.pack(source, part, 'int8', '--no-calibrate'))
    for kind, i, ids in itertools.islice(windows(work, tokenizer, count), most):
        left = [f for f in formats if (f[0], f[1], kind, i) not in done]
        if not left:
            continue
        reference = reference or float_reference.load(source)
        want = reference.logits(ids)
        for family, name, _, logits in left:
            kl, same, _ = compare.measure(want, logits(ids), kind=np.float32)
            entry = {'kl': round(float(kl.mean()), 6), 'same': float(same.mean())}
            done[family, name, kind, i] = entry
            with open(log, 'a') as f:
                f.write(json.dumps([[family, name, kind, i], entry]) + '\n')
    return done


def row(family, name, bits, done, count):
    out = {'family': family, 'name': name, 'bits': round(bits, 3)}
    for kind in ('code', 'English'):
        of = [done[family, name, kind, i] for i in range(count)]
        out[kind] = {
            'kl': round(float(np.mean([x['kl'] for x in of])), 5),
            'top1': round(float(np.mean([x['same'] for x in of])), 4)
        }
    return out


def plot(rows, path):
    import matplotlib
    matplotlib.use('svg')
    matplotlib.rcParams['svg.hashsalt'] = 'apus'  # the same file for the same numbers
    import matplotlib.pyplot as plt
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True)
    for axis, kind in zip(axes, ('code', 'English')):
        for family, (color, style) in LOOK.items():
            points = sorted(
                (r['bits'], r[kind]['kl'], r['name']) for r in rows if r['family'] == family)
            axis.plot([p[0] for p in points], [p[1] for p in points],
                      style,
                      color=color,
                      label=family,
                      markersize=4)
            for bits, kl, name in points if family in (OURS, LLAMA) else []:
                axis.annotate(name, (bits, kl),
                              fontsize=6,
                              xytext=(3, 3),
                              textcoords='offset points')
        axis.set(yscale='log', title=kind, xlabel='bits a weight, layers')
        axis.grid(True, which='both', alpha=0.2)
    axes[0].set_ylabel('KL to float32, nats')
    axes[1].legend(fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={'Date': None})


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('gguf', type=pathlib.Path, nargs='?')
    p.add_argument('--work', type=pathlib.Path, default=ROOT / 'build' / 'accuracy')
    p.add_argument('--windows', type=int, default=8, help='of each text')
    p.add_argument('--threads', type=int, default=2)
    p.add_argument('--most',
                   type=int,
                   help='measures so many windows and ends; the next call goes on')
    p.add_argument('--only', choices=['apus', 'llama'])
    p.add_argument('--docs', type=pathlib.Path)
    a = p.parse_args()
    a.work.mkdir(parents=True, exist_ok=True)
    source = made(a.work / 'f32.gguf',
                  lambda part: off_grid.off_grid(a.gguf or runner.smollm2(), part))
    formats = []
    if a.only != 'llama':
        formats += apus_formats(source, a.work, a.threads)
    if a.only != 'apus':
        formats += llama_formats(source, a.work, a.threads)
    done = measure(formats, source, a.work, a.windows, a.work / 'curve.jsonl', a.most)
    (a.work / f'{os.getpid()}.f32').unlink(missing_ok=True)
    if a.most:
        return
    rows = [row(family, name, bits, done, a.windows) for family, name, bits, _ in formats]
    print(
        '| | | bits a weight, layers | code: KL | top-1 | English: KL | top-1 '
        '|\n|---|---|---|---|---|---|---|'
    )
    for r in rows:
        cells = [f"{r[k]['kl']:.4f} | {100 * r[k]['top1']:.1f} %" for k in ('code', 'English')]
        print(f"| {r['family']} | {r['name']} | {r['bits']:.2f} | {' | '.join(cells)} |")
    if a.docs:
        plot(rows, a.docs / 'accuracy' / 'curve.svg')
        (a.docs / 'accuracy' / 'curve.json').write_text(
            json.dumps({
                'windows': a.windows,
                'window': WINDOW,
                'rows': rows
            }, indent=1) + '\n')


if __name__ == '__main__':
    main()
