#!/usr/bin/env python3
"""Makes docs/performance.md and its plots from the JSON files that bench/performance/perf.sh wrote.

    report.py DIRECTORY [--docs docs] [--check]

Needs matplotlib. Nothing is measured here: every number comes from the files, or is computed from
them as the text says. The section about busy machines is not made here and stays as it is. --check
writes nothing; its exit status is 1 if the document is not what the files give."""

import argparse
import json
import pathlib
import re
import sys
import textwrap

BY_HAND = '## On a busy machine'  # from bench/threads/busy.py, as the section says
WIDTH = 100


def load(folder, name):
    path = folder / (name + '.json')
    return json.loads(path.read_text()) if path.exists() else None


def columns(bench):
    return {v['columns']: v['ratio'] for v in bench['verify']}


def table(head, rows):
    line = lambda cells: '| ' + ' | '.join(str(c) for c in cells) + ' |'
    return '\n'.join([line(head), '|' + '---|' * len(head)] + [line(r) for r in rows]) + '\n'


def section(head, text):
    """A section whose lines end where they end in this source; `wrapped` joins them later."""
    return f'\n## {head}\n\n{text.strip()}\n\n'


def joules(o, part):
    n = o[part].get('joules_per_token')
    return '' if n is None else f'{n:.3g}'


def engine_table(runs):
    """The table, with columns for joules if a run has some."""
    head = [
        'model',
        'kernels',
        'decode, tok/s',
        'weights read, of the roof',
        '2 / 4 / 8 / 16 tokens in one pass, times one',
        'prefill, tok/s',
        'multiply-adds, of the peak',
    ]
    rows = engine_rows(runs)
    if any(joules(o, part) for _, _, o in runs for part in ('decode', 'prefill')):
        head += ['J a token: decode', 'prefill']
        rows = [
            row + [joules(o, 'decode'), joules(o, 'prefill')] for row, (_, _, o) in zip(rows, runs)
        ]
    return table(head, rows)


def engine_rows(runs):
    rows = []
    for name, cpu, o in runs:
        v = columns(o)
        rows.append(
            [
                name,
                cpu,
                f"{o['decode']['tps']:.1f}",
                f"{o['decode']['weight_gb_per_s']:.1f} of {o['read_gb_per_s']:.1f} GB/s: "
                f"{o['decode']['of_roof']:.2f}",
                ' / '.join(f'{v[n]:.2f}' for n in (2, 4, 8, 16)),
                f"{o['prefill']['tps']:.0f} over {o['prefill']['tokens']}",
                f"{o['prefill']['gmac_per_s']:.0f} of {o['vpdpbusd_gmac_per_s']:.0f} G/s: "
                f"{o['prefill']['of_peak']:.2f}",
            ]
        )
    return rows


def gemv_rows(gemv):
    return [
        [s['model'], s['type'], f"{s['rows']} x {s['cols']}"]
        + [f"{s['columns'][n]['of_read']:.2f}" for n in ('1', '2', '4', '8')]
        + [f"{s['columns'][n]['of_dot']:.2f}" for n in ('8', '16', '128')]
        for s in gemv['shapes']
    ]


def peer_rows(peers):
    rows = []
    for name, f in peers['figures'].items():
        over = peers['apus_over'].get(name)
        rows.append(
            [
                name + (f" ({f['build']})" if f.get('build') else ''),
                f"{f['decode']:.2f}",
                ' / '.join(f"{f[f'verify_{n}']:.2f}" for n in (4, 8, 16)),
                f"{f['prefill']:.1f}",
            ]
            + (
                [
                    f"{over['decode']:.2f}x",
                    ' / '.join(f"{over[f'verify_{n}']:.2f}x" for n in (4, 8, 16)),
                    f"{over['prefill']:.2f}x",
                ]
                if over
                else ['', '', '']
            )
        )
    return rows


def machine_rows(roofline, big):
    """Tokens per second of the 7B shape on the machines of roofline.json. A prompt is computed 8
    columns at a time, with weights from the cache."""
    gb = big['weight_bytes'] / 1e9
    return [
        [
            m['machine'],
            f"{m['peak_gb_per_s']:.0f} GB/s",
            f"{m['weights_gb_per_s']['1'] / gb:.0f}",
            ' / '.join(f"{m['cost'][n]:.2f}" for n in ('4', '8', '16')),
            f"{m['code_gb_per_s']['8'] * 8 / gb:.0f}",
        ]
        for m in roofline['machines']
    ]


def kernel_rows(roofline):
    return [
        [
            k['columns'],
            f"{k['instructions']:.0f}",
            f"{k['cycles_pipes_256']:.1f}: {k['of_dot_peak_pipes_256']:.2f}",
            f"{k['cycles_pipes_512']:.1f}: {k['of_dot_peak_pipes_512']:.2f}",
        ]
        for k in roofline['kernel']
    ]


def bound(big):
    """The least that n columns can cost, as a multiple of one column: the time of the layers'
    multiply-adds alone, at the peak in registers, over the time of a pass of one column."""
    macs = big['prefill']['gmac_per_s'] / big['prefill']['tps']  # in units of 10^9, for a token
    one = {v['columns']: v['ms'] for v in big['verify']}[1] / 1e3
    least = {n: n * macs / big['vpdpbusd_gmac_per_s'] / one for n in (8, 16)}
    memory = big['weight_bytes'] / 1e9 / (8 * macs / big['vpdpbusd_gmac_per_s'])
    return f"""
What bounds the 7B shape's passes of many columns is arithmetic: at the peak in registers the
layers' multiply-adds of 8 and 16 columns alone take {least[8]:.2f} and {least[16]:.2f} times as
long as this run's pass of one. Where memory gives more than {memory:.0f} GB/s, 8 columns cost more
than one however good the kernel, and 16 more than two. `vpmaddubsw` and `vpdpwssd` share Zen 4's
two pipes with `vpdpbusd` and add nothing to it.
"""


# -------------------------------------------------------------------------------------------- plots
def plots(docs, runs, contexts, peers, gemv):
    import matplotlib

    matplotlib.use('svg')
    matplotlib.rcParams['svg.hashsalt'] = 'apus'  # the same file for the same numbers
    import matplotlib.pyplot as plt

    def save(figure, name):
        figure.tight_layout()
        figure.savefig(docs / 'performance' / name, metadata={'Date': None})
        plt.close(figure)

    figure, axes = plt.subplots(figsize=(6, 3.6))
    for name, cpu, o in runs:
        if cpu == 'avx512':
            v = columns(o)
            axes.plot(list(v), list(v.values()), marker='o', label=f'Apus, {name}')
    for name, f in (peers or {'figures': {}})['figures'].items():
        if name != 'apus':
            axes.plot(
                [1, 4, 8, 16],
                [1] + [f[f'verify_{n}'] for n in (4, 8, 16)],
                marker='s',
                linestyle='--',
                label=f'{name}, 7B 4-bit',
            )
    axes.set(xlabel='tokens in one pass', ylabel='time, of a pass of one', ylim=0)
    axes.legend(fontsize=8)
    save(figure, 'verify.svg')

    figure, axes = plt.subplots(figsize=(6, 3.6))
    axes.plot(
        [o['position'] for o in contexts],
        [o['tps'] for o in contexts],
        marker='o',
        label='measured',
    )
    axes.plot(
        [o['position'] for o in contexts],
        [o['tps'] * o['over_roof'] for o in contexts],
        linestyle=':',
        label='reading weights, keys and values at the roof',
    )
    axes.set(xlabel='tokens of context', ylabel='tokens a second', ylim=0)
    axes.legend(fontsize=8)
    save(figure, 'context.svg')

    figure, axes = plt.subplots(figsize=(6, 3.6))
    for s in gemv['shapes']:
        if s['rows'] * s['cols'] < 4096 * 4096:
            continue
        per_byte = (
            s['cols']
            * s['rows']
            / (s['columns']['1']['gb_s'] / s['columns']['1']['gmac_s'] * s['cols'] * s['rows'])
        )
        counts = [int(n) for n in s['columns']]
        axes.plot(
            [n * per_byte for n in counts],
            [s['columns'][str(n)]['gmac_s'] for n in counts],
            marker='o',
            label=f"{s['type']} {s['rows']} x {s['cols']}",
        )
    s = gemv['shapes'][-1]
    low, high = axes.get_xlim()
    axes.plot(
        [1, s['dot_gmac_s'] / s['read_gb_s'], 256],
        [s['read_gb_s'], s['dot_gmac_s'], s['dot_gmac_s']],
        color='black',
        label='roofs of this run',
    )
    axes.set(
        xscale='log',
        yscale='log',
        xlabel='multiply-adds for a byte of weights',
        ylabel='G multiply-adds a second',
    )
    axes.legend(fontsize=8)
    save(figure, 'roofline.svg')


# --------------------------------------------------------------------------------------------- text
def text(o):
    big, parts = o['big'], []
    parts.append(f"""# Performance

Made by `bench/performance/report.py` from what `bench/performance/perf.sh` measured, but for the
section on busy machines; the files are in `docs/performance/`, and `git log docs/performance` says
of which day. {big['machine']['processor']}, {big['threads']} threads, Linux
{big['machine'].get('kernel', '').split()[-1]}: two cores of a shared server (Zen 4, AVX-512 VNNI,
no AMX). Its neighbours share memory and caches, so a figure can be compared within its line or
table only; every ratio is of things measured in turns within one run, medians. A share of the roof
above 1 says how much the memory's speed moves meanwhile.
""")
    parts.append(section('The engine', """
`apus bench`, random weights in the models' shapes. Reading: as many bytes as the model has, at most
1 GiB, so that the roof of a model that fits a cache is that of the cache. Multiply-adds: `vpdpbusd`
in registers alone.
"""))
    parts.append(engine_table(o['runs']))
    parts.append(bound(big))
    parts.append('\n![Time of a pass](performance/verify.svg)\n')
    parts.append(section('Kernels', """
`bench_gemv`: weights from memory, no engine around them. Shares of the read roof with 1 to 8
columns, of the multiply-add peak with 8 to 128.
"""))
    parts.append(
        table(
            ['shape', 'type', 'rows x columns', '1', '2', '4', '8', '8', '16', '128'],
            gemv_rows(o['gemv']),
        )
    )
    parts.append('\n![Roofline](performance/roofline.svg)\n')
    if o['contexts']:
        parts.append(section('Long contexts', """
`bench_context`: 7B shape, 4 bits, decoding behind a filled cache, all lengths and the roof in
turns. The last column is time over the time to read weights, keys and values at the roof.
"""))
        parts.append(
            table(
                [
                    'tokens of context',
                    'decode, tok/s',
                    'read, GB/s',
                    'roof, GB/s',
                    'time over the roof\'s',
                ],
                [
                    [
                        c['position'],
                        f"{c['tps']:.2f}",
                        f"{c['gb_per_s']:.1f}",
                        f"{o['context']['read_gb_per_s']:.1f}",
                        f"{c['over_roof']:.2f}",
                    ]
                    for c in o['contexts']
                ],
            )
        )
        parts.append('\n![Decoding against context](performance/context.svg)\n')
    if o['startup']:
        s = o['startup']
        parts.append(section('Start', f"""
From the start of the process to its end after one token of a prompt of {s['prompt']} tokens, 7B
shape, file in the page cache: {s['first_token_ms']:.0f} ms, {s['ratio']:.2f} times a pass of 16
columns for every 16 tokens ({s['passes_ms']:.0f} ms).
""")[:-1])
    if o['peers']:
        parts.append(section('Beside others', f"""
Medians of {o['peers']['rounds']} rounds. The same 7B shape, 4 bits (Q4_0 for them), in turns, two
threads; `bench/peers`. A pass of n tokens: times one token of the same program; on the right how
many times as fast Apus is: medians of the rounds' ratios, not ratios of the medians, which memory
moves when it changes its speed between programs.
"""))
        parts.append(
            table(
                [
                    '',
                    'decode, tok/s',
                    '4 / 8 / 16 tokens in one pass',
                    'prefill, tok/s',
                    'Apus: decode',
                    'pass of 4 / 8 / 16',
                    'prefill',
                ],
                peer_rows(o['peers']),
            )
        )
    if o['roofline']:
        r, m = o['roofline'], o['roofline']['machines']
        clocks = ', '.join(f"{x['clocks_ghz']:.0f} GHz in sum" for x in m)
        parts.append(section('What other machines should reach', f"""
Not measured: `bench/performance/roofline.py` computes it from this code's own instructions. A pass
of n columns takes the larger of two times: the bytes of the weights over
{m[0]['reads_reach']:.2f} of the memory's theoretical bandwidth (what a reading program reaches on
Strix Halo's GPU, 212 of 256 GB/s, llm-tracker.info; whether its cores alone can take as much is not
known here), and the cycles of the kernel's loop over the clocks of all cores ({clocks}; assumed,
below the boost of one). It assumes that the dynamic split lets uneven cores share a pass, that
nothing else uses the memory, that power allows the clocks, and that weights arrive in the first
cache in time; attention and whatever is not a matrix is left out.

Cycles for 16 rows of 64 weights of 4 bits ({r['group_bytes']} bytes) in n columns, and the share of
the `vpdpbusd` peak that this is, by LLVM {r['llvm']} for its table of Zen 4 with what that has
wrong put right (the script says what):
"""))
        parts.append(
            table(
                [
                    'columns',
                    'instructions',
                    'pipes of 256 bits (Zen 4, Strix Point)',
                    'pipes of 512 bits (Strix Halo)',
                ],
                kernel_rows(r),
            )
        )
        parts.append('\nThe 7B shape at 4 bits, then:\n\n')
        parts.append(
            table(
                [
                    'machine',
                    'memory',
                    'decode, tok/s',
                    '4 / 8 / 16 tokens in one pass, times one',
                    'prefill, tok/s',
                ],
                machine_rows(r, big),
            )
        )
    return ''.join(parts)


def wrapped(text):
    """Wraps paragraphs at 100 columns; tables, headings and pictures stay as they are."""
    fill = lambda p: (
        p
        if re.match(r'\||#|!\[', p)
        else textwrap.fill(
            ' '.join(p.split()), WIDTH, break_long_words=False, break_on_hyphens=False
        )
    )
    return '\n\n'.join(fill(p) for p in re.split(r'\n{2,}', text.strip('\n'))) + '\n'


def with_section(text, before):
    """Adds the section that is written by hand in its old place, before the same heading."""
    found = re.search(r'^%s\n.*?(?=^(## .*)\n|\Z)' % re.escape(BY_HAND), before, flags=re.M | re.S)
    if not found:
        return text
    heading = found.group(1)
    return (
        text.replace(heading + '\n', found.group(0) + heading + '\n', 1)
        if heading in text
        else text + '\n' + found.group(0)
    )


def main():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument('directory', type=pathlib.Path)
    p.add_argument('--docs', type=pathlib.Path, default=pathlib.Path('docs'))
    p.add_argument('--check', action='store_true')
    a = p.parse_args()
    runs = [
        (m, cpu, load(a.directory, f'{m}.{cpu}'))
        for m in ('135m-int8', '135m-int4', '7b-int4')
        for cpu in ('avx512', 'avx2')
    ]
    runs = [r for r in runs if r[2]]
    o = {
        'runs': runs,
        'big': load(a.directory, '7b-int4.avx512') or load(a.directory, '7b-int4.avx2'),
        'gemv': load(a.directory, 'gemv'),
        'context': load(a.directory, 'context'),
        'startup': load(a.directory, 'startup'),
        'peers': load(a.directory, 'peers'),
        'roofline': load(a.directory, 'roofline'),
    }
    o['contexts'] = o['context']['contexts'] if o['context'] else []
    if not o['big'] or not o['gemv']:
        sys.exit(
            f'report: {a.directory} has no figures of the 7B shape or of the kernels: '
            f'run bench/performance/perf.sh {a.directory}'
        )
    document = a.docs / 'performance.md'
    before = document.read_text() if document.exists() else ''
    made = with_section(wrapped(text(o)), before)
    if a.check:
        for old, new in zip(before.splitlines() + [''], made.splitlines() + ['']):
            if old != new:
                sys.exit(
                    f'{document} is not what {a.directory} gives: '
                    f'found\n  {old}\nexpected\n  {new}\n'
                    f'Run bench/performance/report.py {a.directory}'
                )
        return
    (a.docs / 'performance').mkdir(exist_ok=True)
    plots(a.docs, runs, o['contexts'], o['peers'], o['gemv'])
    document.write_text(made)


if __name__ == '__main__':
    main()
