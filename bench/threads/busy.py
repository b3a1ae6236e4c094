#!/usr/bin/env python3
"""Compares the default number of threads with fixed numbers: without busy loops, with some on every
processor, and with a quota. Prints one JSON object.

    busy.py MODEL.apus... [--loops 0,1,3] [--quota 0.5] [--threads 1,2] [--many 64] [--rounds 20]
            [--tokens 64] [--before BENCH_THREADS]

A condition is so many busy loops for each processor, which this script starts and stops, or a
control group with a quota of so many processors (needs root). bench_threads (measure.c) takes the
variants in turns, in one process: "default", each number of --threads as "fixed:N" (all N threads
always compute, because the engine can neither measure nor count processors), and "asked:N" (--many;
the engine measures how many pay). With --before the default of another build is measured before and
after. The figures are medians, and the medians of the rounds' ratios over the best fixed number;
the first rounds, in which the engine measures, count like all others."""
import argparse
import json
import os
import pathlib
import platform
import signal
import statistics
import subprocess
import sys

TREES = [pathlib.Path('/sys/fs/cgroup') / name for name in ('cpu', 'cpu,cpuacct', '')]
PERIOD = 100000


class Group:
    """A control group with a quota that this script makes, in version 1 or 2 of control groups."""

    def __init__(self, processors):
        marks = ('cpu.shares', 'cgroup.controllers')
        trees = [t for t in TREES if any((t / m).exists() for m in marks)]
        if not trees:
            sys.exit('busy.py: expected a tree of control groups for processors at /sys/fs/cgroup, '
                     'found none: leave out --quota')
        self.path = trees[0] / ('apus-quota-%d' % os.getpid())
        try:
            self.path.mkdir()
        except OSError as e:
            sys.exit('busy.py: cannot make a control group (%s): run as root, or leave out '
                     '--quota' % e)
        quota = int(processors * PERIOD)
        for name, value in (('cpu.cfs_period_us', PERIOD), ('cpu.cfs_quota_us', quota),
                            ('cpu.max', '%d %d' % (quota, PERIOD))):
            if (self.path / name).exists():
                (self.path / name).write_text(str(value))

    def enter(self):
        tasks = self.path / 'tasks'
        (tasks if tasks.exists() else self.path / 'cgroup.procs').write_text(str(os.getpid()))

    def remove(self):
        self.path.rmdir()


def processors():
    return sorted(os.sched_getaffinity(0))


def start_loops(each):
    loop = [sys.executable, '-c', 'while True: pass']
    return [subprocess.Popen(loop, preexec_fn=lambda c=cpu: os.sched_setaffinity(0, {c}))
            for cpu in processors() for _ in range(each)]


def measure(a, program, model, rounds, variants, enter=None):
    command = [program, model, '--rounds', rounds, '--tokens', a.tokens] + variants
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, check=True,
                          stdin=subprocess.DEVNULL, preexec_fn=enter)
    return json.loads(done.stdout)['variants']


def run(a, model, condition, enter=None):
    print('%s, %s' % (model.name, condition), file=sys.stderr)
    names = ['default', 'asked:%d' % a.many] + ['fixed:%d' % n for n in a.threads]
    few = max(1, a.rounds // 4)
    before = lambda: measure(a, a.before, model, few, ['default'], enter)['default']
    earlier = before() if a.before else None
    got = measure(a, a.bench, model, a.rounds, names, enter)
    later = before() if a.before else None
    result = {}
    for what in ('prefill', 'decode'):
        tps = {name: statistics.median(got[name][what]) for name in names}
        best = max((name for name in names if name.startswith('fixed')), key=tps.get)
        over = {name: statistics.median(x / y for x, y in zip(got[name][what], got[best][what]))
                for name in names}
        if a.before:
            tps['before'] = statistics.median(earlier[what] + later[what])
        result[what] = {'tps': {k: round(v, 1) for k, v in tps.items()}, 'best': best,
                        'over_best': {k: round(v, 3) for k, v in over.items()}}
    return result


def under_loops(a, model, found, each):
    loops = start_loops(each)
    condition = '%d busy loops for each processor' % each
    try:
        found[condition] = run(a, model, condition)
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def under_quota(a, model, found):
    group = Group(a.quota)
    condition = 'a quota of %g processors' % a.quota
    try:
        found[condition] = run(a, model, condition, group.enter)
    finally:
        group.remove()


def numbers(text):
    return [int(n) for n in text.split(',')]


def arguments():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    here = pathlib.Path('build/release/bench/bench_threads')
    count = len(processors())
    p.add_argument('models', type=pathlib.Path, nargs='+', metavar='MODEL.apus')
    p.add_argument('--bench', type=pathlib.Path, default=here)
    p.add_argument('--before', type=pathlib.Path)
    p.add_argument('--loops', type=numbers, default=[0, 1, 3])
    p.add_argument('--quota', type=float)
    p.add_argument('--threads', type=numbers, default=sorted({1, max(1, count // 2), count}))
    p.add_argument('--many', type=int, default=64)
    p.add_argument('--rounds', type=int, default=20)
    p.add_argument('--tokens', type=int, default=64, help='generated in a round')
    return p.parse_args()


def main():
    a = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1)) # so that loops and groups are removed
    report = {'machine': {'processor': platform.processor() or platform.machine(),
                          'kernel': platform.release(), 'processors': len(processors())},
              'load': os.getloadavg()[0], 'rounds': a.rounds, 'tokens': a.tokens, 'models': {}}
    for model in a.models:
        found = report['models'][model.name] = {}
        for each in a.loops:
            under_loops(a, model, found, each)
        if a.quota:
            under_quota(a, model, found)
    print(json.dumps(report, indent=1))


if __name__ == '__main__':
    main()
