#!/usr/bin/env python3
"""Trains SmolLM2's draft on what teacher_text.py and teacher_logits.py have written.

    distil.py DIRECTORY --gguf FILE --minutes N NAME=WEIGHT... [--seed N]
              [--from STATE [--mix]] [--rate X] [--flat X] [--sharp X]

NAME=WEIGHT: train on DIRECTORY/NAME.npz and NAME.*.npz, with this weight among all names; files
that grow meanwhile are read again. Writes DIRECTORY/draft.pt, which is the running average of the
weights and is what gets measured and packed, log.jsonl, and the checkpoint DIRECTORY/draft. The
schedule goes by time: the rate is `--rate` of the full one for the part `--flat` of the time, then
falls to 0. Ctrl-C or SIGTERM ends it early. --from continues a draft.pt; with --mix the result is
the mean of that and of the end of the training.

The draft starts as a model of pairs of ids. HIDDEN values of an id's embedding are the average of
the teacher's last hidden values after that id (teacher_text.py's hidden.*.npz), and the head for
these is the teacher's. The other values are principal components of the teacher's embedding. The
layers start near the identity."""
import argparse
import ctypes as c
import json
import os
import pathlib
import signal
import time

os.environ.setdefault('OMP_WAIT_POLICY', 'passive')

import numpy as np
import torch

from export import write_checkpoint
from many import at, library
from model import Llama, Shape
from muon import Optimizer
from small_vocabulary import BEGIN_ID, END_ID, HELD, ROWS, Source, write_small

SHAPE = Shape(dim=256,
              layers=3,
              heads=4,
              kv_heads=2,
              head_dim=64,
              ffn=704,
              vocab=ROWS,
              context=1024)
HIDDEN, MAIN = 160, 192  # values of an embedding and main components that start() uses
# ids of a step, of a row that has one text, and of a row that is cut from a long text
STEP_IDS, ROW, LONG = 4096, 256, 1024
RATES = (0.02, 0.002)
SHARP = 0.7  # the teacher's temperature unless --sharp is given: its likeliest ids matter most
AVERAGE, EVERY = 0.996, 4  # how the weights are averaged, and every how many steps
SLICE = 512  # rows of logits at a time
LOG_SECONDS, SAVE_SECONDS = 180, 60


class Text:
    """The files of one NAME, each of which is a dictionary of arrays. If a file has `starts`, each
    of its texts is a row of its own; other files are cut anywhere."""

    def __init__(self, directory, name):
        self.directory, self.name, self.files = directory, name, {}
        self.refresh()

    def refresh(self):
        for path in [*self.directory.glob(f'{self.name}.npz'),
                     *self.directory.glob(f'{self.name}.*.npz')]:
            stamp = path.stat().st_mtime
            if self.files.get(path, (0, ))[0] != stamp:
                with np.load(path) as z:
                    self.files[path] = stamp, {n: z[n] for n in z.files}
        self.parts = [d for _, d in self.files.values()]
        sizes = np.array([len(d['ids']) for d in self.parts], float)
        self.shares, self.ids = sizes / max(1, sizes.sum()), int(sizes.sum())

    def pieces(self, rng, held):
        """Yields (file, first, end) without end. held: only from the last texts or ids of each
        file, which are never trained on."""
        while True:
            d = self.parts[rng.choice(len(self.parts), p=self.shares)]
            if 'starts' in d:
                ends = np.append(d['starts'], len(d['ids']))
                border = len(d['starts']) - len(d['starts']) // HELD
                i = rng.integers(border, len(d['starts'])) if held else rng.integers(0, border)
                yield d, int(ends[i]), int(ends[i + 1])
            else:
                last = len(d['ids']) - LONG
                border = last - last // HELD
                i = rng.integers(border, last) if held else rng.integers(0, border - LONG)
                yield d, int(i), int(i) + LONG

    def batch(self, rng, held=False):
        """Returns ids [rows, ROW or LONG]; which of them have a label; and for these, in order, the
        teacher's likeliest ids and their log-probabilities."""
        length = ROW if 'starts' in self.parts[0] else LONG
        ids, wanted = (np.zeros((STEP_IDS // length, length), t) for t in (np.int64, bool))
        top, log = [], []
        for row, (d, first, end) in zip(range(len(ids)), self.pieces(rng, held)):
            end = min(end, first + length)
            behind = d['at'][first:end]
            ids[row, :end - first], wanted[row, :end - first] = d['ids'][first:end], behind >= 0
            top.append(d['top'][behind[behind >= 0]])
            log.append(d['log'][behind[behind >= 0]])
        few = min(t.shape[1] for t in top)
        top, log = (np.concatenate([x[:, :few] for x in xs]) for xs in (top, log))
        return (torch.from_numpy(ids), torch.from_numpy(wanted.reshape(-1)), torch.from_numpy(top),
                torch.from_numpy(log.astype(np.float32)))


def basis(source, seen):
    """Returns a head [ROWS, HIDDEN], whose product with HIDDEN values is nearly the teacher's
    logits, except for a constant; the matrix that computes these values from the teacher's last
    hidden values; and the principal components of the embedding. All by least squares, in which
    frequent ids weigh more than rare ones."""
    w = source.weights()
    often = seen + 5.0
    often = (often / often.sum()).sqrt()
    embed = torch.from_numpy(w['token_embd.weight'][:ROWS])
    full = embed * torch.from_numpy(w['output_norm.weight'])
    full, embed = full - full.mean(0), embed - embed.mean(0)
    head = full @ torch.linalg.svd(often[:, None] * full, full_matrices=False)[2][:HIDDEN].t()
    weighted = (head * often[:, None]**2).t()
    main = embed @ torch.linalg.svd(often[:, None] * embed, full_matrices=False)[2][:2 * HIDDEN].t()
    return head, torch.linalg.solve(weighted @ head, weighted @ full), main


def start(model, source, directory):
    """Sets the first weights. hidden.*.npz has the sums of the teacher's last hidden values for
    each last id."""
    files = [np.load(p) for p in directory.glob('hidden.*.npz')]
    sums, seen = (sum(torch.from_numpy(f[n]) for f in files) for n in ('sums', 'seen'))
    head, values, main = basis(source, seen)
    sums = sums @ values.t()
    mean = sums.sum(0) / seen.sum()
    behind = sums / seen.clamp(min=1)[:, None] - mean
    x = main[:, :MAIN] * seen[:, None]  # to guess the values of rare ids from their embeddings
    ridge = torch.eye(x.shape[1]) * (main[:, :MAIN]**2).sum() * 5 / ROWS
    guess = main[:, :MAIN] @ torch.linalg.solve(x.t() @ main[:, :MAIN] + ridge, x.t() @ behind)
    known = (seen / (seen + 4))[:, None]
    behind = known * behind + (1 - known) * guess
    own = main[:, :SHAPE.dim - HIDDEN]
    own = own / own.std(0).mean() * behind.std(0).norm() / HIDDEN**0.5 * 0.7
    embed = torch.cat((behind + mean * 0.5, own), 1)
    size = embed.pow(2).mean(1).sqrt().mean()
    with torch.no_grad():
        model.embed_tokens.weight.copy_(embed / size)
        model.lm_head.weight.copy_(
            torch.cat((head, torch.randn(own.shape) * head.std() * 0.05), 1) * size)


class HeadLoss(torch.autograd.Function):
    """The mean cross entropy of the head's logits with the probabilities of some ids. It goes over
    the rows in slices and computes the gradients at once, because the logits of all rows would not
    fit into the caches."""
    lib = None

    @staticmethod
    def forward(ctx, x, head, ids, share):
        dx, dhead = torch.empty_like(x), torch.zeros_like(head)
        narrow, both = head.bfloat16(), np.zeros(2)
        loss, agreed = c.c_double(), c.c_int32()
        for i in range(0, len(x), SLICE):
            part, t, s = (y[i:i + SLICE] for y in (x, ids, share))
            logits = part @ narrow.t()
            HeadLoss.lib.cross(at(logits), *logits.shape, t.shape[1], at(t), at(s), c.byref(loss),
                               c.byref(agreed))
            both += loss.value, agreed.value
            torch.mm(logits, narrow, out=dx[i:i + SLICE])
            dhead += logits.t() @ part
        ctx.save_for_backward(dx, dhead)
        ctx.count = len(x)
        return torch.from_numpy(both / len(x)).float()

    @staticmethod
    def backward(ctx, grad):
        dx, dhead = ctx.saved_tensors
        return dx * (grad[0] / ctx.count), dhead.mul_(grad[0] / ctx.count), None, None


def loss_of(model, batch, hidden=None, sharp=SHARP):
    """Returns (cross entropy with the teacher's likeliest ids, how often the likeliest one agrees).
    Places inside an id that became several are left out. hidden: model.hidden, perhaps compiled."""
    ids, wanted, top, log = batch
    share = torch.softmax(log / sharp, 1) * log.exp().sum(1, keepdim=True)
    with torch.autocast('cpu', torch.bfloat16):
        x = model.norm((hidden or model.hidden)(ids).flatten(0, 1)[wanted])
    return HeadLoss.apply(x.bfloat16(), model.lm_head.weight, top, share)


@torch.no_grad()
def held_agreement(model, text):
    rng, agreed = np.random.default_rng(2), []
    for _ in range(3):
        agreed.append(loss_of(model, text.batch(rng, held=True))[1].item())
    return round(float(np.mean(agreed)), 4)


class Log:

    def __init__(self, a, texts):
        self.file = open(a.directory / 'log.jsonl', 'a', buffering=1)
        self.texts, self.agreed, self.at = texts, {t.name: [] for t in texts}, time.monotonic()

    def add(self, text, agreed):
        self.agreed[text.name].append(agreed)

    def write(self, average, **more):
        row = {
            **more, 'cpu': round(time.process_time()),
            'text': {t.name: t.ids
                     for t in self.texts},
            'agree': {n: round(float(np.mean(x)), 4)
                      for n, x in self.agreed.items() if x},
            'held': {t.name: held_agreement(average, t)
                     for t in self.texts if t.ids}
        }
        self.file.write(json.dumps(row) + '\n')
        self.agreed = {t.name: [] for t in self.texts}
        for t in self.texts:
            t.refresh()
        self.at = time.monotonic()


def train(a, model, texts, weights, log):
    """Returns the average of the weights."""
    rng, optimizer, stop = np.random.default_rng(a.seed), Optimizer(model, *RATES), []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.append(1))
    hidden = torch.compile(model.hidden, dynamic=False)  # twice as fast as without
    average = Llama(SHAPE)
    average.load_state_dict(model.state_dict())
    begin = saved = time.monotonic()
    steps = ids = 0
    while not stop and (done := (time.monotonic() - begin) / 60 / a.minutes) < 1:
        there = weights * [t.ids > 0 for t in texts]
        text = texts[rng.choice(len(texts), p=there / there.sum())]
        batch = text.batch(rng)
        both = loss_of(model, batch, hidden, a.sharp)
        both[0].backward()
        optimizer.step(a.rate * min(1, (steps + 1) / 30, (1 - done) / (1 - a.flat)))
        steps, ids = steps + 1, ids + len(batch[2])
        log.add(text, both[1].item())
        if steps % EVERY == 0:
            part = 1 - min(AVERAGE, steps / (steps + 40))
            with torch.no_grad():
                for p, q in zip(average.parameters(), model.parameters()):
                    p.lerp_(q, part)
        now = time.monotonic()
        if now - log.at > LOG_SECONDS:
            log.write(average,
                      step=steps,
                      ids=ids,
                      done=round(done, 3),
                      loss=round(both[0].item(), 4))
        if now - saved > SAVE_SECONDS:
            save(average, a.directory)
            saved = now
    log.write(average, step=steps, ids=ids, done=1)
    return average


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
    p.add_argument('--seed', type=int, default=1)
    p.add_argument('--from', dest='start')
    p.add_argument('--mix', action='store_true')
    p.add_argument('--rate', type=float, default=1)
    p.add_argument('--flat', type=float, default=0.6)
    p.add_argument('--sharp', type=float, default=SHARP)
    a = p.parse_args()
    torch.set_num_threads(1)
    HeadLoss.lib = library(a.directory)
    torch.manual_seed(a.seed)
    names, weights = zip(*(t.split('=') for t in a.texts))
    weights = np.array(weights, float) / np.sum(np.array(weights, float))
    texts, model = [Text(a.directory, n) for n in names], Llama(SHAPE)
    if a.start:
        model.load_state_dict(torch.load(a.start))
    elif a.minutes:
        start(model, Source(a.gguf), a.directory)
    average = train(a, model, texts, weights, Log(a, texts))
    if a.mix:
        begun = torch.load(a.start)
        average.load_state_dict({n: (w + begun[n]) / 2 for n, w in average.state_dict().items()})
    save(average, a.directory)
    write_checkpoint(average, a.directory / 'draft', BEGIN_ID, END_ID)
    write_small(Source(a.gguf), a.directory / 'draft')


if __name__ == '__main__':
    main()
