#!/usr/bin/env python3
"""Times a whole process up to its first token, compares it with one verify pass for every 16 tokens
of the prompt, and prints one JSON object.

    startup.py MODEL.apus [--apus build/release/apus] [--prompt 20] [--rounds 7] [--threads 2]

The file is read once before, so that it is in the page cache. Each round runs `apus run` for one
token (from the start of the process to its end: opening, prefill, one token) and `apus bench` for
the pass of 16 columns, one after the other. It prints medians."""
import argparse
import json
import pathlib
import statistics
import subprocess
import time

WARM = 1 << 24


def warm(path):
    with open(path, 'rb') as f:
        while f.read(WARM):
            pass


def first_token(a):
    ids = ','.join(str(100 + i) for i in range(a.prompt))
    command = [
        a.apus, 'run', '-m', a.model, '--ids', ids, '-n', '1', '--ignore-eos', '--threads',
        a.threads
    ]
    began = time.monotonic()
    subprocess.run([str(c) for c in command],
                   check=True,
                   capture_output=True,
                   stdin=subprocess.DEVNULL)
    return (time.monotonic() - began) * 1e3


def verify_16(a):
    out = subprocess.run([
        str(c)
        for c in [a.apus, 'bench', '-m', a.model, '--seconds', 3, '--threads', a.threads, '--json']
    ],
                         check=True,
                         capture_output=True,
                         stdin=subprocess.DEVNULL).stdout
    return next(v['ms'] for v in json.loads(out)['verify'] if v['columns'] == 16)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('model', type=pathlib.Path)
    p.add_argument('--apus', type=pathlib.Path, default=pathlib.Path('build/release/apus'))
    p.add_argument('--prompt', type=int, default=20)
    p.add_argument('--rounds', type=int, default=7)
    p.add_argument('--threads', type=int, default=2)
    a = p.parse_args()
    warm(a.model)
    rows = [(first_token(a), verify_16(a) * a.prompt / 16) for _ in range(a.rounds)]
    print(
        json.dumps({
            'model': a.model.name,
            'prompt': a.prompt,
            'rounds': a.rounds,
            'first_token_ms': statistics.median(r[0] for r in rows),
            'passes_ms': statistics.median(r[1] for r in rows),
            'ratio': statistics.median(r[0] / r[1] for r in rows)
        }))


if __name__ == '__main__':
    main()
