#!/usr/bin/env python3
"""The default number of threads beside fixed ones, on a quiet machine, with busy loops on every processor, and under a quota; one
JSON object.

    busy.py MODEL.apus... [--loops 0,1,3] [--quota 0.5] [--threads 1,2] [--many 64] [--rounds 5] [--seconds 1]
            [--before BENCH_THREADS] [--group]

A condition is so many busy loops for each processor, started and stopped here, or a control group with a quota of so many processors (root).
Each round runs bench_threads (measure.c) once for every variant, a process of its own that begins without knowing anything:
"default", each number of --threads as "fixed N" (the engine cannot learn or know: always all of them), "asked N" (--many, adapting), and
with --before the default and --many of another build. Medians, and the medians of the rounds' ratios over the best fixed number.

--group puts everything into a control group with 256 times the share of others, for machines with other work (root)."""
import argparse
import json
import os
import pathlib
import platform
import signal
import statistics
import subprocess
import sys

GROUPS = (pathlib.Path('/sys/fs/cgroup/cpu'), pathlib.Path('/sys/fs/cgroup/cpu,cpuacct'), pathlib.Path('/sys/fs/cgroup'))
PERIOD = 100000


class Group:
    """A control group of our own, in version 1 or 2; one for a quota lies inside the one for the share."""

    def __init__(self, name, inside=None):
        base = inside.path if inside else next((g for g in GROUPS if (g / 'cpu.shares').exists() or (g / 'cgroup.controllers').exists()), None)
        if not base:
            sys.exit('busy.py: expected a control group tree of cpu at /sys/fs/cgroup, found none: leave out --quota and --group')
        self.path = base / ('%s-%d' % (name, os.getpid()))
        try:
            self.path.mkdir()
        except OSError as e:
            sys.exit('busy.py: cannot make a control group (%s): run as root, or leave out --quota and --group' % e)

    def set(self, **values):
        """Of both versions' files, those that are there."""
        for name, value in values.items():
            file = self.path / name.replace('cpu_', 'cpu.')
            if file.exists():
                file.write_text(str(value))

    def enter(self):
        tasks = self.path / 'tasks'
        (tasks if tasks.exists() else self.path / 'cgroup.procs').write_text(str(os.getpid()))

    def remove(self):
        self.path.rmdir()


def processors():
    return sorted(os.sched_getaffinity(0))


def start_loops(each, enter):
    def on(cpu):
        enter()
        os.sched_setaffinity(0, {cpu})
    return [subprocess.Popen([sys.executable, '-c', 'while True: pass'], preexec_fn=lambda cpu=cpu: on(cpu))
            for cpu in processors() for _ in range(each)]


def measure(command, enter):
    out = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, preexec_fn=enter, check=True).stdout
    r = json.loads(out)
    return {'prefill': r['prefill_tps'], 'decode': r['decode_tps']}


def variants(a, model):
    base = [a.bench, model, '--seconds', a.seconds]
    found = {'default': base, 'asked %d' % a.many: base + ['--threads', a.many]}
    for n in a.threads:
        found['fixed %d' % n] = base + ['--threads', n, '--fixed']
    if a.before:
        before = [a.before, model, '--seconds', a.seconds]
        found['before, default'] = before
        if a.before_many:
            found['before, asked %d' % a.many] = before + ['--threads', a.many]
    return found


def run(a, model, enter):
    rounds = []
    for _ in range(a.rounds):
        rounds.append({name: measure(command, enter) for name, command in variants(a, model).items()})
    result = {}
    for what in ('prefill', 'decode'):
        median = {name: statistics.median(r[name][what] for r in rounds) for name in rounds[0]}
        best = max((name for name in median if name.startswith('fixed')), key=median.get)
        ratio = {name: statistics.median(r[name][what] / r[best][what] for r in rounds) for name in median}
        result[what] = {'tps': {k: round(v, 1) for k, v in median.items()}, 'best': best,
                        'over_best': {k: round(v, 3) for k, v in ratio.items()}}
    return result


def numbers(text):
    return [int(n) for n in text.split(',')]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('models', type=pathlib.Path, nargs='+', metavar='MODEL.apus')
    p.add_argument('--bench', type=pathlib.Path, default=pathlib.Path('build/release/bench/bench_threads'))
    p.add_argument('--before', type=pathlib.Path)
    p.add_argument('--before-many', action='store_true', help='--many with the other build too: it may take long')
    p.add_argument('--loops', type=numbers, default=[0, 1, 3])
    p.add_argument('--quota', type=float)
    p.add_argument('--threads', type=numbers, default=sorted({1, max(1, len(processors()) // 2), len(processors())}))
    p.add_argument('--many', type=int, default=64)
    p.add_argument('--rounds', type=int, default=5)
    p.add_argument('--seconds', type=float, default=1)
    p.add_argument('--group', action='store_true')
    a = p.parse_args()
    outer = Group('apus-busy') if a.group else None
    if outer:
        outer.set(cpu_shares=262144, cpu_weight=10000)
    enter = outer.enter if outer else lambda: None
    report = {'machine': {'processor': platform.processor() or platform.machine(), 'kernel': platform.release(), 'processors': len(processors())},
              'rounds': a.rounds, 'seconds': a.seconds, 'models': {}}
    try:
        for model in a.models:
            found = report['models'][model.name] = {}
            for each in a.loops:
                loops = start_loops(each, enter)
                try:
                    found['%d busy loops for each processor' % each] = run(a, model, enter)
                finally:
                    for loop in loops:
                        loop.send_signal(signal.SIGKILL)
                        loop.wait()
            if a.quota:
                group = Group('quota', outer)
                quota = int(a.quota * PERIOD)
                group.set(cpu_cfs_period_us=PERIOD, cpu_cfs_quota_us=quota, cpu_max='%d %d' % (quota, PERIOD))
                try:
                    found['a quota of %g processors' % a.quota] = run(a, model, group.enter)
                finally:
                    group.remove()
    finally:
        if outer:
            outer.remove()
    print(json.dumps(report, indent=1))


if __name__ == '__main__':
    main()
