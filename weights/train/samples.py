#!/usr/bin/env python3
"""Lets the packed target write text for the draft to learn from, because the draft proposes for the
target's own text, not for text that people wrote.

    samples.py DIRECTORY --apus PROGRAM --model TARGET.apus [--minutes N]
        writes DIRECTORY/samples.ids

Each text begins with some ids of the training text and fills the context. Every other text is
sampled, the others are greedy."""
import argparse
import json
import pathlib
import subprocess
import time

import numpy as np

from data import BEGIN_ID, END_ID

CONTEXT = 1024
PROMPT = (16, 192)  # ids, at least and at most


def write_on(a, prompt, seed):
    """Returns the prompt and what the model writes after it, filled up with END_ID to CONTEXT
    ids."""
    ids = ','.join(map(str, [BEGIN_ID, *prompt]))
    done = subprocess.run([
        a.apus, 'run', '-m', a.model, '--ids', ids, '-n',
        str(CONTEXT - 1 - len(prompt)), '--ctx',
        str(CONTEXT), '--temp', '0.8' if seed % 2 else '0', '--seed',
        str(seed), '--ignore-eos', '--threads', '1', '--json'
    ],
                          capture_output=True,
                          check=True)
    row = [*prompt, *json.loads(done.stdout)['ids']]
    return (row + [END_ID] * CONTEXT)[:CONTEXT]


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('directory', type=pathlib.Path)
    p.add_argument('--apus', required=True)
    p.add_argument('--model', required=True)
    p.add_argument('--minutes', type=float, default=3)
    a = p.parse_args()
    text, rng, rows, end = np.fromfile(
        a.directory / 'train.ids',
        np.uint16), np.random.default_rng(3), [], time.monotonic() + 60 * a.minutes
    while time.monotonic() < end:
        at, n = rng.integers(len(text) - PROMPT[1]), rng.integers(*PROMPT)
        rows.append(write_on(a, text[at:at + n].tolist(), len(rows)))
    np.array(rows, np.uint16).tofile(a.directory / 'samples.ids')
    print(f'{len(rows)} texts, {CONTEXT * len(rows)} ids')


if __name__ == '__main__':
    main()
