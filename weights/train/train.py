#!/usr/bin/env python3
"""Trains the shipped pair: a target on text, and a draft on the target's logits.

    train.py DIRECTORY --minutes N reads DIRECTORY/{train,held}.ids; writes state.pt, log.jsonl,
    target/, draft/

May be stopped at any time (Ctrl-C, SIGTERM) and started again with the same command: it goes on
with the same data, optimizer state and share of its time. Where there is samples.ids (samples.py),
every other step of the draft alone is on text the target wrote. Where there are middles to complete
(middle.py), half of what is trained on are these. The schedule (schedule.py) goes by
time spent, so it ends after N minutes of running, however fast the machine is."""
import argparse
import json
import os
import pathlib
import signal
import time

# Before torch is loaded: threads that wait must not take the processor from others on a busy
# machine; that cost half of the speed.
os.environ.setdefault('OMP_WAIT_POLICY', 'passive')

import numpy as np
import torch
import torch.nn.functional as F

from data import MIDDLE_WEIGHT, Windows
from export import new_models, write_checkpoints
from middle import ROW
from muon import Optimizer
from schedule import SCHEDULES

MICRO = 2048  # ids evaluated at once: a tenth faster than 4096 on a core with 2 MB of cache
HELD_WINDOWS = 24
SAVE_SECONDS, HELD_SECONDS = 180, 600
# weight of the target's distribution in the draft's loss; the rest is the text itself
DISTILL = 0.9
RATES = {'target': (0.02, 0.006), 'draft': (0.02, 0.006)}


def text_loss(logits, targets, counts):
    """counts: what each target weighs, data.weights."""
    losses = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction='none')
    return (losses * counts.flatten()).sum() / counts.sum()


def distill_loss(logits, teacher, targets, counts):
    """KL from the target's distribution (up to its entropy, a constant here), and a little of the
    text."""
    mine = F.log_softmax(logits.flatten(0, 1).float(), -1)
    theirs = F.softmax(teacher.flatten(0, 1).float(), -1)
    gains = (DISTILL * (theirs * mine).sum(-1) + (1 - DISTILL) *
             mine.gather(1,
                         targets.flatten()[:, None])[:, 0])
    return -(gains * counts.flatten()).sum() / counts.sum()


class Pair:
    def __init__(self, compiled):
        self.models = new_models()
        self.optimizers = {n: Optimizer(m, *RATES[n]) for n, m in self.models.items()}
        self.text_loss, self.distill_loss = text_loss, distill_loss
        if compiled:
            # lengths of rows and numbers of them, both models, with gradients and without
            torch._dynamo.config.recompile_limit = 64
            self.text_loss, self.distill_loss = torch.compile(
                text_loss, dynamic=False), torch.compile(distill_loss, dynamic=False)
            for m in self.models.values():
                for layer in m.layers:
                    layer.compile(dynamic=False)

    def logits(self, name, ids):
        with torch.autocast('cpu', torch.bfloat16):
            return self.models[name](ids)

    def step(self, groups, target_rate, draft_rate):
        """One step of whichever is trained, on groups of rows (Windows.batch), each of its own
        length; the losses."""
        sums, whole = {}, sum(g[0].size for g in groups)
        for inputs, targets, counts in (map(torch.from_numpy, g) for g in groups):
            size = max(1, MICRO // inputs.shape[1])
            for i in range(0, len(inputs), size):
                x, y, w = (t[i:i + size] for t in (inputs, targets, counts))
                for name, loss in self.losses(x, y, w, target_rate > 0, draft_rate > 0):
                    loss = loss * (x.numel() / whole)
                    loss.backward()
                    sums[name] = sums.get(name, 0) + loss.item()
        for name, rate in (('target', target_rate), ('draft', draft_rate)):
            if rate > 0:
                self.optimizers[name].step(rate)
        return sums

    def losses(self, x, y, w, of_target, of_draft):
        with torch.set_grad_enabled(of_target):
            teacher = self.logits('target', x)
        if of_target:
            yield 'target', self.text_loss(teacher, y, w)
        if of_draft:
            yield 'draft', self.distill_loss(self.logits('draft', x), teacher.detach(), y, w)

    @torch.no_grad()
    def held(self, rows, kind, counted):
        """Nats an id of both on held-out rows, and how often the draft's best id is the target's;
        over the targets that count `counted`."""
        inputs, targets, counts = map(torch.from_numpy, rows)
        here, total = (counts == counted).float(), np.zeros(3)
        for x, y, w in zip(*(t.split(MICRO // inputs.shape[1]) for t in (inputs, targets, here))):
            logits = {n: self.logits(n, x) for n in self.models}
            same = logits['target'].argmax(-1) == logits['draft'].argmax(-1)
            total += [
                text_loss(logits['target'], y, w).item() * w.sum().item(),
                text_loss(logits['draft'], y, w).item() * w.sum().item(), (same * w).sum().item()
            ]
        return dict(
            zip((f'{kind}_target', f'{kind}_draft', f'{kind}_agree'),
                (total / here.sum().item()).round(4).tolist()))

    def held_all(self, text, middles):
        out = self.held(text, 'held', 1)
        return {**out, **self.held(middles, 'middle', MIDDLE_WEIGHT)} if middles else out


BEGIN = {'schedule': 'fresh', 'step': 0, 'window': 0, 'ids': 0, 'seconds': 0.0, 'cpu': 0.0}


def save_state(path, models, optimizers, counters=BEGIN):
    state = {
        'counters': counters,
        'models': {
            n: m.state_dict()
            for n, m in models.items()
        },
        'optimizers': {
            n: o.state()
            for n, o in optimizers.items()
        }
    }
    torch.save(state, str(path) + '.new')
    os.replace(str(path) + '.new', path)


def load(path, pair):
    state = torch.load(path, weights_only=False)
    for n in pair.models:
        pair.models[n].load_state_dict(state['models'][n])
        pair.optimizers[n].load(state['optimizers'][n])
    return state['counters']


class Text:
    """What there is to train and to measure on."""

    def __init__(self, directory, context):
        self.directory, self.context = directory, context
        self.train, self.samples = self.windows('train', context), self.windows('samples', context)
        self.middles = self.windows('middle', ROW)
        self.held = [
            self.windows('held', context).batch(0, HELD_WINDOWS),
            self.middles and self.windows('held_middle', ROW).batch(0, 2 * HELD_WINDOWS)
        ]

    def windows(self, name, length):
        file = self.directory / f'{name}.ids'
        return Windows(np.fromfile(file, np.uint16), length) if file.exists() else None

    def step(self, number, first, n, pieces):
        """Windows first .. first + n - 1 of the context's length in all, in groups. With middles
        half of them are text: in rows as long as those of middles, which are quicker, and in every
        fourth step of the whole context, so that this is not forgotten."""
        if not self.middles:
            return [self.train.batch(first, n, pieces)]
        rows, text = self.context // ROW, n // 2
        others = n - text
        return [
            self.train.batch(first // n * text, text, rows if number % 4 else 1),
            self.middles.batch(first // n * others * rows, others * rows)
        ]


def run(a):
    pair = Pair(not a.plain)
    context = pair.models['target'].shape.context
    text = Text(a.directory, context)
    state, log, stop = a.directory / 'state.pt', open(a.directory / 'log.jsonl', 'a',
                                                      buffering=1), []
    c = load(state, pair) if state.exists() else dict(BEGIN)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.append(1))
    schedule = SCHEDULES[c['schedule']]
    since = {'save': c['seconds'], 'held': c['seconds']}
    while c['seconds'] < 60 * a.minutes and not stop and c['step'] < a.steps:
        begin, cpu, done = time.monotonic(), time.process_time(), c['seconds'] / (60 * a.minutes)
        rates = schedule.target_rate(done), schedule.draft_rate(done)
        n = schedule.windows(done)
        if rates[0] == 0 and text.samples and c['step'] % 2:
            groups = [text.samples.batch(c['window'], n)]
        else:
            groups = text.step(c['step'], c['window'], n, schedule.pieces(done))
        losses = pair.step(groups, *rates)
        c['step'], c['window'], c['ids'] = c['step'] + 1, c['window'] + n, c['ids'] + n * context
        row = {
            'step': c['step'],
            'done': round(done, 4),
            'ids': c['ids'],
            **{
                k: round(v, 4)
                for k, v in losses.items()
            }
        }
        if c['seconds'] - since['held'] > HELD_SECONDS:
            row.update(pair.held_all(*text.held))
            since['held'] = c['seconds']
        if c['seconds'] - since['save'] > SAVE_SECONDS:
            save_state(state, pair.models, pair.optimizers, c)
            since['save'] = c['seconds']
        spent = time.monotonic() - begin
        c['seconds'], c['cpu'] = c['seconds'] + spent, c['cpu'] + time.process_time() - cpu
        log.write(
            json.dumps({
                **row, 'seconds': round(c['seconds'], 1),
                'cpu': round(c['cpu'], 1),
                'ids_per_s': round(n * context / spent)
            }) + '\n')
    save_state(state, pair.models, pair.optimizers, c)
    write_checkpoints(a.directory, pair.models)
    log.write(json.dumps({**c, **pair.held_all(*text.held)}) + '\n')


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('directory', type=pathlib.Path)
    p.add_argument('--minutes', type=float, required=True, help='of running, in all')
    p.add_argument('--steps', type=int, default=1 << 60, help='stop early, after this many')
    p.add_argument('--threads', type=int, default=os.cpu_count())
    p.add_argument('--plain', action='store_true', help='without torch.compile')
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    run(a)


if __name__ == '__main__':
    main()
