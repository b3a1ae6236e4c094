#!/usr/bin/env python3
"""How far logits are from a reference: KL(reference || other) in nats per position, top-1
agreement, perplexity of both.

    compare.py REFERENCE.f32 OTHER.f32 --vocab N [--ids 1,2,3 [--window N]]

Files are float32 [positions][vocab]. Perplexity needs the ids: position i predicts id i + 1 of the
same window."""
import argparse
import json

import numpy as np


def log_softmax(x, kind=np.float64):
    x = x.astype(kind)
    x -= x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True, dtype=np.float64)).astype(kind)


def measure(reference, other, ids=None, window=None, block=256, kind=np.float64):
    """Per position: KL, agreement of the best id, and with ids the negative log-likelihoods under
    both (NaN where nothing follows). kind np.float32 is five times faster and off by about 1e-6
    nats."""
    n = len(reference)
    kl, same, nll = np.empty(n), np.empty(n, bool), np.full((2, n), np.nan)
    following = np.full(n, -1)
    if ids is not None:
        following[:-1] = np.asarray(ids)[1:n]
        following[(window or n) - 1::window or n] = -1
    for at in range(0, n, block):
        rows = slice(at, min(n, at + block))
        p, q = log_softmax(np.asarray(reference[rows]),
                           kind), log_softmax(np.asarray(other[rows]), kind)
        kl[rows] = (np.exp(p) * (p - q)).sum(axis=-1, dtype=np.float64)
        same[rows] = p.argmax(axis=-1) == q.argmax(axis=-1)
        if ids is not None:
            ok = np.flatnonzero(following[rows] >= 0)
            for i, x in enumerate((p, q)):
                nll[i, at + ok] = -x[ok, following[rows][ok]]
    return kl, same, nll


def summary(kl, same, nll=None):
    out = {
        'positions': len(kl),
        'kl': float(kl.mean()),
        'kl_p99': float(np.percentile(kl, 99)),
        'top1': float(same.mean())
    }
    if nll is not None and np.isfinite(nll).any():
        out['perplexity_reference'], out['perplexity'] = (float(np.exp(np.nanmean(x))) for x in nll)
    return out


def compare(reference, other, ids=None, window=None):
    return summary(*measure(reference, other, ids, window))


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('reference')
    p.add_argument('other')
    p.add_argument('--vocab', type=int, required=True)
    p.add_argument('--ids')
    p.add_argument('--window', type=int)
    a = p.parse_args()
    x, y = (np.memmap(f, np.float32, 'r').reshape(-1, a.vocab) for f in (a.reference, a.other))
    if x.shape != y.shape:
        p.error(f'{x.shape[0]} and {y.shape[0]} positions')
    print(json.dumps(compare(x, y, [int(i) for i in a.ids.split(',')] if a.ids else None,
                             a.window)))


if __name__ == '__main__':
    main()
