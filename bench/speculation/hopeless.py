#!/usr/bin/env python3
"""What a draft costs if it never agrees: plain and speculative decoding in turns, where the session
chooses the number of proposals.

    hopeless.py TARGET.apus DRAFT.apus [--tokens 256] [--turns 7] [--threads 2] [--temp 0]

Prints JSON: the medians over the turns of both speeds in tokens per second and of their ratio
within a turn (above 1: the draft makes it slower), and the same by processor time, which other work
on the machine influences less. Everything after the first token counts, including the draft's own
reading of the prompt."""
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


def run(tokens, a, *more):
    """The JSON of a run, and its processor seconds."""
    process = subprocess.Popen([
        str(BUILD / 'apus'), 'run', '-m', a.target, '-p',
        'The history of the steam engine begins with', '-n',
        str(tokens), '--ctx',
        str(a.tokens + 64), '--temp',
        str(a.temp), '--seed', '1', '--ignore-eos', '--threads',
        str(a.threads), '--json', *more
    ],
                               stdout=subprocess.PIPE)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    return (json.loads(out), usage.ru_utime) if not status else sys.exit('apus failed')


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('target')
    p.add_argument('draft')
    p.add_argument('--tokens', type=int, default=256)
    p.add_argument('--turns', type=int, default=7)
    p.add_argument('--threads', type=int, default=2)
    p.add_argument('--temp', type=float, default=0)
    a = p.parse_args()
    ways = {'plain': (), 'draft': ('-d', a.draft)}
    first = {
        way: statistics.median(run(1, a, *more)[1] for _ in range(3))
        for way, more in ways.items()
    }
    tps, cpu, hashes, last = {w: [] for w in ways}, {w: [] for w in ways}, set(), None
    for turn in range(a.turns):
        for way in sorted(ways, reverse=turn % 2 == 1):
            o, seconds = run(a.tokens, a, *ways[way])
            tps[way].append(o['decode_tps'])
            cpu[way].append(seconds - first[way])
            last = o if way == 'draft' else last
            hashes.add(o['logits_hash'])
    assert len(hashes) == 1, 'not the same text'
    ratio = statistics.median(p / d for p, d in zip(tps['plain'], tps['draft']))
    cpu_ratio = statistics.median(d / p for p, d in zip(cpu['plain'], cpu['draft']))
    print(
        json.dumps(
            dict(tokens=a.tokens,
                 turns=a.turns,
                 threads=a.threads,
                 temp=a.temp,
                 plain_tps=round(statistics.median(tps['plain']), 1),
                 draft_tps=round(statistics.median(tps['draft']), 1),
                 slower=round(ratio, 4),
                 slower_cpu=round(cpu_ratio, 4),
                 proposed=last['proposed'],
                 accepted=last['accepted'],
                 rounds=last['rounds'],
                 draft_off_rounds=last['draft_off_rounds'],
                 draft_ms=round(last['draft_ms'], 1),
                 draft_prompt_ms=round(last['draft_prompt_ms'], 1))))


main()
