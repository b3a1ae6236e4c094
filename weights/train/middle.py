#!/usr/bin/env python3
"""Makes middles to complete of the text (Bavarian and others, 2022: fill-in-the-middle).

    middle.py DIRECTORY reads DIRECTORY/{train,held}.txt and tokenizer.json, writes middle.N.ids and
    held_middle.N.ids (uint16) for rows of N ids

A span of a file is the middle, what stands around it the prefix and the suffix, each made to ids by
itself. A quarter of them are written as

    <|fim_prefix|> prefix <|fim_suffix|> suffix <|fim_middle|> middle <|end|>

and the others with the suffix first, so that what somebody types goes to the end of the prompt, and
a model that only knows how to go on has little to learn:

    <|fim_prefix|> <|fim_suffix|> suffix <|fim_middle|> prefix middle <|end|>

One is a row. Most are short: what has to be learned, to look at the prefix's end over the suffix,
shows at the first ids of a middle, and there are more of these in the same number of ids. A row is
filled to some place in its second half and then with <|fim_pad|>: where all middles end at the same
position, that is what a model learns to stop at."""
import argparse
import ast
import pathlib
import random
import warnings

import numpy as np
from tokenizers import Tokenizer

from corpus import SEPARATOR
from data import END_ID, IN_MIDDLE, MIDDLE_ID, PAD_ID, PREFIX_ID, SUFFIX_ID
from vocabulary import with_markers

ROWS = (128, 512)  # ids of a row
EACH = {128: 3, 512: 1}  # middles of a file
SUFFIX_FIRST = 0.75
KINDS = {'lines': 0.35, 'arguments': 0.2, 'expressions': 0.2, 'characters': 0.25}
LONGEST = 96  # ids of a middle
BYTES_OF_ID = 8  # enough of the text around, so that no more is made to ids than a slot takes


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


def around(source, span, ids_of, room):
    """The ids of prefix, middle and suffix, which take `room` ids at most, or None where the middle
    is too long. The prefix gets the larger part, as what is being written hangs on it."""
    begin, end = span
    middle = ids_of(source.bytes[begin:end].decode())
    if not 0 < len(middle) <= min(LONGEST, room // 3):
        return None
    most = (room - len(middle)) * BYTES_OF_ID
    first, last = source.character(max(0, begin - most)), source.character(end + most)
    prefix = ids_of(source.bytes[first:begin].decode())
    suffix = ids_of(source.bytes[end:last].decode())
    return prefix, middle, suffix


def fit(prefix, suffix, room, share):
    """The end of the prefix and the beginning of the suffix, in `room` ids together."""
    before = min(len(prefix), max(int(room * share), room - len(suffix)))
    return prefix[len(prefix) - before:], suffix[:room - before]


def row_of(parts, size, room, suffix_first, share):
    """One middle in `size` ids, of which `room` are used at most."""
    prefix, middle, suffix = parts
    prefix, suffix = fit(prefix, suffix, room - len(middle) - 4, share)
    if suffix_first:
        row = [PREFIX_ID, SUFFIX_ID, *suffix, MIDDLE_ID, *prefix]
    else:
        row = [PREFIX_ID, *prefix, SUFFIX_ID, *suffix, MIDDLE_ID]
    row += [i | IN_MIDDLE for i in (*middle, END_ID)]
    return row + [PAD_ID] * (size - len(row))


def rows_of(text, ids_of, rng):
    """(size, row) of the middles of a file."""
    source = Source(text)
    for size, each in EACH.items():
        for _ in range(each):
            span = source.span(choose(KINDS, rng), rng)
            room = rng.randint(size // 2, size)
            parts = span and around(source, span, ids_of, room - 4)
            if parts:
                yield size, row_of(parts, size, room,
                                   rng.random() < SUFFIX_FIRST, rng.uniform(0.4, 0.9))


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('directory', type=pathlib.Path)
    a = p.parse_args()
    tokenizer = with_markers(Tokenizer.from_file(str(a.directory / 'tokenizer.json')))

    def ids_of(text):
        return tokenizer.encode(text, add_special_tokens=False).ids

    for split, name in (('train', 'middle'), ('held', 'held_middle')):
        found, rng = {n: [] for n in ROWS}, random.Random(5)
        for text in (a.directory / f'{split}.txt').read_text(encoding='utf-8').split(SEPARATOR):
            for size, row in rows_of(text, ids_of, rng):
                found[size].append(row)
        for size, rows in found.items():
            rows = np.array(rows, np.uint16)
            rows.tofile(a.directory / f'{name}.{size}.ids')
            print(f'{name}.{size}: {len(rows)} middles, {(rows == PAD_ID).mean():.1%} padding')


if __name__ == '__main__':
    main()
