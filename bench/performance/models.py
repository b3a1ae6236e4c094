#!/usr/bin/env python3
"""What models need of a machine: memory, bytes read for a token, tokens per second by the roofline.

    models.py            prints both tables of docs/models.md
    models.py --write    puts them into docs/models.md
    models.py --check    fails if docs/models.md has others

Computed from the shapes in models.json, nothing is measured. A blob has 4.25 bits a weight in the
layers (weights/pack/quantize/pack_plan.h) or 8 below a billion parameters, as `apus-pack` chooses,
and 8 bits in the embedding and in the head, which both are in it also where the model has one for
both. A token reads the layers, of a mixture's experts the active ones, the head, and the cache: 8
bits a value and a float for every head's row of K and of V (docs/numerics.md). The speed is the
bandwidth that reads reach over these bytes; machines and their shares are those of roofline.py."""
import argparse
import json
import pathlib
import sys

from roofline import MACHINES

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parents[1] / 'docs' / 'models.md'
MARK = '<!-- bench/performance/models.py writes this: %s -->\n'
CONTEXT = 8192  # positions that a token sees, and that memory is kept for
INT4_FROM = 1e9  # parameters, as in pack_plan.c
SYSTEM = 6e9  # bytes that the system and other programs keep
MEMORY = (16, 32, 64, 128)  # GB that laptops have
# For each use the tokens per second below which people wait, and what we would take, the best
# first: an opinion.
USES = {
    'completion': (25, ('Qwen3-Coder-30B-A3B', 'Qwen2.5-Coder-14B', 'Qwen2.5-Coder-7B',
                        'Qwen2.5-Coder-3B', 'Qwen2.5-Coder-1.5B', 'Qwen2.5-Coder-0.5B')),
    'chat': (10, ('gpt-oss-20b', 'Qwen3-14B', 'Qwen3-8B', 'Qwen3-4B', 'Qwen3-1.7B', 'Qwen3-0.6B'))
}

# what somebody has: words, GB of memory, which machine's bandwidth in GB/s, the share of it
LAPTOPS = (('16 GB, DDR5-5600 (Ryzen 7 8840U)', 16, 89.6, 0.83),
           ('32 GB, DDR5-5600 (Ryzen 7 8840U)', 32, 89.6, 0.83),
           ('32 GB, LPDDR5X-7500 (Ryzen AI 9 HX 370)', 32) + next(iter(MACHINES.values()))[:2],
           ('64 GB, LPDDR5X-7500 (Ryzen AI 9 HX 370)', 64) + next(iter(MACHINES.values()))[:2],
           ('128 GB, LPDDR5X-8000 (Ryzen AI Max+ 395)', 128) + list(MACHINES.values())[1][:2])


class Model:
    def __init__(self, shape):
        self.__dict__.update(shape)
        experts, active = shape.get('experts', 1), shape.get('active', 1)
        attention = 2 * self.dim * self.head_dim * (self.heads + self.kv_heads)
        expert = (3 if shape.get('gated', True) else 2) * self.dim * self.ffn
        router = self.dim * experts if experts > 1 else 0
        head = self.vocab * self.dim
        once = self.layers * (attention + router + experts * expert) + head
        self.parameters = once + (0 if shape.get('tied') else head)
        bits = 8 if self.parameters < INT4_FROM else 4.25
        self.file = self.layers * (attention + experts * expert) * bits / 8 + 2 * head
        self.file += self.layers * router
        row = 2 * self.kv_heads * (self.head_dim + 4)
        windowed = shape.get('windowed', 0)
        rows = (self.layers - windowed) * CONTEXT + windowed * min(shape.get('window', 0), CONTEXT)
        self.cache = row * rows
        self.read = self.layers * ((attention + active * expert) * bits / 8 + router) + head
        self.read += self.cache
        self.memory = self.file + self.cache

    def speed(self, bandwidth, share):
        return share * bandwidth * 1e9 / self.read

    def fits(self, memory):
        return self.memory + SYSTEM <= memory * 1e9


def models():
    return [Model(shape) for shape in json.loads((HERE / 'models.json').read_text())]


def table_of_models():
    names = [name.split(' (')[0] for name in MACHINES]
    yield ('| model | parameters | memory with %d positions | fits | read for a token | ' % CONTEXT
           + ' | '.join('tok/s, ' + name for name in names) + ' |')
    yield '|---' * (5 + len(names)) + '|'
    for m in models():
        fits = next(('%d GB' % size for size in MEMORY if m.fits(size)), 'more than 128 GB')
        speeds = ['%.0f' % m.speed(*machine[:2]) for machine in MACHINES.values()]
        yield '| %s | %.1f G | %.1f GB | %s | %.2f GB | %s |' % (
            m.name, m.parameters / 1e9, m.memory / 1e9, fits, m.read / 1e9, ' | '.join(speeds))


def best(use, laptop):
    """The first that fits and is fast enough."""
    _, memory, bandwidth, share = laptop
    fast, names = USES[use]
    of = {m.name: m for m in models()}
    return next(of[n] for n in names
                if of[n].fits(memory) and of[n].speed(bandwidth, share) >= fast)


def table_of_laptops():
    yield '| I have | completion | its draft | chat | its draft |'
    yield '|---|---|---|---|---|'
    for laptop in LAPTOPS:
        cells = []
        for use in USES:
            m = best(use, laptop)
            cells += ['%s, %.0f tok/s' % (m.name, m.speed(*laptop[2:])),
                      getattr(m, 'draft', 'look-up alone')]
        yield '| %s | %s |' % (laptop[0], ' | '.join(cells))


TABLES = {'what models need': table_of_models, 'what to take': table_of_laptops}


def written(text):
    """The page with today's tables: each stands behind its mark, up to the next empty line."""
    for name, rows in TABLES.items():
        mark = MARK % name
        if text.count(mark) != 1:
            sys.exit('%s: expected this line once:\n  %s' % (PAGE, mark))
        before, rest = text.split(mark)
        behind = rest.partition('\n\n')[2]
        text = before + mark + '\n'.join(rows()) + '\n\n' + behind
    return text


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    what = p.add_mutually_exclusive_group()
    what.add_argument('--write', action='store_true')
    what.add_argument('--check', action='store_true')
    a = p.parse_args()
    if not a.write and not a.check:
        print('\n\n'.join('\n'.join(rows()) for rows in TABLES.values()))
        return
    text = PAGE.read_text()
    if a.write:
        PAGE.write_text(written(text))
    elif text != written(text):
        sys.exit('docs/models.md: expected the tables that bench/performance/models.py prints; '
                 'python3 bench/performance/models.py --write puts them there')


if __name__ == '__main__':
    main()
