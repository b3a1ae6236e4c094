#!/usr/bin/env python3
"""Lets SmolLM2 write text for its draft to learn from, because the draft proposes for the model's
own text.

    teacher_text.py DIRECTORY --gguf FILE [--minutes N] [--seed N]
        adds text.SEED.N.json and own.SEED.N.npz there, and hidden.SEED.npz

Many texts are written at once in PyTorch with bfloat16, each at a position of its own; a slot whose
text has ended takes the next one. many.c has what PyTorch is slow at. Half of the texts are greedy,
the others sampled. A text ends with its end token, when it repeats itself, or at LENGTH. Texts that
contain a prompt of bench/speculation/prompts.json are thrown away.

own.*.npz has what teacher_logits.py writes, for the ids that the teacher chose, from the logits
that were computed here. They are bfloat16's, so nearly those of the packed teacher, and nothing has
to be evaluated again. text.*.json are for teacher_logits.py."""
import argparse
import ctypes as c
import json
import mmap
import os
import pathlib
import random
import time

os.environ.setdefault('OMP_WAIT_POLICY', 'passive')

import numpy as np
import torch
import torch.nn.functional as F

from beginnings import SYSTEM, beginning
from many import at, library
from small_vocabulary import END_ID, ROWS, Source

HERE = pathlib.Path(__file__).resolve().parent
PROMPTS = HERE.parents[1] / 'bench' / 'speculation' / 'prompts.json'
LAYERS, HEADS, KV_HEADS, HEAD, DIM, EPS, THETA = 30, 9, 3, 64, 576, 1e-5, 100000.0
SLOTS, LENGTH, QUESTION_MAX, SMALLEST = 512, 224, 110, 0.05
TOP, FILE_TEXTS = 16, 500
TEMPERATURES = [0, 0, 0, 0, 0, 0.3, 0.5, 0.7, 0.8, 1.0]


def half_split(w, heads):
    """Reorders rows: GGUF has the two elements of a RoPE pair side by side; here they are half a
    head apart."""
    return w.view(heads, HEAD // 2, 2, -1).transpose(1, 2).reshape(w.shape)


def room(*shape):
    """Allocates bfloat16 zeros on large pages."""
    count = int(np.prod(shape))
    memory = mmap.mmap(-1, 2 * count)
    if hasattr(mmap, 'MADV_HUGEPAGE'):
        memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=torch.bfloat16, count=count).view(shape)


class Teacher:

    def __init__(self, source, lib):
        w = {n: torch.from_numpy(a) for n, a in source.weights().items()}
        self.lib, self.embed = lib, w['token_embd.weight']
        self.head = (w['token_embd.weight'] * w['output_norm.weight']).bfloat16()
        self.layers = [self.layer(w, f'blk.{i}.') for i in range(LAYERS)]
        inverse = THETA**-(torch.arange(0, HEAD, 2, dtype=torch.float64) / HEAD)
        angle = torch.arange(LENGTH, dtype=torch.float64)[:, None] * inverse
        self.cos, self.sin = (f(angle).float() for f in (torch.cos, torch.sin))
        self.keys, self.values = (room(LAYERS, SLOTS, KV_HEADS * LENGTH * HEAD) for _ in range(2))
        self.mixed = torch.empty(SLOTS, DIM, dtype=torch.bfloat16)
        self.logits = room(SLOTS, len(self.embed))

    @staticmethod
    def layer(w, name):

        def get(n):
            return w[f'{name}{n}.weight']

        qkv = torch.cat((half_split(get('attn_q'), HEADS), half_split(get('attn_k'),
                                                                      KV_HEADS), get('attn_v')))
        up = torch.cat((get('ffn_gate'), get('ffn_up')))
        return [
            m.bfloat16() for m in (qkv * get('attn_norm'), get('attn_output'), up * get('ffn_norm'),
                                   get('ffn_down'))
        ]

    def step(self, ids, place):
        """Evaluates an id of every slot at the positions `place`, and returns the head's input
        after it."""
        x, n = self.embed[ids], len(ids)
        for (qkv, out, up, down), k, v in zip(self.layers, self.keys, self.values):
            y = F.linear(F.rms_norm(x, (DIM, ), None, EPS).bfloat16(), qkv)
            self.lib.attend(at(y), at(k), at(v), at(place), at(self.cos), at(self.sin), n, LENGTH,
                            at(self.mixed))
            x += F.linear(self.mixed[:n], out)
            gate, up = F.linear(F.rms_norm(x, (DIM, ), None, EPS).bfloat16(), up).chunk(2, -1)
            x += F.linear(F.silu(gate).mul_(up), down)
        return F.rms_norm(x, (DIM, ), None, EPS).bfloat16()

    def choose(self, x, temperatures):
        """Returns the choices, and the TOP likeliest ids below ROWS with their
        log-probabilities."""
        n = len(x)
        torch.mm(x, self.head.t(), out=self.logits[:n])
        choice, top = torch.empty(n, dtype=torch.int32), torch.empty(n, TOP, dtype=torch.uint16)
        log, t = torch.empty(n, TOP), torch.tensor(temperatures, dtype=torch.float32)
        self.lib.choose(at(self.logits), n, len(self.embed), ROWS, at(t), at(torch.rand(n)),
                        c.c_float(SMALLEST), at(choice), at(top), at(log))
        return choice.tolist(), top.numpy(), log.numpy()


def repeats(ids):
    n = len(ids)
    return any(ids[n - 3 * p - 20:] == ids[n - 4 * p - 20:n - p] for p in range(1, 41)
               if n >= 4 * p + 24)


class Text:

    def __init__(self, rng, tokenizer, people):
        self.kind, text, self.free = beginning(rng)
        if self.kind == 'people':
            ids = rng.choice(people)
            start = rng.randrange(len(ids) - 400)
            self.ids = ids[start:start + rng.randrange(12, 64)].tolist()
        else:
            self.ids = tokenizer.encode(text, add_special_tokens=False).ids
        self.begun, self.place = len(self.ids), 0
        self.temperature = rng.choice(TEMPERATURES)
        self.asking, self.ended, self.useful = self.kind == 'ask', False, True

    def now(self):
        """The temperature of the next choice. It is 1 for the model's own questions and for the
        first `free` ids, so that texts differ."""
        free = self.asking or len(self.ids) - self.begun < self.free
        return 1.0 if free else self.temperature

    def add(self, choice, answer):
        self.ids.append(choice)
        if choice == END_ID and self.asking:
            self.asking = False
            self.ids += answer
        elif choice in (0, END_ID) or (len(self.ids) % 16 == 0 and repeats(self.ids)):
            self.ended = True
        if self.asking and len(self.ids) > QUESTION_MAX:
            self.ended, self.useful = True, False
        self.ended |= len(self.ids) >= LENGTH


class Writer:

    def __init__(self, teacher, source, people, rng):
        self.teacher, self.people, self.rng = teacher, people, rng
        self.tokenizer, self.parts = source.tokenizer(), source.pieces()
        self.answer, self.prefix = (self.tokenizer.encode(t, add_special_tokens=False).ids
                                    for t in ('\n<|im_start|>assistant\n', SYSTEM))
        given = json.loads(PROMPTS.read_text())
        self.held = [(p.get('ask') or p['text']).lower().strip()
                     for kind in ('code', 'english') for p in given[kind]]
        self.top = np.zeros((SLOTS, LENGTH, TOP), np.uint16)
        self.log = np.zeros((SLOTS, LENGTH, TOP), np.float16)
        self.known = np.zeros((SLOTS, LENGTH), bool)
        self.sums, self.seen = torch.zeros(ROWS, DIM), torch.zeros(ROWS)
        self.done = []
        self.read_prefix()
        self.slots = [self.next(i) for i in range(SLOTS)]

    def read_prefix(self):
        """Evaluates the beginning that most texts have, once for all of them."""
        for t, i in enumerate(self.prefix):
            self.teacher.step(torch.tensor([i]), torch.tensor([t], dtype=torch.int32))
        self.begin = [x[:, 0].clone() for x in (self.teacher.keys, self.teacher.values)]

    def next(self, slot):
        text = Text(self.rng, self.tokenizer, self.people)
        self.known[slot] = False
        if text.ids[:len(self.prefix)] == self.prefix:
            text.place = len(self.prefix)
            for all_of_it, begin in zip((self.teacher.keys, self.teacher.values), self.begin):
                all_of_it[:, slot] = begin
        return text

    def finish(self, slot):
        text = self.slots[slot]
        words = self.tokenizer.decode(text.ids, skip_special_tokens=False).lower()
        if text.useful and not any(h in words for h in self.held):
            n = len(text.ids)
            self.done.append(
                (text, *(x[slot, :n].copy() for x in (self.known, self.top, self.log))))
        self.slots[slot] = self.next(slot)

    def step(self):
        last = [w.ids[w.place] for w in self.slots]
        x = self.teacher.step(torch.tensor(last),
                              torch.tensor([w.place for w in self.slots], dtype=torch.int32))
        choosing = [i for i, w in enumerate(self.slots) if len(w.ids) == w.place + 1]
        if choosing:
            x = x[choosing]
            choices, top, log = self.teacher.choose(x, [self.slots[i].now() for i in choosing])
            places = [self.slots[i].place for i in choosing]
            self.top[choosing, places], self.log[choosing, places] = top, log
            self.known[choosing, places] = True
            piece = torch.tensor([(self.parts[last[i]] or [0])[-1] for i in choosing])
            self.sums.index_add_(0, piece, x.float())
            self.seen.index_add_(0, piece, torch.ones(len(piece)))
            for i, choice in zip(choosing, choices):
                self.slots[i].add(choice, self.answer)
        for i, w in enumerate(self.slots):
            w.place += 1
            if w.ended:
                self.finish(i)

    def rows(self):
        """Returns the finished texts as arrays for distil.py: the draft's ids, for each the row of
        the prediction after it or -1, and where texts begin."""
        ids, behind, starts, tops, logs, count = [], [], [], [], [], 0
        for text, known, top, log in self.done:
            starts.append(len(ids))
            for i, k in zip(text.ids, known):
                part = self.parts[i] or [0]
                ids += part
                behind += [-1] * (len(part) - 1) + [count if k else -1]
                count += bool(k)
            tops.append(top[known])
            logs.append(log[known])
        return {
            'ids': np.array(ids, np.uint16),
            'at': np.array(behind, np.int32),
            'starts': np.array(starts, np.int32),
            'top': np.concatenate(tops),
            'log': np.concatenate(logs)
        }

    def texts(self):
        return [{
            'kind': w.kind,
            'ids': w.ids,
            'begun': w.begun,
            'temperature': w.temperature
        } for w, *_ in self.done]


def write(path, put):
    """Writes a file so that a reader sees all of it or nothing."""
    new = path.with_name('new.' + path.name)
    put(new)
    os.replace(new, path)


@torch.inference_mode()
def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('directory', type=pathlib.Path)
    p.add_argument('--gguf', required=True)
    p.add_argument('--minutes', type=float, default=60)
    p.add_argument('--seed', type=int, default=1)
    p.add_argument('--threads', type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    source = Source(a.gguf)
    people = [np.fromfile(a.directory / f'{n}.ids', np.uint16) for n in ('code', 'english')]
    writer = Writer(Teacher(source, library(a.directory)), source, people, random.Random(a.seed))
    begin, number, total = time.monotonic(), 0, 0
    while (gone := time.monotonic() - begin) < 60 * a.minutes:
        writer.step()
        if len(writer.done) >= FILE_TEXTS:
            rows, texts, name = writer.rows(), writer.texts(), f'{a.seed}.{number}'
            write(a.directory / f'own.{name}.npz', lambda f: np.savez(f, **rows))
            write(a.directory / f'text.{name}.json', lambda f: f.write_text(json.dumps(texts)))
            write(
                a.directory / f'hidden.{a.seed}.npz',
                lambda f: np.savez(f, sums=writer.sums.numpy(), seen=writer.seen.numpy()))
            total += len(rows['top'])
            number, writer.done = number + 1, []
            print(number, total, 'ids', round(total / gone), 'a second', flush=True)


if __name__ == '__main__':
    main()
