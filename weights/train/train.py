#!/usr/bin/env python3
"""Trains the shipped pair: a target on text, and a draft on the target's logits.

    train.py DIRECTORY --minutes N [--state FILE] reads DIRECTORY/{train,held}.ids; writes state.pt,
    log.jsonl, target/, draft/

May be stopped at any time (Ctrl-C, SIGTERM) and started again with the same command: it goes on
with the same data, optimizer state and share of its time. Where there is samples.ids (samples.py),
every other step of the draft alone is on text the target wrote. The schedule (schedule.py) goes by
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

from data import BEGIN_ID, Windows
from export import new_models, write_checkpoints
from muon import Optimizer
from schedule import SCHEDULES

MICRO = 4096  # ids evaluated at once
HELD_WINDOWS = 24
SAVE_SECONDS, HELD_SECONDS = 180, 300
# weight of the target's distribution in the draft's loss; the rest is the text itself
DISTILL = 0.9
RATES = {'target': (0.02, 0.006), 'draft': (0.02, 0.006)}


def text_loss(logits, targets):
    return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())


def distill_loss(logits, teacher, targets):
    """KL from the target's distribution (up to its entropy, a constant here), and a little of the
    text."""
    mine = F.log_softmax(logits.flatten(0, 1).float(), -1)
    theirs = F.softmax(teacher.flatten(0, 1).float(), -1)
    return -(DISTILL * (theirs * mine).sum(-1).mean() +
             (1 - DISTILL) * mine.gather(1,
                                         targets.flatten()[:, None]).mean())


class Pair:
    def __init__(self, compiled):
        self.models = new_models()
        self.optimizers = {n: Optimizer(m, *RATES[n]) for n, m in self.models.items()}
        self.text_loss, self.distill_loss = text_loss, distill_loss
        if compiled:
            self.text_loss, self.distill_loss = torch.compile(
                text_loss, dynamic=False), torch.compile(distill_loss, dynamic=False)
            for m in self.models.values():
                for layer in m.layers:
                    layer.compile(dynamic=False)

    def logits(self, name, ids):
        with torch.autocast('cpu', torch.bfloat16):
            return self.models[name](ids)

    def step(self, rows, target_rate, draft_rate):
        """One step of whichever is trained; the losses."""
        sums, inputs, targets = {}, *map(torch.from_numpy, rows)
        size = max(1, MICRO // inputs.shape[1])
        share = size / len(inputs)
        for i in range(0, len(inputs), size):
            x, y = inputs[i:i + size], targets[i:i + size]
            with torch.set_grad_enabled(target_rate > 0):
                teacher = self.logits('target', x)
            if target_rate > 0:
                loss = self.text_loss(teacher, y)
                (loss * share).backward()
                sums['target'] = sums.get('target', 0) + loss.item() * share
            if draft_rate > 0:
                loss = self.distill_loss(self.logits('draft', x), teacher.detach(), y)
                (loss * share).backward()
                sums['draft'] = sums.get('draft', 0) + loss.item() * share
        for name, rate in (('target', target_rate), ('draft', draft_rate)):
            if rate > 0:
                self.optimizers[name].step(rate)
        return sums

    @torch.no_grad()
    def held(self, rows):
        """Nats an id of both on held-out text, and how often the draft's best id is the
        target's."""
        inputs, targets = map(torch.from_numpy, rows)
        total = np.zeros(3)
        for x, y in zip(inputs.split(4), targets.split(4)):
            logits = {n: self.logits(n, x) for n in self.models}
            total += [
                text_loss(logits['target'], y).item() * len(x),
                text_loss(logits['draft'], y).item() * len(x),
                (logits['target'].argmax(-1) == logits['draft'].argmax(-1)).float().mean().item() *
                len(x)
            ]
        return dict(
            zip(('held_target', 'held_draft', 'agree'), (total / len(inputs)).round(4).tolist()))


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


def run(a):
    pair = Pair(not a.plain)
    context = pair.models['target'].shape.context
    train, held, samples = (Windows(np.fromfile(f, np.uint16), context) if f.exists() else None
                            for f in (a.directory / f'{s}.ids'
                                      for s in ('train', 'held', 'samples')))
    held = held.batch(0, HELD_WINDOWS)
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
        text = samples if rates[0] == 0 and samples and c['step'] % 2 else train
        losses = pair.step(text.batch(c['window'], n, schedule.pieces(done)), *rates)
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
            row.update(pair.held(held))
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
    log.write(json.dumps({**c, **pair.held(held)}) + '\n')


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
