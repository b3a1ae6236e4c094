#!/usr/bin/env python3
"""What a draft's step costs by the ids that it makes, in turns: for a draft with a mask, one pass
for all of them.

    rounds.py TARGET.apus DRAFT.apus [--ids 1,2,4,8] [--tokens 48] [--turns 5] [--threads 2]

Prints JSON: for each number of proposals, which is fixed, the median over the turns of the draft's
milliseconds a round without what it read of the prompt, the median of their ratio to those of the
first number within a turn, the rounds' tokens and the share that was accepted. The target's output
is the same for all, which is checked."""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

BUILD = pathlib.Path(
    os.environ.get('APUS_BUILD',
                   pathlib.Path(__file__).resolve().parent.parent.parent / 'build' / 'release'))
PROMPT = 'The history of the steam engine begins with'


def run(a, ids):
    command = [
        str(BUILD / 'apus'), 'run', '-m', a.target, '-d', a.draft, '-p', PROMPT, '-n',
        str(a.tokens), '--ctx', '1024', '--ignore-eos', '--temp', '0', '--threads',
        str(a.threads), '--draft-tokens',
        str(ids), '--json'
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    return sys.exit('apus failed') if done.returncode else json.loads(done.stdout)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('target')
    p.add_argument('draft')
    p.add_argument('--ids', default='1,2,4,8')
    p.add_argument('--tokens', type=int, default=48)
    p.add_argument('--turns', type=int, default=5)
    p.add_argument('--threads', type=int, default=2)
    a = p.parse_args()
    numbers = [int(n) for n in a.ids.split(',')]
    ms, ratio, last = {n: [] for n in numbers}, {n: [] for n in numbers}, {}
    for _ in range(a.turns):
        for n in numbers:
            last[n] = run(a, n)
            ms[n].append(last[n]['draft_ms'] / last[n]['rounds'])
            ratio[n].append(ms[n][-1] / ms[numbers[0]][-1])
    if len({o['logits_hash'] for o in last.values()}) != 1:
        sys.exit('the output depends on the number of proposals')
    print(
        json.dumps({
            n: {
                'draft_ms_a_round': round(statistics.median(ms[n]), 3),
                'ratio': round(statistics.median(ratio[n]), 3),
                'ratios': [round(r, 3) for r in ratio[n]],
                'accepted': round(o['accepted'] / max(1, o['proposed']), 3),
                'tokens_a_round': round(o['new_tokens'] / o['rounds'], 3)
            }
            for n, o in last.items()
        }))


if __name__ == '__main__':
    main()
