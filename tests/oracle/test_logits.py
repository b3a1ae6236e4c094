#!/usr/bin/env python3
"""How far apus is from the model its weights came from: KL to a float32 forward pass over the original weights.

SmolLM2-135M, 2,000 positions, half code (Python's standard library) and half prose (license texts, or this project's pages): int8 must stay
under 0.0085 nats and under what 8-bit weights and activations in groups of 32 with float scales (Q8_0) give here. int4 is reported. The tiny
random models must be close too: a wrong permutation or a lost tensor shows as KL of whole nats."""
import copy
import json
import pathlib
import sys
import sysconfig
import tempfile

import runner

runner.need('numpy')
sys.path.insert(0, str(runner.ROOT / 'weights' / 'tools'))
import numpy as np  # noqa: E402
import compare  # noqa: E402
import float_reference  # noqa: E402
import random_checkpoint  # noqa: E402

WINDOW = 500
LIMIT = {'int8': 0.0085, 'tiny int8': 0.05, 'tiny int4': 1.0}


def texts():
    """Two files of each kind, a window each from a little behind the start."""
    lib = pathlib.Path(sysconfig.get_paths()['stdlib'])
    code = [lib / 'argparse.py', lib / 'shutil.py']
    prose = [pathlib.Path('/usr/share/common-licenses') / n for n in ('GPL-3', 'MPL-2.0')]
    if not all(p.exists() for p in prose):
        prose = [runner.ROOT / 'docs' / 'numerics.md', runner.ROOT / 'README.md']
    return code, prose


def q8_0(x):
    """Groups of 32 with a float16 scale, as llama.cpp stores weights and activations."""
    g = x.reshape(*x.shape[:-1], -1, 32)
    d = np.abs(g).max(axis=-1, keepdims=True) / np.float32(127)
    q = np.rint(g * np.where(d > 0, 1 / np.where(d > 0, d, 1), 0))
    return (q * d.astype(np.float16).astype(np.float32)).reshape(x.shape)


def q8_0_model(model):
    m = copy.copy(model)
    m.layers = []
    for y in model.layers:
        y = copy.copy(y)
        for n in ('q', 'k', 'v', 'o', 'gate', 'up', 'down'):
            setattr(y, n, q8_0(getattr(y, n)))
        m.layers.append(y)
    m.embedding, m.head = q8_0(model.embedding), q8_0(model.head)
    m.linear = lambda x, w: q8_0(x) @ w.T
    return m


def windows(blob, folder):
    """[(ids, kind)]: WINDOW ids of every file."""
    out = []
    for kind, files in zip(('code', 'prose'), texts()):
        for path in files:
            cut = folder / 'text'
            cut.write_text(path.read_text(encoding='utf-8')[2000:2000 + 8 * WINDOW], encoding='utf-8')
            ids = runner.tokenize(blob, cut)[:WINDOW]
            assert len(ids) == WINDOW, path
            out.append((ids, kind))
    return out


def smollm2(folder):
    runner.need('gguf')
    gguf = runner.smollm2()
    blobs = {w: runner.pack(gguf, folder / f'{w}.apus', w) for w in ('int8', 'int4')}
    reference = float_reference.load(gguf)
    emulated = q8_0_model(reference)
    kl, same = {}, {}
    for ids, kind in windows(blobs['int8'], folder):
        want = reference.logits(ids)
        other = {w: lambda b=b: runner.logits(b, ids, folder / 'l.f32') for w, b in blobs.items()}
        other['q8_0'] = lambda: emulated.logits(ids)
        for name, compute in other.items():
            k, s, _ = compare.measure(want, compute())
            kl.setdefault(name, {}).setdefault(kind, []).append(k)
            same.setdefault(name, []).append(s)
    out = {'model': gguf.name, 'texts': [str(p) for kind in texts() for p in kind]}
    for name, kinds in kl.items():
        every = np.concatenate([k for v in kinds.values() for k in v])
        out[name] = {'positions': every.size, 'kl': round(float(every.mean()), 5), 'kl_p99': round(float(np.percentile(every, 99)), 4),
                     **{kind: round(float(np.mean(v)), 5) for kind, v in kinds.items()}, 'top1': round(float(np.mean(same[name])), 4)}
    print(json.dumps(out))
    ok = out['int8']['kl'] <= LIMIT['int8'] and out['int8']['kl'] < out['q8_0']['kl']
    if not ok:
        print(f'FAIL SmolLM2 int8: KL {out["int8"]["kl"]}, at most {LIMIT["int8"]} and less than q8_0 are expected')
    return ok


def tiny(folder):
    ok, out = True, {}
    for shape in (s for s in random_checkpoint.SHAPES if s.startswith('tiny-')):
        random_checkpoint.write_checkpoint(shape, folder / shape)
        reference = float_reference.load(folder / shape)
        ids = np.random.default_rng(7).integers(0, len(reference.embedding), 100).tolist()
        for w in ('int8', 'int4'):
            got = runner.logits(runner.pack(folder / shape, folder / 'tiny.apus', w), ids, folder / 'l.f32')
            out[f'{shape} {w}'] = kl = round(compare.compare(reference.logits(ids), got)['kl'], 4)
            if kl > LIMIT['tiny ' + w]:
                print(f'FAIL {shape} {w}: KL {kl}, at most {LIMIT["tiny " + w]} is expected')
                ok = False
    print(json.dumps(out))
    return ok


def main():
    with tempfile.TemporaryDirectory() as tmp:
        ok = tiny(pathlib.Path(tmp)) if sys.argv[1:] == ['tiny'] else smollm2(pathlib.Path(tmp))
    sys.exit(not ok)


main()
