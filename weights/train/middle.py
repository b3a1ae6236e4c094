#!/usr/bin/env python3
"""Makes middles to complete of the text (Bavarian and others, 2022: fill-in-the-middle).

    middle.py DIRECTORY reads DIRECTORY/{train,held}.txt and tokenizer.json, writes middle.ids and
    held_middle.ids (uint16), rows of ROW ids

A span of a file is the middle, what stands around it the prefix and the suffix. Few of them are
written as

    <|fim_prefix|> prefix <|fim_suffix|> suffix <|fim_middle|> middle <|end|>

and most with the suffix first, so that what somebody types goes to the end of the prompt, and a
model that only knows how to go on has little to learn:

    <|fim_prefix|> <|fim_suffix|> suffix <|fim_middle|> prefix middle <|end|>

There the middle goes on in the ids of its prefix, mostly: the ids of both as one text, as a program
asks that takes back the last word before the cursor (apus_heal). In the others each part is made to
ids by itself.

Middles with what stands around them are of any length up to a row's, short ones as often as long
ones: short ones are more in the same number of ids, but to stop is learned for the distances that
are seen. A row holds as many as there is room for, and text to its end, so no place in a row says
that a middle ends there."""
import argparse
import ast
import pathlib
import random
import warnings

import numpy as np
from tokenizers import Tokenizer

from corpus import SEPARATOR
from data import END_ID, IN_MIDDLE, MIDDLE_ID, PREFIX_ID, SUFFIX_ID
from vocabulary import with_markers

ROW = 512  # ids of a row
SHORTEST = 48  # ids of a middle with what stands around it
BYTES_EACH = 1500  # of a file, for a middle
SUFFIX_FIRST = 0.85
JOINED = 0.7  # of those: prefix and middle are one text
ALONE = 0.08  # of all: without what stands behind, as where somebody writes at a file's end
KINDS = {'lines': 0.35, 'arguments': 0.2, 'expressions': 0.2, 'characters': 0.25}
LONGEST = 96  # ids of a middle
BYTES_OF_ID = 5  # enough of the text around, so that no more is made to ids than a place takes


class Source:
    """A file, and where its lines, arguments and expressions are, in bytes of UTF-8."""

    def __init__(self, text):
        self.bytes = text.encode()
        lines = self.bytes.splitlines(keepends=True)
        self.starts = np.cumsum([0, *map(len, lines)]).tolist()
        self.arguments, self.expressions = [], []
        try:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')
                tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            return
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                end = self.at(node.end_lineno, node.end_col_offset) - 1
                begin = self.bytes.find(b'(', self.at(node.func.end_lineno,
                                                      node.func.end_col_offset)) + 1
                if 0 < begin < end:
                    self.arguments.append((begin, end))
            if isinstance(node, ast.expr):
                begin = self.at(node.lineno, node.col_offset)
                end = self.at(node.end_lineno, node.end_col_offset)
                if end - begin > 2:
                    self.expressions.append((begin, end))

    def at(self, line, column):
        return self.starts[line - 1] + column

    def character(self, place):
        """The first character's beginning at or behind a place."""
        while place < len(self.bytes) and self.bytes[place] & 0xc0 == 0x80:
            place += 1
        return place

    def lines(self, rng):
        """One line mostly, up to eight, from the first letter of the first or from its start."""
        count = min(8, 1 + int(rng.expovariate(0.7)))
        first = rng.randrange(max(1, len(self.starts) - 1 - count))
        begin, end = self.starts[first], self.starts[min(first + count, len(self.starts) - 1)] - 1
        if rng.random() < 0.8:
            begin += len(self.bytes[begin:end]) - len(self.bytes[begin:end].lstrip(b' \t\n'))
        return begin, end

    def characters(self, rng):
        """From anywhere, also within a word: to the end of the line, or a random length."""
        begin = self.character(rng.randrange(len(self.bytes)))
        end = self.bytes.find(b'\n', begin)
        if rng.random() < 0.5:
            end = self.character(min(len(self.bytes), begin + 1 + int(rng.expovariate(1 / 40))))
        return begin, end

    def span(self, kind, rng):
        """(begin, end) of a middle of this kind, or None."""
        if kind in ('arguments', 'expressions'):
            found = getattr(self, kind)
            return rng.choice(found) if found else None
        begin, end = getattr(self, kind)(rng)
        return (begin, end) if begin < end else None


def choose(shares, rng):
    return rng.choices(list(shares), shares.values())[0]


def around(source, span, encode, room, joined=False):
    """The ids of prefix, middle and suffix, or None where the middle is too long. The ids of prefix
    and middle together, where they are joined: those of the middle begin with the one that has its
    first character."""
    begin, end = span
    if end - begin > LONGEST * BYTES_OF_ID:
        return None
    first = source.character(max(0, begin - room * BYTES_OF_ID))
    last = source.character(end + room * BYTES_OF_ID)
    before, text, behind = (source.bytes[i:j].decode()
                            for i, j in ((first, begin), (begin, end), (end, last)))
    if joined:
        whole = encode(before + text)
        count = sum(end <= len(before) for _, end in whole.offsets)
        prefix, middle = whole.ids[:count], whole.ids[count:]
    else:
        prefix, middle = encode(before).ids, encode(text).ids
    if not 0 < len(middle) <= min(LONGEST, room // 3):
        return None
    return prefix, middle, encode(behind).ids


def fit(prefix, suffix, room, share):
    """The end of the prefix and the beginning of the suffix, in `room` ids together."""
    before = min(len(prefix), max(int(room * share), room - len(suffix)))
    return prefix[len(prefix) - before:], suffix[:room - before]


def written(parts, room, suffix_first, share):
    """One middle with what stands around it, in `room` ids at most. The prefix gets the larger part
    (`share`), as what is being written hangs on it."""
    prefix, middle, suffix = parts
    prefix, suffix = fit(prefix, suffix, room - len(middle) - 4, share)
    if suffix_first:
        row = [PREFIX_ID, SUFFIX_ID, *suffix, MIDDLE_ID, *prefix]
    else:
        row = [PREFIX_ID, *prefix, SUFFIX_ID, *suffix, MIDDLE_ID]
    return row + [i | IN_MIDDLE for i in (*middle, END_ID)]


def middles_of(text, encode, rng):
    """Middles of a file, as they are written."""
    source = Source(text)
    for _ in range(1 + len(source.bytes) // BYTES_EACH):
        span = source.span(choose(KINDS, rng), rng)
        room = int(SHORTEST * (ROW / SHORTEST)**rng.random())
        suffix_first = rng.random() < SUFFIX_FIRST
        joined = suffix_first and rng.random() < JOINED
        parts = span and around(source, span, encode, room, joined)
        if parts and rng.random() < ALONE:
            parts = *parts[:2], []
        if parts:
            yield written(parts, room, suffix_first, rng.uniform(0.4, 0.9))


def rows_of(middles, texts, encode, rng):
    """Rows of the middles, in an order by chance, each filled up with a stretch of a text."""
    middles, row = list(middles), []
    rng.shuffle(middles)
    for middle in middles:
        if len(row) + len(middle) > ROW:
            yield row + stretch(texts, encode, rng, ROW - len(row))
            row = []
        row += middle
    if row:
        yield row + stretch(texts, encode, rng, ROW - len(row))


def stretch(texts, encode, rng, count):
    """So many ids of text from the beginning of a line."""
    out = []
    while len(out) < count:
        text = rng.choice(texts)
        begin = text.rfind('\n', 0, rng.randrange(len(text))) + 1
        out += encode(text[begin:begin + count * BYTES_OF_ID]).ids
    return out[:count]


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('directory', type=pathlib.Path)
    p.add_argument('--every', type=int, default=1, help='where time is short: of so many files one')
    p.add_argument('--first', type=int, default=0, help='of these, which')
    a = p.parse_args()
    tokenizer = with_markers(Tokenizer.from_file(str(a.directory / 'tokenizer.json')))

    def encode(text):
        return tokenizer.encode(text, add_special_tokens=False)

    for split, name in (('train', 'middle'), ('held', 'held_middle')):
        rng = random.Random(5)
        texts = (a.directory / f'{split}.txt').read_text(encoding='utf-8').split(SEPARATOR)
        texts = texts[a.first::a.every]
        middles = [m for text in texts for m in middles_of(text, encode, rng)]
        rows = np.array([*rows_of(middles, texts, encode, rng)], np.uint16)
        rows.tofile(a.directory / f'{name}.ids')
        print(f'{name}: {len(middles)} middles, {rows.size} ids, '
              f'{(rows & IN_MIDDLE > 0).mean():.1%} of them in a middle')


if __name__ == '__main__':
    main()
