#!/usr/bin/env python3
"""What SmolLM2 says behind each id of a text, by the engine: what its draft learns.

    teacher_logits.py DIRECTORY NAME FILE... --gguf FILE --apus LIBRARY --model BLOB [--seconds N]

FILE: texts that the teacher wrote (.json), or ids of people's text (.ids). Writes
DIRECTORY/NAME.npz, also on the way: the draft's ids, for each of them the row of what is said
behind it or -1 (within an id that became several), the TOP likeliest ids below ROWS with their
log-probabilities, and sums of the teacher's last hidden values by last id, from which the draft
starts. --seconds: of processor time."""
import argparse
import json
import os
import pathlib
import time

import numpy as np
import torch

from engine import Engine
from small_vocabulary import ROWS, Source

TOP, HIDDEN, CONTEXT = 24, 160, 512
SAVE_SECONDS = 20


def basis(source, counts):
    """head [ROWS, HIDDEN], whose product with some HIDDEN values is nearly the teacher's logits but
    for a constant; what gives these values for logits; and the main components of the embedding.
    By least squares, frequent ids before rare ones."""
    w = source.weights()
    often = torch.from_numpy(counts[:ROWS] + 5.0).float()
    often = (often / often.sum()).sqrt()
    embed = torch.from_numpy(w['token_embd.weight'][:ROWS])
    full = embed * torch.from_numpy(w['output_norm.weight'])
    full, embed = full - full.mean(0), embed - embed.mean(0)
    head = full @ torch.linalg.svd(often[:, None] * full, full_matrices=False)[2][:HIDDEN].t()
    weighted = (head * often[:, None]**2).t()
    main = embed @ torch.linalg.svd(often[:, None] * embed, full_matrices=False)[2][:2 * HIDDEN].t()
    return head, torch.linalg.solve(weighted @ head, weighted), main


def rows(files):
    for f in files:
        if f.suffix == '.ids':
            ids = np.fromfile(f, np.uint16).astype(int)
            yield from (ids[i:i + CONTEXT - 1].tolist()
                        for i in range(0,
                                       len(ids) - CONTEXT, CONTEXT - 1))
        else:
            yield from (w['ids'][:CONTEXT - 1] for w in json.loads(f.read_text()))


class Labels:

    def __init__(self, parts, values):
        self.parts, self.values, self.count = parts, values, 0
        self.lists = {'ids': [], 'at': [], 'top': [], 'log': []}
        self.sums, self.seen = torch.zeros(ROWS, HIDDEN), torch.zeros(ROWS)

    def add(self, ids, logits):
        all_of_it = torch.logsumexp(logits, 1, keepdim=True)
        top, best = logits[:, :ROWS].topk(TOP, 1)
        last = torch.tensor([(self.parts[i] or [0])[-1] for i in ids])
        centred = logits[:, :ROWS] - logits[:, :ROWS].mean(1, keepdim=True)
        self.sums.index_add_(0, last, centred @ self.values.t())
        self.seen.index_add_(0, last, torch.ones(len(ids)))
        for i in ids:
            part = self.parts[i] or [0]
            self.lists['ids'].append(np.array(part, np.uint16))
            self.lists['at'].append(np.array([-1] * (len(part) - 1) + [self.count], np.int32))
            self.count += 1
        self.lists['top'].append(best.numpy().astype(np.uint16))
        self.lists['log'].append((top - all_of_it).numpy().astype(np.float16))

    def save(self, path):
        new = path.with_suffix('.new.npz')
        np.savez(new,
                 sums=self.sums.numpy(),
                 seen=self.seen.numpy(),
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
    if not (a.directory / 'basis.pt').exists():
        counts = np.bincount(np.fromfile(a.directory / 'code.ids', np.uint16)[:1000000],
                             minlength=ROWS)
        torch.save(basis(source, counts), a.directory / 'basis.pt')
    labels = Labels(source.pieces(), torch.load(a.directory / 'basis.pt')[1])
    engine = Engine(a.apus, a.model, len(source.tokens), CONTEXT)
    begin = saved = time.process_time()
    for ids in rows(a.files):
        labels.add(ids, torch.from_numpy(engine.logits(ids)))
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
