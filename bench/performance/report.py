#!/usr/bin/env python3
"""Makes docs/performance.md and its plots from the JSON files that bench/performance/run.sh wrote.

    report.py DIRECTORY [--docs docs]

Needs matplotlib. Nothing is measured here: every number in the tables comes from the files, or is computed from them as the text says."""
import argparse
import json
import pathlib
import sys

# Peak int8 multiply-adds a second of vpdpbusd (cores x GHz x multiply-adds a cycle) and memory bandwidth. Cycles: a 512-bit vpdpbusd each on Zen 4 and
# on the 256-bit pipes of Strix Point, two on Strix Halo. The clocks are assumed for all cores at work, below the boost of one.
MACHINES = [
    ('Ryzen AI 9 HX 370 (Strix Point), LPDDR5X-7500, 128 bits', 120.0, 4 * 4.0 * 64 + 8 * 3.3 * 64),
    ('Ryzen 7 8840U (Hawk Point), LPDDR5X-7500, 128 bits', 120.0, 8 * 3.8 * 64),
    ('Ryzen AI Max+ 395 (Strix Halo), LPDDR5X-8000, 256 bits', 256.0, 16 * 4.0 * 128),
]
REACHED = 0.85  # of the theoretical bandwidth: assumed


def load(folder, name):
    path = folder / (name + '.json')
    return json.loads(path.read_text()) if path.exists() else None


def columns(bench):
    return {v['columns']: v['ratio'] for v in bench['verify']}


def table(head, rows):
    line = lambda cells: '| ' + ' | '.join(str(c) for c in cells) + ' |'
    return '\n'.join([line(head), '|' + '---|' * len(head)] + [line(r) for r in rows]) + '\n'


def engine_rows(runs):
    rows = []
    for name, cpu, o in runs:
        v = columns(o)
        rows.append([name, cpu, f"{o['decode']['tps']:.1f}", f"{o['decode']['weight_gb_per_s']:.1f} of {o['read_gb_per_s']:.1f} GB/s: {o['decode']['of_roof']:.2f}",
                     ' / '.join(f'{v[n]:.2f}' for n in (2, 4, 8, 16)), f"{o['prefill']['tps']:.0f} over {o['prefill']['tokens']}",
                     f"{o['prefill']['gmac_per_s']:.0f} of {o['vpdpbusd_gmac_per_s']:.0f} G/s: {o['prefill']['of_peak']:.2f}"])
    return rows


def gemv_rows(gemv):
    return [[s['model'], s['type'], f"{s['rows']} x {s['cols']}"] + [f"{s['columns'][n]['of_read']:.2f}" for n in ('1', '2', '4', '8')] +
            [f"{s['columns'][n]['of_dot']:.2f}" for n in ('8', '16', '128')] for s in gemv['shapes']]


def peer_rows(peers):
    rows = []
    for name, f in peers['figures'].items():
        over = peers['apus_over'].get(name)
        rows.append([name + (f" ({f['build']})" if f.get('build') else ''), f"{f['decode']:.2f}", ' / '.join(f"{f[f'verify_{n}']:.2f}" for n in (4, 8, 16)),
                     f"{f['prefill']:.1f}"] + ([f"{over['decode']:.2f}x", ' / '.join(f"{over[f'verify_{n}']:.2f}x" for n in (4, 8, 16)), f"{over['prefill']:.2f}x"]
                                                if over else ['', '', '']))
    return rows


def roofline_rows(big):
    """Tokens a second elsewhere: the larger of the time to read the weights at the bandwidth and share of it reached here, and of the multiply-adds at the peak and the
    share of it reached here."""
    read, dot = min(big['decode']['of_roof'], 1.0), big['prefill']['of_peak']
    macs = big['prefill']['gmac_per_s'] * 1e9 / big['prefill']['tps']
    rows = []
    for name, bandwidth, peak in MACHINES:
        reading = big['weight_bytes'] / (bandwidth * 1e9 * REACHED * read)
        at = lambda n: max(reading, n * macs / (peak * 1e9 * dot))
        rows.append([name, f'{bandwidth:.0f} GB/s', f'{peak / 1e3:.1f} T/s', f'{1 / reading:.0f}', ' / '.join(f'{at(n) / reading:.2f}' for n in (4, 8, 16)),
                     f'{peak * 1e9 * dot / macs:.0f}'])
    return rows


# -------------------------------------------------------------------------------------------------------------------- plots
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
            axes.plot([1, 4, 8, 16], [1] + [f[f'verify_{n}'] for n in (4, 8, 16)], marker='s', linestyle='--', label=f'{name}, 7B 4-bit')
    axes.set(xlabel='tokens in one pass', ylabel='time, of a pass of one', ylim=0)
    axes.legend(fontsize=8)
    save(figure, 'verify.svg')

    figure, axes = plt.subplots(figsize=(6, 3.6))
    axes.plot([o['position'] for o in contexts], [o['tps'] for o in contexts], marker='o', label='measured')
    axes.plot([o['position'] for o in contexts], [o['tps'] * o['over_roof'] for o in contexts], linestyle=':', label='reading weights, keys and values at the roof')
    axes.set(xlabel='tokens of context', ylabel='tokens a second', ylim=0)
    axes.legend(fontsize=8)
    save(figure, 'context.svg')

    figure, axes = plt.subplots(figsize=(6, 3.6))
    for s in gemv['shapes']:
        if s['rows'] * s['cols'] < 4096 * 4096:
            continue
        per_byte = s['cols'] * s['rows'] / (s['columns']['1']['gb_s'] / s['columns']['1']['gmac_s'] * s['cols'] * s['rows'])
        counts = [int(n) for n in s['columns']]
        axes.plot([n * per_byte for n in counts], [s['columns'][str(n)]['gmac_s'] for n in counts], marker='o', label=f"{s['type']} {s['rows']} x {s['cols']}")
    s = gemv['shapes'][-1]
    low, high = axes.get_xlim()
    axes.plot([1, s['dot_gmac_s'] / s['read_gb_s'], 256], [s['read_gb_s'], s['dot_gmac_s'], s['dot_gmac_s']], color='black', label='roofs of this run')
    axes.set(xscale='log', yscale='log', xlabel='multiply-adds for a byte of weights', ylabel='G multiply-adds a second')
    axes.legend(fontsize=8)
    save(figure, 'roofline.svg')


# ---------------------------------------------------------------------------------------------------------------------- text
def text(o):
    big, parts = o['big'], []
    parts.append(f"""# Performance

Made by `bench/performance/report.py` from what `bench/performance/run.sh` measured; the files are in `docs/performance/`. {big['machine']['processor']}, {big['threads']} threads, Linux
{big['machine'].get('kernel', '').split()[-1]}: two cores of a shared server (Zen 4, AVX-512 VNNI, no AMX). Its neighbours share memory and caches, so a figure can be compared within its line or table only; every
ratio is of things measured in turns within one run, medians. A share of the roof above 1 says how much the memory's speed moves meanwhile.

## The engine

`apus bench`, random weights in the models' shapes. Reading: as many bytes as the model has, at most 1 GiB, so that the roof of a model that fits a cache is that of the cache. Multiply-adds: `vpdpbusd` in registers alone.

""")
    parts.append(table(['model', 'kernels', 'decode, tok/s', 'weights read, of the roof', '2 / 4 / 8 / 16 tokens in one pass, times one', 'prefill, tok/s', 'multiply-adds, of the peak'],
                       engine_rows(o['runs'])))
    parts.append('\n![Time of a pass](performance/verify.svg)\n')
    parts.append('\n## Kernels\n\n`bench_gemv`: weights from memory, no engine around them. Shares of the read roof with 1 to 8 columns, of the multiply-add peak with 8 to 128.\n\n')
    parts.append(table(['shape', 'type', 'rows x columns', '1', '2', '4', '8', '8', '16', '128'], gemv_rows(o['gemv'])))
    parts.append('\n![Roofline](performance/roofline.svg)\n')
    if o['contexts']:
        parts.append('\n## Long contexts\n\n`bench_context`: 7B shape, 4 bits, decoding behind a filled cache, all lengths and the roof in turns. The last column is time over the time to read weights, keys and values at the roof.\n\n')
        parts.append(table(['tokens of context', 'decode, tok/s', 'read, GB/s', 'roof, GB/s', 'time over the roof\'s'],
                           [[c['position'], f"{c['tps']:.2f}", f"{c['gb_per_s']:.1f}", f"{o['context']['read_gb_per_s']:.1f}", f"{c['over_roof']:.2f}"] for c in o['contexts']]))
        parts.append('\n![Decoding against context](performance/context.svg)\n')
    if o['startup']:
        s = o['startup']
        parts.append(f"\n## Start\n\nFrom the start of the process to its end after one token of a prompt of {s['prompt']} tokens, 7B shape, file in the page cache: {s['first_token_ms']:.0f} ms, "
                     f"{s['ratio']:.2f} times a pass of 16 columns for every 16 tokens ({s['passes_ms']:.0f} ms).\n")
    if o['peers']:
        parts.append(f"\n## Beside others\n\nMedians of {o['peers']['rounds']} rounds." ' The same 7B shape, 4 bits (Q4_0 for them), in turns, two threads; `bench/peers`. A pass of n tokens: times one token of the same program; on the right how many times as fast Apus is.\n\n')
        parts.append(table(['', 'decode, tok/s', '4 / 8 / 16 tokens in one pass', 'prefill, tok/s', 'Apus: decode', 'pass of 4 / 8 / 16', 'prefill'], peer_rows(o['peers'])))
    parts.append(f"""
## What other machines should reach

Not measured: computed for the 7B shape at 4 bits from {REACHED:.2f} of the memory's theoretical bandwidth, the peak of `vpdpbusd` at the clock that all cores hold, and the shares of both that were reached above. It assumes that these
shares carry over (the dynamic split lets uneven cores share a pass), that nothing else uses the memory, and that power allows the clocks.

""")
    parts.append(table(['machine', 'memory', 'int8 peak', 'decode, tok/s', '4 / 8 / 16 tokens in one pass, times one', 'prefill, tok/s'], roofline_rows(big)))
    return ''.join(parts)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('directory', type=pathlib.Path)
    p.add_argument('--docs', type=pathlib.Path, default=pathlib.Path('docs'))
    a = p.parse_args()
    runs = [(m, cpu, load(a.directory, f'{m}.{cpu}')) for m in ('135m-int8', '135m-int4', '7b-int4') for cpu in ('avx512', 'avx2')]
    runs = [r for r in runs if r[2]]
    o = {'runs': runs, 'big': load(a.directory, '7b-int4.avx512') or load(a.directory, '7b-int4.avx2'), 'gemv': load(a.directory, 'gemv'),
         'context': load(a.directory, 'context'), 'startup': load(a.directory, 'startup'), 'peers': load(a.directory, 'peers')}
    o['contexts'] = o['context']['contexts'] if o['context'] else []
    if not o['big'] or not o['gemv']:
        sys.exit(f'report: {a.directory} has no figures of the 7B shape or of the kernels: run bench/performance/run.sh {a.directory}')
    (a.docs / 'performance').mkdir(exist_ok=True)
    plots(a.docs, runs, o['contexts'], o['peers'], o['gemv'])
    (a.docs / 'performance.md').write_text(text(o))


if __name__ == '__main__':
    main()
