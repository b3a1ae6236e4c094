#!/usr/bin/env python3
"""Turns text that people wrote, which corpus.py has gathered, into SmolLM2's ids.

    people_text.py DIRECTORY --gguf FILE     writes DIRECTORY/code.ids and english.ids

Code: the training files in a random order. English: the calibration text of the packer, which has
other languages too, and the descriptions and pages of documentation of the packages that are
trained on."""
import argparse
import pathlib
import random
import zipfile

import numpy as np

from corpus import HELD_PACKAGES, SEPARATOR
from small_vocabulary import Source

HERE = pathlib.Path(__file__).resolve().parent
CODE_MOST = 4_000_000
BETWEEN = 0  # the id between texts
SHORTEST, LONGEST, PAGES_MOST = 500, 30_000, 400


def is_prose(text):
    return sum(c.isalpha() or c == ' ' for c in text) > 0.75 * len(text)


def pages(wheels):
    held = {p.replace('-', '_') for p in HELD_PACKAGES}
    for path in sorted(wheels.glob('*.whl')):
        if path.name.lower().split('-')[0] in held:
            continue
        with zipfile.ZipFile(path) as z:
            for name in z.namelist():
                if name.endswith('.dist-info/METADATA'):
                    yield z.read(name).decode('utf-8', 'replace').partition('\n\n')[2][:LONGEST]
                elif name.endswith(('.rst', '.md', '.txt')) and 'dist-info' not in name:
                    text = z.read(name).decode('utf-8', 'replace')
                    named = 'LICENSE' in name.upper()
                    if SHORTEST < len(text) < LONGEST and is_prose(text) and not named:
                        yield text


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('directory', type=pathlib.Path)
    p.add_argument('--gguf', required=True)
    a = p.parse_args()
    tokenizer = Source(a.gguf).tokenizer()

    def write(name, texts, most=1 << 60):
        ids = []
        for text in texts:
            ids += [BETWEEN, *tokenizer.encode(text).ids]
            if len(ids) > most:
                break
        np.array(ids, np.uint16).tofile(a.directory / name)
        print(name, len(ids), 'ids')

    files = (a.directory / 'train.txt').read_text(encoding='utf-8').split(SEPARATOR)
    random.Random(5).shuffle(files)
    write('code.ids', files, CODE_MOST)
    calibration = (HERE.parent / 'calibration' / 'text').read_text(encoding='utf-8',
                                                                   errors='replace')
    write('english.ids', [calibration, *list(pages(a.directory / 'wheels'))[:PAGES_MOST]])


if __name__ == '__main__':
    main()
