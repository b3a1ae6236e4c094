#!/usr/bin/env python3
"""What the AVX-512 kernel for 4-bit weights should reach on machines that are not at hand, computed
from its own machine code. Prints one JSON object.

    roofline.py [--build build/release] [--mca 'llvm-mca']

The time of a pass of n columns is the larger of two times: the bytes over the bandwidth that reads
reach, and the cycles over the sum of all cores' clocks. The cycles are those that llvm-mca gives
for the loops of the function that computes n columns (objdump), for a group of 64 weights of 16
rows at a time, with everything in the first cache. Without an llvm-mca that knows Zen 4 (16 or
newer; also searched in toolchain/unstable.sh's folder) it exits with status 77 and says so.

llvm-mca's table for Zen 4 is wrong for instructions that matter here, as measured on an EPYC of
that kind (ns of each over ns of vpdpbusd, in turns): a 512-bit vpdpbusd takes one cycle, not two; a
4-byte broadcast from memory uses only the load unit, and two start in a cycle; vpmulld uses the
pipes of vpdpbusd. So this script replaces them by instructions for which the table is right:
vfmadd231ps for vpdpbusd, vmulps for vpmulld, a 16-byte load for the broadcast. LLVM 23 uses the
same table for Zen 5. For a Zen 5 with 256-bit pipes (Strix Point) the table gives the throughput of
512-bit instructions. For one with 512-bit pipes (Strix Halo) the script gives llvm-mca the same
code with 256-bit registers, because Zen 4's pipes take those as the wider pipes take 512 bits."""
import argparse
import json
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
COLUMNS = [1, 2, 4, 8, 16]
# for a group: vpdpbusd for each column, and bytes of weights with their scales
GROUP_DOTS, GROUP_BYTES = 16, 16 * 64 // 2 + 16
ITERATIONS = 50
# name: peak GB/s; the share of it that reads reach; the sum of the clocks of all cores at work
# (assumed), in GHz; the width of the vector pipes in bits
MACHINES = {
    'Ryzen AI 9 HX 370 (Strix Point: 4 Zen 5, 8 Zen 5c)': (120.0, 0.83, 4 * 4.0 + 8 * 3.3, 256),
    'Ryzen AI Max+ 395 (Strix Halo: 16 Zen 5)': (256.0, 0.83, 16 * 4.0, 512),
}


def skip(why):
    print(f'roofline: skipped: {why}', file=sys.stderr)
    sys.exit(77)


def find_mca(given):
    unstable = ROOT / 'build' / 'unstable'
    chroot = [['sh', str(ROOT / 'toolchain' / 'unstable.sh'), 'run', p.name]
              for p in sorted((unstable / 'usr' / 'bin').glob('llvm-mca*'), reverse=True)]
    for command in [shlex.split(given)] + chroot:
        try:
            r = subprocess.run(command + ['-mtriple=x86_64', '-mcpu=znver4'],
                               input='vaddps %zmm0, %zmm1, %zmm2\n',
                               capture_output=True,
                               text=True)
        except OSError:
            continue
        if r.returncode == 0 and 'not a recognized' not in r.stderr:
            return command
    skip(
        f'{given} does not know Zen 4, and there is none in build/unstable (sh '
        'toolchain/unstable.sh make, then run "apt-get install -y llvm-23")'
    )


def function(code, name):
    """[(address, instruction)] of a function."""
    m = re.search(rf'^[0-9a-f]+ <{name}>:\n((?:\s+[0-9a-f]+:.*\n?)+)', code, re.M)
    return [(int(a, 16), i.split('#')[0].split(' <')[0].strip())
            for a, i in re.findall(r'^\s+([0-9a-f]+):\t(.*)$', m.group(1), re.M)]


def loops(lines):
    """(first, last) line numbers of every loop: from the target of a backward jump to the jump."""
    at = {a: n for n, (a, _) in enumerate(lines)}
    found = []
    for n, (_, i) in enumerate(lines):
        m = re.match(r'j\w+\s+([0-9a-f]+)$', i)
        if m and at.get(int(m.group(1), 16), n + 1) <= n:
            found.append((at[int(m.group(1), 16)], n))
    return found


def dots(body):
    return sum('vpdpbusd' in i for _, i in body)


def groups(lines, columns):
    """The instructions of the outermost loop that has vpdpbusd, with its inner loop repeated until
    the loop has whole groups, and how many groups these are."""
    spans = [s for s in loops(lines) if dots(lines[s[0]:s[1] + 1])]
    outer = max(spans, key=lambda s: s[1] - s[0])
    inner = [
        s for s in spans
        if s != outer and not any(t != s and s[0] <= t[0] and t[1] <= s[1] for t in spans)
    ]
    whole = GROUP_DOTS * columns
    if not inner:
        body = lines[outer[0]:outer[1] + 1]
    else:
        first, last = inner[0]
        loop, rest = lines[first:last + 1], lines[outer[0]:first] + lines[last + 1:outer[1] + 1]
        times = next((t for t in range(1, 65) if (dots(rest) + t * dots(loop)) % whole == 0), None)
        if times is None or len(inner) > 1:
            skip(f'the loops of {columns} columns are not as this script knows them')
        body = lines[outer[0]:first] + loop * times + lines[last + 1:outer[1] + 1]
    if dots(body) % whole:
        skip(f'a turn of the loop of {columns} columns is not whole groups')
    return [i for _, i in body], dots(body) // whole


def as_known(i, width):
    """The instruction, or one in its place for which the table is right; '' for a jump."""
    if re.match(r'j\w+\s', i):
        return ''
    i = i.replace('vpdpbusd', 'vfmadd231ps').replace('vpmulld', 'vmulps')
    m = re.match(r'vpbroadcastd\s+(.*\)),%zmm(\d+)$', i)
    if m:
        return f'vmovups {m.group(1)}, %xmm{m.group(2)}'
    return i.replace('%zmm', '%ymm').replace('1to16',
                                             '1to8') if width == 512 and 'vpmovsx' not in i else i


def cycles(mca, body, width):
    text = '\n'.join(filter(None, (as_known(i, width) for i in body))) + '\n'
    r = subprocess.run(mca + [
        '-mtriple=x86_64', '-mcpu=znver4', f'-iterations={ITERATIONS}',
        '-skip-unsupported-instructions=none'
    ],
                       input=text,
                       capture_output=True,
                       text=True)
    m = re.search(r'Total Cycles:\s+(\d+)', r.stdout)
    if not m:
        skip('llvm-mca does not take this code: ' + r.stderr.strip().split('\n')[0])
    return int(m.group(1)) / ITERATIONS


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--build', type=pathlib.Path, default=ROOT / 'build' / 'release')
    p.add_argument('--mca', default='llvm-mca')
    a = p.parse_args()
    objects = sorted(a.build.rglob('avx512_gemv_grouped.c.o'))
    if not objects:
        skip(f'{a.build} has no avx512_gemv_grouped.c.o: build the release preset')
    mca = find_mca(a.mca)
    code = subprocess.run(['objdump', '-d', '--no-show-raw-insn',
                           str(objects[0])],
                          check=True,
                          capture_output=True,
                          text=True).stdout
    kernel, rate = [], {}
    tile = max(int(n) for n in re.findall(r'<w4_(\d+)>:', code))
    for n in COLUMNS:
        body, count = groups(function(code, f'w4_{min(n, tile)}'), min(n, tile))
        passes = -(-n // tile)  # a panel is read again for the columns that one tile does not take
        row = {'columns': n, 'instructions': passes * len(body) / count}
        for width in (256, 512):
            c = passes * cycles(mca, body, width) / count
            rate[width, n] = GROUP_BYTES / c
            row[f'cycles_pipes_{width}'] = round(c, 2)
            row[f'of_dot_peak_pipes_{width}'] = round(
                GROUP_DOTS * n * (1 if width == 256 else 0.5) / c, 3)
        kernel.append(row)
    machines = []
    for name, (peak, share, ghz, width) in MACHINES.items():
        bandwidth = {n: min(peak * share, rate[width, n] * ghz) for n in COLUMNS}
        machines.append({
            'machine': name,
            'peak_gb_per_s': peak,
            'reads_reach': share,
            'clocks_ghz': ghz,
            'pipes_bits': width,
            'code_gb_per_s': {
                n: round(rate[width, n] * ghz, 1)
                for n in COLUMNS
            },
            'weights_gb_per_s': {
                n: round(bandwidth[n], 1)
                for n in COLUMNS
            },
            'cost': {
                n: round(bandwidth[1] / bandwidth[n], 2)
                for n in COLUMNS
            }
        })
    version = subprocess.run(mca + ['--version'], capture_output=True, text=True).stdout
    print(
        json.dumps(
            {
                'llvm': re.search(r'version (\S+)', version).group(1),
                'table': 'znver4',
                'group_bytes': GROUP_BYTES,
                'kernel': kernel,
                'machines': machines
            },
            indent=1))


if __name__ == '__main__':
    main()
