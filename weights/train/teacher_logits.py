#!/usr/bin/env python3
"""Writes what SmolLM2 predicts after each id of a text, computed by the engine. Its draft learns
from that.

    teacher_logits.py DIRECTORY NAME FILE... --gguf FILE --apus LIBRARY --model BLOB [--seconds N]

FILE: texts that the teacher wrote (.json), or ids of text that people wrote (.ids). Writes
DIRECTORY/NAME.npz, and updates it while it works. It has the draft's ids; for each of them the row
of the prediction after it, or -1 (inside an id that became several); and the TOP likeliest ids
below ROWS with their log-probabilities. For texts that the teacher wrote it also says where each
begins; the last ones of each file are left out, because distil.py measures on them. --seconds: of
processor time."""
import argparse
import json
import os
import pathlib
import time

import numpy as np
import torch

from engine import Engine
from small_vocabulary import HELD, ROWS, Source

TOP, CONTEXT = 24, 512
SAVE_SECONDS = 20


def rows(files):
    for f in files:
        if f.suffix == '.ids':
            ids = np.fromfile(f, np.uint16).astype(int)
            for i in range(0, len(ids) - CONTEXT, CONTEXT - 1):
                yield ids[i:i + CONTEXT - 1].tolist(), False
        else:
            texts = json.loads(f.read_text())
            for w in texts[:len(texts) - len(texts) // HELD]:
                yield w['ids'][:CONTEXT - 1], True


class Labels:

    def __init__(self, parts):
        self.parts, self.count, self.length, self.starts = parts, 0, 0, []
        self.lists = {'ids': [], 'at': [], 'top': [], 'log': []}

    def add(self, ids, logits, begins):
        all_of_it = torch.logsumexp(logits, 1, keepdim=True)
        top, best = logits[:, :ROWS].topk(TOP, 1)
        if begins:
            self.starts.append(self.length)
        for i in ids:
            part = self.parts[i] or [0]
            self.lists['ids'].append(np.array(part, np.uint16))
            self.lists['at'].append(np.array([-1] * (len(part) - 1) + [self.count], np.int32))
            self.count += 1
            self.length += len(part)
        self.lists['top'].append(best.numpy().astype(np.uint16))
        self.lists['log'].append((top - all_of_it).numpy().astype(np.float16))

    def save(self, path):
        new = path.with_suffix('.new.npz')
        np.savez(new,
                 **({'starts': np.array(self.starts, np.int32)} if self.starts else {}),
                 **{
                     n: np.concatenate(x)
                     for n, x in self.lists.items()
                 })
        os.replace(new, path)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('directory', type=pathlib.Path)
    p.add_argument('name')
    p.add_argument('files', type=pathlib.Path, nargs='+')
    p.add_argument('--gguf', required=True)
    p.add_argument('--apus', required=True)
    p.add_argument('--model', required=True)
    p.add_argument('--seconds', type=float, default=1e9)
    a = p.parse_args()
    torch.set_num_threads(1)
    source = Source(a.gguf)
    labels = Labels(source.pieces())
    engine = Engine(a.apus, a.model, len(source.tokens), CONTEXT)
    begin = saved = time.process_time()
    for ids, begins in rows(a.files):
        labels.add(ids, torch.from_numpy(engine.logits(ids)), begins)
        now = time.process_time()
        if now - saved > SAVE_SECONDS or now - begin > a.seconds:
            labels.save(a.directory / f'{a.name}.npz')
            saved = now
            print(labels.count, 'ids', flush=True)
        if now - begin > a.seconds:
            return
    labels.save(a.directory / f'{a.name}.npz')
    print(labels.count, 'ids', flush=True)


if __name__ == '__main__':
    main()
