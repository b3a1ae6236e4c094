"""Figures in README.md and the documents are those of the files that the benchmarks wrote.

  figures.py SOURCE
"""
import json
import pathlib
import re
import subprocess
import sys

source = pathlib.Path(sys.argv[1])
failures = 0


def expect(document, row):
    global failures
    if row not in (source / document).read_text():
        failures += 1
        print('FAIL %s: expected this line, made from the JSON files:\n  %s' % (document, row))


def load(name):
    return json.loads((source / 'docs' / name).read_text())


done = subprocess.run([sys.executable, str(source / 'bench/performance/report.py'),
                       str(source / 'docs/performance'), '--docs', str(source / 'docs'), '--check'])
failures += done.returncode != 0

# README.md: what the engine does with AVX-512
for name, file in {'AMD-Llama-135M, 8 bits': '135m-int8', 'AMD-Llama-135M, 4 bits': '135m-int4',
                   'CodeLlama-7B, 4 bits': '7b-int4'}.items():
    o = load('performance/%s.avx512.json' % file)
    small = o['decode']['tps'] < 100
    speeds = '%.1f of %.1f' if small else '%.0f of %.0f'
    eight = [v['ratio'] for v in o['verify'] if v['columns'] == 8][0]
    expect('README.md', '| %s | %s tok/s | %s GB/s | %.2f | %.0f tok/s |' % (
        name, ('%.1f' if small else '%.0f') % o['decode']['tps'],
        speeds % (o['decode']['weight_gb_per_s'], o['read_gb_per_s']), eight, o['prefill']['tps']))

over = load('performance/peers.json')['apus_over']
text = ' '.join((source / 'README.md').read_text().split())
for what, digits in (('decode', 2), ('prefill', 1)):
    pair = '%.*f and %.*f times' % (digits, over['llama.cpp'][what],
                                    digits, over['ik_llama.cpp'][what])
    if pair not in text:
        failures += 1
        print('FAIL README.md: expected "%s" of docs/performance/peers.json (%s)' % (pair, what))

# docs/accuracy.md: the table under "What it gives"
rows = 0
for row in load('accuracy/curve.json')['rows']:
    figures = ' | '.join('%.4f | %.1f %%' % (row[t]['kl'], 100 * row[t]['top1'])
                         for t in ('code', 'English'))
    if row['name'] == 'Q6_K':
        continue
    rows += 1
    expect('docs/accuracy.md', '| %.2f | %s |' % (row['bits'], figures))
if rows < 15:
    failures += 1
    print('FAIL docs/accuracy/curve.json has %d rows only' % rows)

sys.exit(1 if failures else 0)
