#!/usr/bin/env python3
"""Teaches a packed pair's draft to propose several ids in one pass, as PARD does (arXiv
2504.18583).

    parallel.py DIRECTORY --minutes N [--pair FOLDER] [--row N] [--masks N] [--keep X] [--rate X]
                [--flat X] [--from STATE] [--write]

DIRECTORY is one of vocabulary.py: train.ids, held.ids, and samples.ids, which samples.py has
written; half of the rows come from them. Writes DIRECTORY/parallel.pt, parallel.jsonl and the
checkpoint DIRECTORY/parallel, whose config.json has the id of the mask as pard_token. --write: only
the checkpoint, of --from.

The draft is shown its context and then masks: one id, a new row behind the target's, again and
again. Behind the context stands its guess at the next id, behind the n-th mask the guess at the
n-th id after that. All places of a row are learned at once: mask n of the guess at place p is a
token of its own at position p + n - 1, which sees the row up to p - 1 and the n - 1 masks before
it. Of the tokens of mask n only a part is kept, KEEP^n (PARD's conditional drop), each with the
masks before it. Each learns what the target says of the id that follows in the row, which the
target or people wrote, and a little of that id itself."""
import argparse
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import time

os.environ.setdefault('OMP_WAIT_POLICY', 'passive')

import numpy as np
import torch
import torch.nn.functional as F

from data import BEGIN_ID, END_ID, Windows
from export import config, write_checkpoint
from from_blob import Blob, weights
from model import Llama, Shape, rotate
from muon import Optimizer
from train import RATES, distill_loss

HERE = pathlib.Path(__file__).resolve().parent
STEP = 2048  # ids of a step
KEEP_LEAST = 0.2
LOG_SECONDS = 300


class Plan:
    """Which tokens a row becomes, in order: the ids, then those of mask 1, 2 and so on. group: the
    mask's number, 0 for an id. place: the position. sees [tokens][tokens]."""

    def __init__(self, rng, row, masks, keep):
        groups, here = [np.arange(row)], np.arange(row)
        for n in range(1, masks + 1):
            here = here[here + 1 < row] + 1
            most = round(row * max(keep**n, KEEP_LEAST))
            here = np.sort(rng.permutation(here)[:most])
            groups.append(here)
        self.group = torch.from_numpy(np.repeat(np.arange(masks + 1), [len(g) for g in groups]))
        self.place = torch.from_numpy(np.concatenate(groups))
        behind = self.place[:, None] - self.place[None]
        older = self.group[:, None] - self.group[None]
        ids = (self.group[None] == 0) & (behind >= self.group[:, None])
        self.sees = ids | ((self.group[None] > 0) & (older >= 0) & (behind == older))


def attend(q, k, v, sees):
    heads = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(heads, 1), v.repeat_interleave(heads, 1)
    scores = (q * q.shape[-1]**-0.5) @ k.mT
    return torch.softmax(scores.masked_fill(~sees, -1e9), -1) @ v


def forward(model, ids, plan, mask):
    """The logits of every token of the plan."""
    tokens = ids[:, plan.place].masked_fill(plan.group > 0, mask)
    x = model.embed_tokens(tokens).bfloat16()
    cos, sin = (t[plan.place].to(x.dtype) for t in (model.cos, model.sin))
    for layer in model.layers:
        a, (b, t, _) = layer.self_attn, x.shape
        h = layer.input_layernorm(x)
        q, k, v = (p(h).view(b, t, -1, a.s.head_dim).transpose(1, 2)
                   for p in (a.q_proj, a.k_proj, a.v_proj))
        y = attend(rotate(q, cos, sin), rotate(k, cos, sin), v, plan.sees)
        x = x + a.o_proj(y.transpose(1, 2).reshape(b, t, -1))
        x = x + layer.mlp(layer.post_attention_layernorm(x))
    return model.lm_head(model.norm(x))


def open_pair(folder):
    """The target and the draft, which has one more row: the mask."""
    shapes = json.loads((HERE / 'pair.json').read_text())
    out = []
    for name in ('target', 'draft'):
        blob = Blob(folder / f'{name}.apus')
        rows = int(blob.model['vocab']) + (name == 'draft')
        model = Llama(dataclasses.replace(Shape(**shapes[name]), vocab=rows))
        found = weights(blob, model.shape)
        for table in ('embed_tokens.weight', 'lm_head.weight'):
            if len(found[table]) < rows:
                found[table] = torch.cat((found[table], found[table].mean(0)[None]))
        model.load_state_dict(found, strict=False)
        out.append(model)
    return out


class Text:
    def __init__(self, a):
        files = [a.directory / f'{n}.ids' for n in ('train', 'samples')]
        self.texts = [Windows(np.fromfile(f, np.uint16), a.row) for f in files if f.exists()]
        self.held = Windows(np.fromfile(a.directory / 'held.ids', np.uint16), a.row)
        self.at, self.rows = a.window, STEP // a.row

    def batch(self):
        n = self.rows // len(self.texts)
        parts = [t.batch(self.at, n) for t in self.texts]
        self.at += n
        return [torch.from_numpy(np.concatenate(x)) for x in zip(*parts)]


def loss_of(target, draft, batch, plan, mask):
    ids, targets, _ = batch
    with torch.autocast('cpu', torch.bfloat16):
        with torch.no_grad():  # which never says the mask
            teacher = F.pad(target(ids), (0, 1), value=-1e9)[:, plan.place]
        logits = forward(draft, ids, plan, mask)
    followers = targets[:, plan.place]
    return distill_loss(logits, teacher, followers, torch.ones(followers.shape))


@torch.no_grad()
def held_agreement(a, draft, target, text, mask):
    """How often the guess behind n masks is the target's likeliest id, on held-out text."""
    plan, seen = Plan(np.random.default_rng(2), a.row, a.masks, 1), []
    for i in range(4):
        ids = torch.from_numpy(text.held.batch(4 * i, 4)[0])
        with torch.autocast('cpu', torch.bfloat16):
            best = target(ids).argmax(-1)[:, plan.place]
            same = (forward(draft, ids, plan, mask).argmax(-1) == best).float().mean(0)
        seen.append([same[plan.group == n].mean().item() for n in range(a.masks + 1)])
    return np.mean(seen, 0).round(4).tolist()


def train(a, target, draft, mask):
    text, rng, stop = Text(a), np.random.default_rng(a.seed), []
    optimizer = Optimizer(draft, *RATES["draft"])
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.append(1))
    log = open(a.directory / 'parallel.jsonl', 'a', buffering=1)
    begin, said, steps = time.monotonic(), 0.0, 0
    while not stop and (done := (time.monotonic() - begin) / 60 / a.minutes) < 1:
        plan = Plan(rng, a.row, a.masks, a.keep)
        loss = loss_of(target, draft, text.batch(), plan, mask)
        loss.backward()
        optimizer.step(a.rate * min(1, (steps + 1) / 50, (1 - done) / (1 - a.flat)))
        steps += 1
        if time.monotonic() - said > LOG_SECONDS:
            said = time.monotonic()
            log.write(
                json.dumps({
                    'step': steps, 'done': round(done, 3), 'loss': round(loss.item(), 4),
                    'cpu': round(time.process_time()),
                    'held': held_agreement(a, draft, target, text, mask)
                }) + '\n')
            torch.save(draft.state_dict(), a.directory / 'parallel.pt')
    torch.save(draft.state_dict(), a.directory / 'parallel.pt')
    log.write(json.dumps({'step': steps, 'window': text.at, 'ids': steps * STEP, 'done': 1,
                          'held': held_agreement(a, draft, target, text, mask)}) + '\n')


def write(a, draft, mask):
    out = a.directory / 'parallel'
    write_checkpoint(draft, out)
    (out / 'config.json').write_text(
        json.dumps({**config(draft.shape, BEGIN_ID, END_ID), 'pard_token': mask}, indent=1) + '\n')
    for file in ('tokenizer.json', 'tokenizer_config.json'):
        shutil.copy(a.directory / file, out / file)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('directory', type=pathlib.Path)
    p.add_argument('--minutes', type=float, default=20)
    p.add_argument('--pair', type=pathlib.Path, default=HERE.parent / 'models' / 'pair')
    p.add_argument('--row', type=int, default=512, help='ids')
    p.add_argument('--masks', type=int, default=5)
    p.add_argument('--keep', type=float, default=0.7)
    p.add_argument('--rate', type=float, default=0.5)
    p.add_argument('--flat', type=float, default=0.3)
    p.add_argument('--seed', type=int, default=1)
    p.add_argument('--window', type=int, default=0, help='of the text, where to begin')
    p.add_argument('--from', dest='start', type=pathlib.Path)
    p.add_argument('--write', action='store_true')
    a = p.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    target, draft = open_pair(a.pair)
    mask = draft.shape.vocab - 1
    if a.start:
        draft.load_state_dict(torch.load(a.start))
    if not a.write:
        train(a, target, draft, mask)
    write(a, draft, mask)


if __name__ == '__main__':
    main()
