#!/usr/bin/env python3
"""How much faster a draft makes a model on the prompts of prompts.json, code and English, by
running it plainly and with the draft in turns.

    prompts.py MODEL DRAFT [--threads N] [--cpu SET] [--temp T] [--turns N] [--tokens N]
               [--ways draft,lookup,both] [--kinds code,english]

No model was trained on the prompts. Questions are asked in ChatML. Times are of everything after
the first token, including the draft's reading of the prompt (decode_tps). The speed-up of a prompt
is the median over the turns, in which both runs follow each other; the speed-up of a kind is the
median over its prompts. The text must be the same in every run. Prints one JSON object for each
kind of prompt and way on standard output."""
import argparse
import json
import os
import pathlib
import statistics
import subprocess

from stretches import APUS, HERE, machine

WAYS = {
    'draft': lambda a: ['-d', a.draft],
    'lookup': lambda a: ['--lookup'],
    'both': lambda a: ['-d', a.draft, '--lookup']
}


def texts(kind):
    given = json.loads((HERE / 'prompts.json').read_text())
    asked = given['system'] + '<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n'
    for p in given[kind]:
        yield p['text'] if 'text' in p else asked.format(p['ask'])


def run(a, prompt, *more):
    command = [
        APUS, 'run', '-m', a.model, '-p', prompt, '--special', '-n', a.tokens, '--temp', a.temp,
        '--seed', 1, '--threads', a.threads, '--json', *(['--cpu', a.cpu] if a.cpu else []), *more
    ]
    return json.loads(
        subprocess.run(list(map(str, command)), capture_output=True, check=True).stdout)


def measure(a, prompt):
    """For each way the speed-up and the figures, of which only the number of proposals differs
    between turns."""
    ratios, last = {w: [] for w in a.ways}, {}
    for _ in range(a.turns):
        for way in a.ways:
            plain, fast = run(a, prompt), run(a, prompt, *WAYS[way](a))
            if fast['ids'] != plain['ids'] or fast['logits_hash'] != plain['logits_hash']:
                raise SystemExit(f'the text with {way} differs')
            ratios[way].append(fast['decode_tps'] / plain['decode_tps'])
            last[way] = fast
    return {w: (statistics.median(r), last[w]) for w, r in ratios.items()}


def summary(a, kind, way, rows):
    figures, sums = [f for _, f in rows], {}
    for key in ('new_tokens', 'rounds', 'proposed', 'accepted', 'branches', 'branches_taken'):
        sums[key] = sum(f[key] for f in figures)
    ratios = sorted(r for r, _ in rows)
    return {
        'kind': kind,
        'way': way,
        'threads': a.threads,
        'cpu': figures[0]['cpu'],
        'temp': a.temp,
        'median': round(statistics.median(ratios), 3),
        'least': round(ratios[0], 2),
        'most': round(ratios[-1], 2),
        'accepted_of_proposed': round(sums['accepted'] / max(1, sums['proposed']), 3),
        'tokens_per_round': round(sums['new_tokens'] / sums['rounds'], 3),
        **sums, 'machine': machine()
    }


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('model'), p.add_argument('draft')
    p.add_argument('--threads', type=int, default=1)
    p.add_argument('--cpu')
    p.add_argument('--temp', type=float, default=0)
    p.add_argument('--turns', type=int, default=3)
    p.add_argument('--tokens', type=int, default=128)
    p.add_argument('--ways', type=lambda s: s.split(','), default=['draft'])
    p.add_argument('--kinds', type=lambda s: s.split(','), default=['code', 'english'])
    a = p.parse_args()
    for kind in a.kinds:
        rows = {w: [] for w in a.ways}
        for prompt in texts(kind):
            for way, row in measure(a, prompt).items():
                rows[way].append(row)
        for way in a.ways:
            print(json.dumps(summary(a, kind, way, rows[way])), flush=True)


if __name__ == '__main__':
    main()
