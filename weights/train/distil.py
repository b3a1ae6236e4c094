#!/usr/bin/env python3
"""Trains SmolLM2's draft on what teacher_logits.py has written.

    distil.py DIRECTORY --gguf FILE --minutes N [--from STATE] NAME=WEIGHT...

NAME=WEIGHT: DIRECTORY/NAME.npz, and how often it is taken; what grows meanwhile is read again.
Writes DIRECTORY/draft.pt, log.jsonl and the checkpoint DIRECTORY/draft. The schedule goes by
time, and Ctrl-C or SIGTERM ends it early. --from goes on from a draft.pt, at half the rate.

The draft starts as a model of pairs of ids: half of an id's embedding is what the teacher's last
hidden values are behind it on average, and the head is the teacher's for these; the rest are
main components of the teacher's embedding. The layers start near the identity."""
import argparse
import json
import os
import pathlib
import signal
import time

os.environ.setdefault('OMP_WAIT_POLICY', 'passive')

import numpy as np
import torch
import torch.nn.functional as F

from export import write_checkpoint
from model import Llama, Shape
from muon import Optimizer
from small_vocabulary import BEGIN_ID, END_ID, ROWS, Source, write_small

SHAPE = Shape(dim=256,
              layers=2,
              heads=4,
              kv_heads=2,
              head_dim=64,
              ffn=704,
              vocab=ROWS,
              context=1024)
HERE_ROWS, ROW = 4, 512  # of a step, and ids of each
RATES = (0.02, 0.002)
SHARP = 0.8  # the teacher's temperature: its likeliest ids matter most
LOG_SECONDS, SAVE_SECONDS = 15, 60


class Text:

    def __init__(self, path):
        self.path, self.stamp = path, None
        self.refresh()

    def refresh(self):
        stamp = self.path.stat().st_mtime
        if stamp != self.stamp:
            with np.load(self.path) as z:
                self.stamp, self.data = stamp, {n: z[n] for n in z.files}

    def rows(self, rng, count):
        at = rng.integers(0, len(self.data['ids']) - ROW, count)
        return (np.stack([self.data[n][i:i + ROW] for i in at]) for n in ('ids', 'at'))


def start(model, texts, directory):
    head, _, main = torch.load(directory / 'basis.pt')
    sums, seen = (sum(torch.from_numpy(t.data[n]) for t in texts) for n in ('sums', 'seen'))
    hidden, mean = head.shape[1], sums.sum(0) / seen.sum()
    behind = sums / seen.clamp(min=1)[:, None] - mean
    x = main[:, :192] * seen[:, None]  # what rare ids would have, from their embeddings
    ridge = torch.eye(x.shape[1]) * (main[:, :192]**2).sum() * 5 / ROWS
    guess = main[:, :192] @ torch.linalg.solve(x.t() @ main[:, :192] + ridge, x.t() @ behind)
    known = (seen / (seen + 4))[:, None]
    behind = known * behind + (1 - known) * guess
    own = main[:, :SHAPE.dim - hidden]
    own = own / own.std(0).mean() * behind.std(0).norm() / hidden**0.5 * 0.7
    embed = torch.cat((behind + mean * 0.5, own), 1)
    size = embed.pow(2).mean(1).sqrt().mean()
    with torch.no_grad():
        model.embed_tokens.weight.copy_(embed / size)
        model.lm_head.weight.copy_(
            torch.cat((head, torch.randn(own.shape) * head.std() * 0.05), 1) * size)


def loss_of(model, text, ids, at):
    """Cross entropy with the teacher's likeliest ids, and how often the likeliest agrees. Nothing
    is asked within an id."""
    x, at = torch.from_numpy(ids.astype(np.int64)), at.reshape(-1)
    with torch.autocast('cpu', torch.bfloat16):
        mine = F.log_softmax(model.behind(x, torch.from_numpy(at >= 0)).float(), -1)
    theirs = torch.from_numpy(text.data['top'][at[at >= 0]].astype(np.int64))
    log = torch.from_numpy(text.data['log'][at[at >= 0]].astype(np.float32))
    share = torch.softmax(log / SHARP, 1) * log.exp().sum(1, keepdim=True)
    return -(share * mine.gather(1, theirs)).sum(1).mean(), (
        mine.argmax(1) == theirs[:, 0]).float().mean().item()


def train(a, model, texts, weights, log):
    rng, optimizer, stop = np.random.default_rng(1), Optimizer(model, *RATES), []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.append(1))
    begin = logged = saved = time.monotonic()
    peak, flat, steps, agreed = (0.5, 0.0, 0, []) if a.start else (1.0, 0.5, 0, [])
    while not stop and (done := (time.monotonic() - begin) / 60 / a.minutes) < 1:
        text = texts[rng.choice(len(texts), p=weights)]
        loss, agree = loss_of(model, text, *text.rows(rng, HERE_ROWS))
        loss.backward()
        optimizer.step(peak * min(1, (steps + 1) / 15, (1 - done) / (1 - flat)))
        steps += 1
        agreed.append(agree)
        now = time.monotonic()
        if now - logged > LOG_SECONDS:
            log.write(
                json.dumps({
                    'step': steps,
                    'ids': steps * HERE_ROWS * ROW,
                    'done': round(done, 3),
                    'cpu': round(time.process_time()),
                    'loss': round(loss.item(), 4),
                    'agree': round(float(np.mean(agreed)), 4)
                }) + '\n')
            logged, agreed = now, []
            for t in texts:
                t.refresh()
        if now - saved > SAVE_SECONDS:
            save(model, a.directory)
            saved = now


def save(model, directory):
    torch.save(model.state_dict(), directory / 'draft.pt.new')
    os.replace(directory / 'draft.pt.new', directory / 'draft.pt')


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('directory', type=pathlib.Path)
    p.add_argument('texts', nargs='+')
    p.add_argument('--gguf', required=True)
    p.add_argument('--minutes', type=float, required=True)
    p.add_argument('--from', dest='start')
    a = p.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    names, weights = zip(*(t.split('=') for t in a.texts))
    weights = np.array(weights, float) / np.sum(np.array(weights, float))
    texts, model = [Text(a.directory / f'{n}.npz') for n in names], Llama(SHAPE)
    if a.start:
        model.load_state_dict(torch.load(a.start))
    else:
        start(model, texts, a.directory)
    with open(a.directory / 'log.jsonl', 'a', buffering=1) as log:
        train(a, model, texts, weights, log)
    save(model, a.directory)
    write_checkpoint(model, a.directory / 'draft', BEGIN_ID, END_ID)
    write_small(Source(a.gguf), a.directory / 'draft')


if __name__ == '__main__':
    main()
