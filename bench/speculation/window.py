#!/usr/bin/env python3
"""What a draft loses when its window slides: how many proposals are accepted, by the number of
positions that the draft sees, and the time that it takes to read these positions again.

    window.py TARGET.apus DRAFT.apus TEXT... [--ids 1400] [--tokens 64] [--windows 128 256 512 1024
    2048] [--temp 0.8]

Every text is continued after its first --ids ids, with 4 proposals in a round, and with every
window. A window of W positions that is full keeps the first id and the last W / 2, and grows again.
So the numbers say how many positions the draft saw at the beginning of the continuation. Prints
JSON. APUS_BUILD names the build folder."""
import argparse
import json
import os
import pathlib
import subprocess
import sys

BUILD = pathlib.Path(
    os.environ.get('APUS_BUILD',
                   pathlib.Path(__file__).resolve().parent.parent.parent / 'build' / 'release'))


def apus(*args):
    r = subprocess.run([str(BUILD / 'apus'), *map(str, args), '--json'],
                       capture_output=True,
                       text=True)
    return json.loads(r.stdout) if r.returncode == 0 else sys.exit(r.stderr)


def seen(ids, window):
    n = 0
    for _ in range(ids):
        n = (window // 2 + 1 if n == window else n) + 1
    return n


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('target')
    p.add_argument('draft')
    p.add_argument('texts', nargs='+')
    p.add_argument('--ids', type=int, default=1400)
    p.add_argument('--tokens', type=int, default=64)
    p.add_argument('--windows', type=int, nargs='+', default=[128, 256, 512, 1024, 2048])
    p.add_argument('--temp', type=float, default=0.8)
    a = p.parse_args()
    rows = {
        w:
        dict(window=w,
             seen=seen(a.ids, w),
             proposed=0,
             accepted=0,
             tokens=0,
             rounds=0,
             slides=0,
             draft_prompt_ms=[])
        for w in a.windows
    }
    texts = 0
    for text in a.texts:
        ids = apus('tokenize', '-m', a.target, '-f', text)['ids'][:a.ids]
        if len(ids) < a.ids:
            continue
        texts += 1
        for w, row in rows.items():
            o = apus('run', '-m', a.target, '-d', a.draft, '--ids', ','.join(map(str, ids)), '-n',
                     a.tokens, '--temp', a.temp, '--seed', 1, '--ignore-eos', '--draft-tokens', 4,
                     '--draft-ctx', w)
            for key in ('proposed', 'accepted', 'rounds'):
                row[key] += o[key]
            row['tokens'] += o['new_tokens']
            row['draft_prompt_ms'].append(round(o['draft_prompt_ms'], 1))
    for row in rows.values():
        row['slides'] = seen(a.ids, row['window']) + a.tokens > row['window']
        row['acceptance'] = round(row['accepted'] / max(1, row['proposed']), 4)
        row['draft_prompt_ms'] = sorted(
            row['draft_prompt_ms'])[len(row['draft_prompt_ms']) //
                                    2] if row['draft_prompt_ms'] else None
    print(json.dumps(dict(ids=a.ids, temp=a.temp, texts=texts, windows=list(rows.values()))))


main()
