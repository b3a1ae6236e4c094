#!/usr/bin/env python3
"""Measures how a packed pair completes the middle of held-out files, by the program. Prints a
table.

    measure_middle.py DIRECTORY [--pair FOLDER] [--before FOLDER] [--each N]
        [--around BEFORE BEHIND] [--orders [PSM] [SPM]]

DIRECTORY has held.txt and held.json (corpus.py); FOLDER has target.apus and draft.apus (default:
DIRECTORY). N spans of each kind, the same ones every time, greedily: prefix and suffix around the
markers, and beside it the prefix alone, also by the pair before (--before).

With both, the text is what the model writes until it stops by itself, and in a second table row
that, cut to the end of its first line, as a program does that is asked for one line. A model with
the prefix alone does not know where to stop, so its text is cut to the length of what stood there,
better than anything it could do by itself, and in a second row also to one line. The last word
before the middle is spelled anew (--heal), as apus serve and apus lsp ask. Every text is made with
the draft, too, and has to be the same."""
import argparse
import pathlib
import random
import statistics

import numpy as np
from tokenizers import Tokenizer

from corpus import SEPARATOR
from measure import apus
from middle import KINDS, Source

LONGEST = 240  # bytes of a middle
CONTEXT, TOKENS = 1024, 128
ORDERS = {
    'PSM': '<|fim_prefix|>{0}<|fim_suffix|>{1}<|fim_middle|>',
    'SPM': '<|fim_prefix|><|fim_suffix|>{1}<|fim_middle|>{0}'
}
PREFIX = '{0}'


def likeness(a, b):
    """1 less the share of characters to insert, delete or replace (Levenshtein)."""
    b, row, places = np.array([*map(ord, b)]), np.arange(len(b) + 1), np.arange(len(b) + 1)
    for i, c in enumerate(a, 1):
        new = np.minimum(row + 1, np.concatenate(([i], row[:-1] + (b != ord(c)))))
        row = np.minimum.accumulate(new - places) + places
    return 1 - row[-1] / max(len(a), len(b), 1)


def cut(source, span, before, behind):
    """(prefix, middle, suffix) of a span, with so many bytes around it and on to the outer ends of
    lines."""
    begin, end = span
    first = source.bytes.rfind(b'\n', 0, max(0, begin - before)) + 1
    last = source.bytes.find(b'\n', end + behind) + 1 or len(source.bytes)
    return tuple(source.bytes[a:b].decode()
                 for a, b in ((first, begin), (begin, end), (end, last)))


def spans(directory, each, before, behind):
    """(kind, prefix, middle, suffix) of `each` spans a kind; what is too dense for the context is
    passed over."""
    tokenizer = Tokenizer.from_file(str(directory / 'tokenizer.json'))
    texts = (directory / 'held.txt').read_text(encoding='utf-8').split(SEPARATOR)
    sources = [Source(t) for t in texts if t.isascii()]
    for kind in KINDS:
        rng, found = random.Random(f'{kind} 11'), 0
        while found < each:
            source = rng.choice(sources)
            span = source.span(kind, rng)
            if not span or span[1] - span[0] > LONGEST or not source.bytes[slice(*span)].strip():
                continue
            parts = cut(source, span, before, behind)
            if sum(len(tokenizer.encode(p).ids) for p in parts) < CONTEXT - TOKENS - 8:
                found += 1
                yield kind, *parts


def complete(pair, prompt):
    """Greedily, once plainly and once with the draft: (text, whether it ended by itself, proposals,
    accepted)."""
    base = [
        'run', '-m', pair / 'target.apus', '-p', prompt, '--special', '--heal', '-n', TOKENS,
        '--ctx', CONTEXT
    ]
    plain, fast = apus(*base), apus(*base, '-d', pair / 'draft.apus', '--draft-tokens', 3)
    if (plain['ids'], plain['logits_hash']) != (fast['ids'], fast['logits_hash']):
        raise SystemExit('the text with the draft differs')
    return plain['text'], plain['stop_reason'] == 'eos', fast['proposed'], fast['accepted']


def first_line(text):
    """What a program shows of a text without an end: as much as has letters, and to the end of that
    line."""
    begin = len(text) - len(text.lstrip())
    return text[:begin] + text[begin:].partition('\n')[0]


def measure(pair, rows, how, name):
    """Lines of the table for each kind, and for all."""
    results = {}
    for kind, prefix, middle, suffix in rows:
        text, *more = complete(pair, how.format(prefix, suffix))
        texts = {f'{name}, one line': first_line(text)}
        if how == PREFIX:
            texts[f'{name}, cut to its length'] = text[:len(middle)]
        else:
            texts[name] = text
        for cut_how, got in texts.items():
            row = got.startswith(middle), got == middle, likeness(got, middle), *more
            for key in (kind, 'all'):
                results.setdefault((cut_how, key), []).append(row)
    for (cut_how, kind), r in sorted(results.items(), key=lambda x: x[0][0]):
        begun, exact, like, stopped = (statistics.mean(x[i] for x in r) for i in range(4))
        accepted = sum(x[5] for x in r) / max(1, sum(x[4] for x in r))
        print(f'| {cut_how} | {kind} | {begun:.1%} | {exact:.1%} | {like:.3f} | '
              f'{f"{stopped:.0%}" if how != PREFIX else "-"} | {accepted:.0%} |',
              flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('directory', type=pathlib.Path)
    p.add_argument('--pair', type=pathlib.Path)
    p.add_argument('--before', type=pathlib.Path)
    p.add_argument('--each', type=int, default=100)
    p.add_argument('--around', type=int, nargs=2, default=(1200, 500), help='bytes of each side')
    p.add_argument('--orders', nargs='*', choices=ORDERS, default=[*ORDERS])
    a = p.parse_args()
    rows, pair = list(spans(a.directory, a.each, *a.around)), a.pair or a.directory
    print(f'{a.each} spans of each kind, {statistics.mean(len(r[2]) for r in rows):.0f} bytes\n\n'
          '| prompt | middles | begins with it | exact | edit similarity | stopped | accepted |\n'
          '|---|---|---|---|---|---|---|')
    for name in a.orders:
        measure(pair, rows, ORDERS[name], name)
    measure(pair, rows, PREFIX, 'prefix')
    if a.before:
        measure(a.before, rows, PREFIX, 'pair before, prefix')


if __name__ == '__main__':
    main()
