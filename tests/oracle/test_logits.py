#!/usr/bin/env python3
"""How far apus is from the model its weights came from: KL to a float32 forward pass over the
original weights.

SmolLM2-135M, 2,000 positions, half code (Python's standard library) and half prose (license texts,
or this project's pages): int8 must stay under 0.0055 nats and under what 8-bit weights and
activations in groups of 32 with float scales (Q8_0) make of the weights that Apus multiplies, norm
gains folded in. For that the weights first leave the grid of the Q4_1 file, on which any 8-bit
rounding would look better than it is.

    test_logits.py [full|tiny]  SmolLM2 is calibrated quickly, the demo's blob where the build is
                                the demo's. full: by the default effort, with the same limits; int4
                                is reported as well, and Q8_0 with the gains where llama.cpp has
                                them, which damps outliers before they are quantized. tiny: the
                                random models instead; a wrong permutation or a lost tensor shows
                                there as KL of whole nats"""
import copy
import json
import os
import pathlib
import subprocess
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
LIMIT = {'int8': 0.0055, 'tiny int8': 0.05, 'tiny int4': 1.0}


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


def off_grid(model, fold):
    """The same function: random factors in [2^-1/2, 2^1/2] between V and O, UP and DOWN; and the
    norms' gains either folded into the matrices behind them or given such factors too."""
    m, r = copy.copy(model), np.random.default_rng(1)

    def factor(n):
        return (2 ** r.uniform(-0.5, 0.5, n)).astype(np.float32)

    def split(gain):
        c = np.float32(1) / gain if fold else factor(len(gain))
        return gain * c, c

    m.layers = [copy.copy(y) for y in model.layers]
    for y in m.layers:
        c = factor(len(y.v))
        heads, kv_heads = len(y.q) // m.head_dim, len(y.v) // m.head_dim
        y.v, y.o = y.v * c[:, None], y.o / np.repeat(
            c.reshape(kv_heads, 1, -1), heads // kv_heads, axis=1).reshape(-1)
        c = factor(len(y.up))
        y.up, y.down = y.up * c[:, None], y.down / c
        y.attn_norm, c = split(y.attn_norm)
        y.q, y.k, y.v = y.q / c, y.k / c, y.v / c
        y.ffn_norm, c = split(y.ffn_norm)
        y.gate, y.up = y.gate / c, y.up / c
    m.out_norm, c = split(m.out_norm)
    m.head = m.head / c
    return m


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
            cut.write_text(path.read_text(encoding='utf-8')[2000:2000 + 8 * WINDOW],
                           encoding='utf-8')
            ids = runner.tokenize(blob, cut)[:WINDOW]
            assert len(ids) == WINDOW, path
            out.append((ids, kind))
    return out


def packed(gguf, folder, weights, effort):
    """A blob of SmolLM2. What the demo packs is not packed again: toolchain/model.sh looks whether
    it is newer than the packer."""
    if (weights, effort) == ('int8', 'quick') and 'APUS_SMOLLM2' not in os.environ and (
            runner.BUILD.resolve() == (runner.ROOT / 'build' / 'release').resolve()):
        made = subprocess.run(['sh', runner.ROOT / 'toolchain' / 'model.sh'],
                              stdout=subprocess.PIPE,
                              text=True)
        if made.returncode == 0:
            return runner.ROOT / made.stdout.strip()
    return runner.pack(gguf, folder / f'{weights}.apus', weights, '--effort', effort)


def smollm2(folder, effort):
    runner.need('gguf')
    gguf, full = runner.smollm2(), effort == 'full'
    blobs = {
        w: packed(gguf, folder, w, effort)
        for w in (('int8', 'int4') if full else ('int8', ))
    }
    reference = float_reference.load(gguf)
    emulated = {'q8_0 folded': q8_0_model(off_grid(reference, True))}
    if full:
        emulated['q8_0'] = q8_0_model(off_grid(reference, False))
    kl, same = {}, {}
    for ids, kind in windows(blobs['int8'], folder):
        want = reference.logits(ids)
        other = {w: lambda b=b: runner.logits(b, ids, folder / 'l.f32') for w, b in blobs.items()}
        other.update({name: lambda m=m: m.logits(ids) for name, m in emulated.items()})
        for name, compute in other.items():
            k, s, _ = compare.measure(want, compute())
            kl.setdefault(name, {}).setdefault(kind, []).append(k)
            same.setdefault(name, []).append(s)
    out = {'model': gguf.name, 'texts': [str(p) for kind in texts() for p in kind]}
    for name, kinds in kl.items():
        every = np.concatenate([k for v in kinds.values() for k in v])
        out[name] = {
            'positions': every.size,
            'kl': round(float(every.mean()), 5),
            'kl_p99': round(float(np.percentile(every, 99)), 4),
            **{
                kind: round(float(np.mean(v)), 5)
                for kind, v in kinds.items()
            }, 'top1': round(float(np.mean(same[name])), 4)
        }
    print(json.dumps(out))
    ok = out['int8']['kl'] <= LIMIT['int8'] and out['int8']['kl'] < out['q8_0 folded']['kl']
    if not ok:
        print(
            f'FAIL SmolLM2 int8: KL {out["int8"]["kl"]}, at most {LIMIT["int8"]} and less than '
            'q8_0 folded are expected'
        )
    return ok


def tiny(folder):
    ok, out = True, {}
    for shape, of in random_checkpoint.SHAPES.items():
        if not shape.startswith('tiny-') or of['experts']:  # tests/families has those with experts
            continue
        random_checkpoint.write_checkpoint(shape, folder / shape)
        reference = float_reference.load(folder / shape)
        ids = np.random.default_rng(7).integers(0, len(reference.embedding), 100).tolist()
        for w in ('int8', 'int4'):
            got = runner.logits(
                runner.pack(folder / shape, folder / 'tiny.apus', w, '--no-calibrate'), ids,
                folder / 'l.f32')
            out[f'{shape} {w}'] = kl = round(compare.compare(reference.logits(ids), got)['kl'], 4)
            if kl > LIMIT['tiny ' + w]:
                print(f'FAIL {shape} {w}: KL {kl}, at most {LIMIT["tiny " + w]} is expected')
                ok = False
    print(json.dumps(out))
    return ok


def main():
    with tempfile.TemporaryDirectory() as tmp:
        what = (sys.argv[1:] or ['quick'])[0]
        ok = tiny(pathlib.Path(tmp)) if what == 'tiny' else smollm2(pathlib.Path(tmp), what)
    sys.exit(not ok)


main()
