#!/usr/bin/env python3
"""Measures a packed pair on held-out text: perplexity, acceptance, speed with and without the
draft. Prints the model card's tables.

    measure.py DIRECTORY [--pair FOLDER] [--prompts N] [--skip-float]

DIRECTORY is the one of the training; FOLDER has target.apus and draft.apus (default: DIRECTORY). A
speed-up is the median over prompts of the speed with the draft divided by the speed without. The
two runs follow each other directly, because other programs may be running. On a busy machine
APUS_THREADS=1 helps, because threads that wait for each other lose their time slices."""
import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import tempfile

import numpy as np

from corpus import HELD_PACKAGES, SEPARATOR
from data import BEGIN_ID

HERE = pathlib.Path(__file__).resolve().parent
APUS = pathlib.Path(os.environ.get('APUS_BUILD', HERE.parents[1] / 'build' / 'release')) / 'apus'
WINDOW, TOKENS = 512, 128
TEXT_MAX = 120_000  # the most bytes of each kind of held-out text
LENGTHS = ['auto', '1', '2', '3', '4', '6']


def apus(*args):
    more = ['--threads', str(os.environ['APUS_THREADS'])] if 'APUS_THREADS' in os.environ else []
    return json.loads(
        subprocess.run([APUS, *map(str, args), *more, '--json'], capture_output=True,
                       check=True).stdout)


def held_texts(directory):
    """Held-out texts by kind: 'packages' are files of packages of which nothing was trained on,
    'files' are single files of the others."""
    names = json.loads((directory / 'held.json').read_text())
    texts = (directory / 'held.txt').read_text(encoding='utf-8').split(SEPARATOR)
    kinds = {'packages': [], 'files': []}
    for name, text in zip(names, texts):
        kinds['packages' if name.split('/')[0] in HELD_PACKAGES else 'files'].append(text)
    return kinds


def up_to(texts, most):
    out = []
    for t in texts:
        if sum(map(len, out)) + len(t) <= most:
            out.append(t)
    return out


def float_nll(directory, name, ids):
    """Measures what apus perplexity does, but with the float32 checkpoint: nats per id over the
    second half of each window."""
    import torch
    from safetensors.torch import load_file
    from export import new_models
    model = new_models()[name].float()
    weights = load_file(str(directory / name / 'model.safetensors'))
    model.load_state_dict({n.removeprefix('model.'): w for n, w in weights.items()})
    total = count = 0
    with torch.no_grad():
        for at in range(0, len(ids) - WINDOW + 1, WINDOW):
            w = torch.tensor([BEGIN_ID, *ids[at + 1:at + WINDOW]])
            nll = torch.nn.functional.cross_entropy(model(w[None], torch.float32)[0, :-1],
                                                    w[1:],
                                                    reduction='none')[WINDOW // 2:]
            total, count = total + nll.sum().item(), count + len(nll)
    return total / count


def perplexities(a, pair):
    print(
        '| held-out text | bytes | bytes an id | model | perplexity an id | bits a byte | the '
        'same in float32 |\n|---|---|---|---|---|---|---|'
    )
    for kind, texts in held_texts(a.directory).items():
        text = ''.join(up_to(texts, TEXT_MAX))
        with tempfile.NamedTemporaryFile('w', encoding='utf-8', suffix='.py') as f:
            f.write(text)
            f.flush()
            ids = apus('tokenize', '-m', pair / 'target.apus', '-f', f.name)['ids']
            each = len(text.encode()) / len(ids)
            for name in ('target', 'draft'):
                nll = apus('perplexity', '-m', pair / f'{name}.apus', '-f', f.name, '--ctx',
                           WINDOW)['nll']
                there = '-'
                if not a.skip_float:
                    there = f'{float_nll(a.directory, name, ids) / math.log(2) / each:.3f}'
                print(
                    f'| {kind} | {len(text.encode()):,} | {each:.2f} | {name} | '
                    f'{math.exp(nll):.2f} | {nll / math.log(2) / each:.3f} | {there} |',
                    flush=True)


def prompts(a, pair):
    """Yields the beginnings of held-out files up to some line."""
    rng = np.random.default_rng(7)
    texts = [t for kind in held_texts(a.directory).values() for t in kind]
    for i in rng.permutation(len(texts))[:a.prompts]:
        lines = texts[i].splitlines(keepends=True)
        at = int(rng.integers(min(20, len(lines) - 1), max(21, len(lines) - 1)))
        yield ''.join(lines[max(0, at - 30):at])


def completions(a, pair):
    chosen = list(prompts(a, pair))
    print(
        f'\n{len(chosen)} prompts, {TOKENS} tokens each\n\n| temperature | proposals | accepted | '
        'tokens a round | speed-up |\n|---|---|---|---|---|'
    )
    for temperature in ('0', '0.8'):
        rows = {n: [] for n in LENGTHS}
        for seed, prompt in enumerate(chosen):
            base = [
                'run', '-m', pair / 'target.apus', '-p', prompt, '-n', TOKENS, '--ctx', 1024,
                '--ignore-eos', '--temp', temperature, '--seed', seed
            ]
            for n in LENGTHS:
                plain, fast = apus(*base), apus(*base, '-d', pair / 'draft.apus', '--draft-tokens',
                                                n)
                if plain['logits_hash'] != fast['logits_hash']:
                    raise SystemExit('the text with the draft differs')
                rows[n].append((fast['proposed'], fast['accepted'], fast['rounds'],
                                fast['new_tokens'], fast['decode_tps'] / plain['decode_tps']))
        for n, r in rows.items():
            proposed, accepted, rounds, new = (sum(x[i] for x in r) for i in range(4))
            print(
                f'| {temperature} | {n} | {accepted / max(1, proposed):.0%} | {new / rounds:.2f} '
                f'| {statistics.median(x[4] for x in r):.2f}x |',
                flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('directory', type=pathlib.Path)
    p.add_argument('--pair', type=pathlib.Path)
    p.add_argument('--prompts', type=int, default=12)
    p.add_argument('--skip-float', action='store_true')
    a = p.parse_args()
    perplexities(a, a.pair or a.directory)
    completions(a, a.pair or a.directory)


if __name__ == '__main__':
    main()
