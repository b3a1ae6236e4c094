#!/usr/bin/env python3
"""Lets SmolLM2 write text for its draft to learn on: what a draft meets is the model's own text.

    teacher_text.py DIRECTORY --gguf FILE [--minutes N] [--seed N]     adds text.SEED.N.json there

Many texts at once in PyTorch, bfloat16, which is twice as fast as one after another on the
engine; the logits to learn from are the engine's (teacher_logits.py). All texts of a batch stand
at the same position: those that still are in their beginning take its next id, the others their
choice. Some are greedy, some sampled. A text ends with its end token, or where it repeats
itself."""
import argparse
import json
import os
import pathlib
import random
import time

os.environ.setdefault('OMP_WAIT_POLICY', 'passive')

import numpy as np
import torch
import torch.nn.functional as F

from beginnings import beginning
from small_vocabulary import END_ID, Source

LAYERS, HEADS, KV_HEADS, HEAD, DIM, EPS, THETA = 30, 9, 3, 64, 576, 1e-5, 100000.0
BATCH, LENGTH, QUESTION_MAX, TOP_P = 112, 272, 120, 0.95
TEMPERATURES = [0, 0, 0, 0.3, 0.5, 0.7, 0.7, 1.0]


def half_split(w, heads):
    """GGUF has the pairs of RoPE side by side; here they are halves apart."""
    return w.view(heads, HEAD // 2, 2, -1).transpose(1, 2).reshape(w.shape)


class Teacher:

    def __init__(self, source):
        w = {n: torch.from_numpy(a) for n, a in source.weights().items()}
        self.embed = w['token_embd.weight'].bfloat16()
        self.head = (w['token_embd.weight'] * w['output_norm.weight']).bfloat16()
        self.layers = [self.layer(w, f'blk.{i}.') for i in range(LAYERS)]
        inverse = THETA**-(torch.arange(0, HEAD, 2, dtype=torch.float64) / HEAD)
        angle = torch.arange(LENGTH, dtype=torch.float64)[:, None] * inverse
        self.cos, self.sin = (torch.cat((f(angle), f(angle)), 1).float()
                              for f in (torch.cos, torch.sin))

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

    def step(self, ids, t, keys, values):
        """What the head sees behind the ids at position t."""
        x, n = self.embed[ids], len(ids)
        for (qkv, out, up, down), k, v in zip(self.layers, keys, values):
            y = F.rms_norm(x.float(), (DIM, ), None, EPS).bfloat16() @ qkv.t()
            qk = y[:, :(HEADS + KV_HEADS) * HEAD].float().view(n, HEADS + KV_HEADS, HEAD)
            a, b = qk.chunk(2, -1)
            qk = (qk * self.cos[t] + torch.cat((-b, a), -1) * self.sin[t]).bfloat16()
            k[:n, :,
              t], v[:n, :,
                    t] = qk[:, HEADS:], y[:, (HEADS + KV_HEADS) * HEAD:].view(n, KV_HEADS, HEAD)
            q = qk[:, :HEADS].reshape(n * KV_HEADS, HEADS // KV_HEADS, HEAD)
            scores = q @ k[:n, :, :t + 1].reshape(n * KV_HEADS, t + 1, HEAD).transpose(1, 2)
            share = (scores.float() * HEAD**-0.5).softmax(-1).bfloat16()
            x = x + (share @ v[:n, :, :t + 1].reshape(n * KV_HEADS, t + 1, HEAD)).reshape(
                n, DIM) @ out.t()
            gate, up = (F.rms_norm(x.float(), (DIM, ), None, EPS).bfloat16() @ up.t()).chunk(2, -1)
            x = x + (F.silu(gate) * up) @ down.t()
        return F.rms_norm(x.float(), (DIM, ), None, EPS).bfloat16()

    def choose(self, x, temperatures):
        logits = (x @ self.head.t()).float()
        t = torch.tensor(temperatures)[:, None]
        share, ids = (logits / t.clamp(min=1e-3)).softmax(-1).topk(64, -1)
        share[share.cumsum(-1) - share > TOP_P] = 0
        drawn = ids.gather(1, torch.multinomial(share, 1))[:, 0]
        return torch.where(t[:, 0] > 0, drawn, logits.argmax(-1)).tolist()


def repeats(ids):
    n = len(ids)
    return any(ids[n - 3 * p - 20:] == ids[n - 4 * p - 20:n - p] for p in range(1, 41)
               if n >= 4 * p + 24)


class Text:

    def __init__(self, rng, tokenizer, corpus):
        self.kind, text = beginning(rng)
        if self.kind == 'corpus':
            at = rng.randrange(len(corpus) - 400)
            self.ids = corpus[at:at + rng.randrange(12, 64)].tolist()
        else:
            self.ids = tokenizer.encode(text, add_special_tokens=False).ids
        self.begun = len(self.ids)
        self.temperature = rng.choice([0.7, 1.0] if self.kind == 'free' else TEMPERATURES)
        self.asking, self.ended, self.useful = self.kind == 'ask', False, True

    def add(self, choice, answer):
        self.ids.append(choice)
        if choice == END_ID and self.asking:
            self.asking = False
            self.ids += answer
        elif choice in (0, END_ID) or (len(self.ids) % 16 == 0 and repeats(self.ids)):
            self.ended = True
        if self.asking and len(self.ids) > QUESTION_MAX:
            self.ended, self.useful = True, False


@torch.no_grad()
def write(teacher, tokenizer, corpus, rng):
    texts = [Text(rng, tokenizer, corpus) for _ in range(BATCH)]
    answer = tokenizer.encode('\n<|im_start|>assistant\n', add_special_tokens=False).ids
    keys, values = ([
        torch.zeros(BATCH, KV_HEADS, LENGTH, HEAD, dtype=torch.bfloat16) for _ in range(LAYERS)
    ] for _ in range(2))
    live = list(texts)
    for t in range(LENGTH):
        x = teacher.step(torch.tensor([w.ids[t] for w in live]), t, keys, values)
        choosing = [i for i, w in enumerate(live) if len(w.ids) == t + 1]
        if choosing:
            temperatures = [1.0 if live[i].asking else live[i].temperature for i in choosing]
            for i, choice in zip(choosing, teacher.choose(x[choosing], temperatures)):
                live[i].add(choice, answer)
        kept = [i for i, w in enumerate(live) if not w.ended]
        if t % 8 == 7 and len(kept) < len(live):
            for cache in (*keys, *values):
                cache[:len(kept)] = cache[kept]
            live = [live[i] for i in kept]
        if len(live) < BATCH // 4:
            break
    return [w for w in texts if w.useful]


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('directory', type=pathlib.Path)
    p.add_argument('--gguf', required=True)
    p.add_argument('--minutes', type=float, default=60)
    p.add_argument('--seed', type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    rng, source = random.Random(a.seed), Source(a.gguf)
    teacher, tokenizer = Teacher(source), source.tokenizer()
    corpus = np.fromfile(a.directory / 'code.ids', np.uint16)
    until, number = time.monotonic() + 60 * a.minutes, 0
    while time.monotonic() < until:
        texts = write(teacher, tokenizer, corpus, rng)
        rows = [{
            'kind': w.kind,
            'ids': w.ids,
            'begun': w.begun,
            'temperature': w.temperature
        } for w in texts]
        (a.directory / f'text.{a.seed}.{number}.json').write_text(json.dumps(rows))
        number += 1
        print(number, sum(len(w.ids) - w.begun for w in texts), 'ids', flush=True)


if __name__ == '__main__':
    main()
