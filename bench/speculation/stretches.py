#!/usr/bin/env python3
"""How much faster a draft makes a target on stretches of text: runs plainly and with every number
of proposals in turns, and prints medians.

    stretches.py TARGET DRAFT TEXT [--threads N] [--temp T] [--stretches N] [--turns N] [--tokens N]
    [--proposals auto,1,2,3]

TEXT is any file; NUL bytes end a part, so that held.txt of weights/train can be used. The prompt is
a stretch of up to 900 characters from a place that a fixed seed chooses. Times are of decoding
after the first token, without the draft's reading of the prompt (decode_tps). The text must be the
same in every run. Prints one JSON object for each number of proposals on standard output."""
import argparse
import json
import os
import pathlib
import random
import re
import statistics
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
APUS = pathlib.Path(os.environ.get('APUS_BUILD', HERE.parents[1] / 'build' / 'release')) / 'apus'


def machine():
    names = re.findall(r'model name\s*: (.*)', pathlib.Path('/proc/cpuinfo').read_text())
    return f'{names[0] if names else "unknown"}, {len(os.sched_getaffinity(0))} processors'


def stretches(text, count):
    rng, out = random.Random(5), []
    while len(out) < count:
        at = rng.randrange(max(1, len(text) - 900))
        part = text[at:at + 900].split('\0')[0].partition('\n')[2]
        if len(part) > 400:
            out.append(part)
    return out


def run(a, prompt, *more):
    command = [
        APUS, 'run', '-m', a.target, '-p', prompt, '-n', a.tokens, '--ctx', 1024, '--ignore-eos',
        '--temp', a.temp, '--seed', 1, '--threads', a.threads, '--json', *more
    ]
    return json.loads(
        subprocess.run(list(map(str, command)), capture_output=True, check=True).stdout)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('target'), p.add_argument('draft'), p.add_argument('text', type=pathlib.Path)
    p.add_argument('--threads', type=int, default=1)
    p.add_argument('--temp', type=float, default=0)
    p.add_argument('--stretches', type=int, default=6)
    p.add_argument('--turns', type=int, default=5)
    p.add_argument('--tokens', type=int, default=256)
    p.add_argument('--proposals', default='auto,1,2,3')
    a = p.parse_args()
    counts = a.proposals.split(',')
    speed_up, sums = {n: [] for n in counts}, {n: [0, 0, 0, 0] for n in counts}
    for prompt in stretches(a.text.read_text(encoding='utf-8'), a.stretches):
        rates = {n: [] for n in ['plain', *counts]}
        for _ in range(a.turns):
            plain = run(a, prompt)
            rates['plain'].append(plain['decode_tps'])
            for n in counts:
                fast = run(a, prompt, '-d', a.draft, '--draft-tokens', n)
                if fast['ids'] != plain['ids']:
                    raise SystemExit('the text with the draft differs')
                rates[n].append(fast['decode_tps'])
                sums[n] = [
                    s + fast[k]
                    for s, k in zip(sums[n], ('proposed', 'accepted', 'rounds', 'new_tokens'))
                ]
        for n in counts:
            speed_up[n].append(statistics.median(rates[n]) / statistics.median(rates['plain']))
    for n in counts:
        proposed, accepted, rounds, tokens = sums[n]
        print(
            json.dumps(
                dict(machine=machine(),
                     temp=a.temp,
                     threads=a.threads,
                     proposals=n,
                     median=round(statistics.median(speed_up[n]), 3),
                     stretches=[round(s, 2) for s in speed_up[n]],
                     accepted=round(accepted / max(1, proposed), 2),
                     tokens_per_round=round(tokens / rounds, 2))))


if __name__ == '__main__':
    main()
