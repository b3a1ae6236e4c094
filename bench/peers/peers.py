#!/usr/bin/env python3
"""Times Apus and other runtimes in turns on one model, and prints one JSON object.

    peers.py MODEL.gguf MODEL.apus --apus build/release/apus --peer NAME=COMMAND [--peer
    NAME=COMMAND ...]
             [--peers FILE] [--rounds 5] [--prompt 128] [--tokens 16] [--threads 2] [-o OUT.json]

Each COMMAND is llama.cpp's llama-bench, or a program with the same options and JSON, such as
'build/peers/llama-bench' (bench/peers/peers.sh) or ik_llama.cpp's with '-rtr 1'. Without any
COMMAND the llama-bench on the path is used. The two files contain the same model
(bench/peers/random_gguf.py, then apus-pack --no-calibrate): the peers run the GGUF's 4-bit type,
Apus its own 4 bits.

Every round runs each program once, one after the other, so that a machine that slows down slows all
of them. The figures are medians over the rounds, and the ratios are medians of the rounds' ratios.
decode: tokens per second after an empty context; pass_ms: time of n tokens in one pass; verify:
that time over the time of one token; prefill: tokens per second of the prompt."""
import argparse
import json
import pathlib
import platform
import shlex
import shutil
import statistics
import subprocess
import sys

COLUMNS = [4, 8, 16]


def run(command):
    r = subprocess.run([str(c) for c in command],
                       capture_output=True,
                       text=True,
                       stdin=subprocess.DEVNULL)
    if r.returncode:
        sys.exit(
            f'peers: {shlex.join(str(c) for c in command)} failed with status '
            f'{r.returncode}:\n{r.stderr[-2000:]}'
        )
    return r.stdout


def apus(a):
    """One short run of Apus. It times verify at the position of decode."""
    o = json.loads(
        run([
            a.apus, 'bench', '-m', a.blob, '--seconds', a.seconds, '--threads', a.threads, '--json'
        ]))
    ms = {v['columns']: v['ms'] for v in o['verify']}
    return {
        'decode': o['decode']['tps'],
        **{
            f'pass_ms_{n}': ms[n]
            for n in COLUMNS
        },
        **{
            f'verify_{n}': ms[n] / ms[1]
            for n in COLUMNS
        }, 'prefill': o['prefill']['tps'],
        'read_gb_per_s': o['read_gb_per_s'],
        'of_roof': o['decode']['of_roof'],
        'of_peak': o['prefill']['of_peak'],
        'prefill_tokens': o['prefill']['tokens'],
        'cpu': o['cpu'],
        'processor': o['machine'].get('processor', '')
    }


def llama_bench(a, command):
    lengths = ','.join(str(n) for n in COLUMNS + [a.prompt])
    out = run(
        shlex.split(command) +
        ['-m', a.gguf, '-p', lengths, '-n', a.tokens, '-r', 1, '-t', a.threads, '-o', 'json'])
    rows = json.loads(out)
    rate = {(r['n_prompt'], r['n_gen']): r['avg_ts'] for r in rows}
    one = rate[0, a.tokens]
    return {
        'decode': one,
        **{
            f'pass_ms_{n}': 1e3 * n / rate[n, 0]
            for n in COLUMNS
        },
        **{
            f'verify_{n}': n / rate[n, 0] * one
            for n in COLUMNS
        }, 'prefill': rate[a.prompt, 0],
        'build': f"{rows[0].get('build_commit', '?')} {rows[0].get('build_number', '')}".strip()
    }


def medians(samples):
    return {
        k: statistics.median(s[k] for s in samples) if isinstance(v, (int, float)) else v
        for k, v in samples[0].items()
    }


def ratios(ours, theirs):
    """How many times as fast Apus is, for decode, prefill and passes of n tokens."""
    each = [{'decode': o['decode'] / t['decode'], 'prefill': o['prefill'] / t['prefill'],
             **{f'verify_{n}': t[f'pass_ms_{n}'] / o[f'pass_ms_{n}'] for n in COLUMNS}}
            for o, t in zip(ours, theirs)]
    return medians(each)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('gguf', type=pathlib.Path)
    p.add_argument('blob', type=pathlib.Path)
    p.add_argument('--apus', type=pathlib.Path, default=pathlib.Path('build/release/apus'))
    p.add_argument('--peer', action='append', default=[], metavar='NAME=COMMAND')
    p.add_argument('--peers',
                   type=argparse.FileType(),
                   metavar='FILE',
                   help='the same, a line each (bench/peers/peers.sh); -: standard input')
    p.add_argument('--rounds', type=int, default=5)
    p.add_argument('--seconds', type=int, default=10, help="of each of Apus's runs")
    p.add_argument('--prompt', type=int, default=128)
    p.add_argument('--tokens', type=int, default=16)
    p.add_argument('--threads', type=int, default=2)
    p.add_argument('-o', '--output', type=pathlib.Path)
    a = p.parse_args()
    peers = dict(
        x.split('=', 1) for x in a.peer + (a.peers.read().split('\n') if a.peers else []) if x)
    if not peers and shutil.which('llama-bench'):
        peers = {'llama.cpp': 'llama-bench'}
    if not peers:
        sys.exit(
            'peers: no program to compare with: name a llama-bench with --peer, put one on the '
            'path, or run bench/peers/peers.sh'
        )
    samples = {'apus': [], **{name: [] for name in peers}}
    for turn in range(a.rounds):
        for name in samples:
            samples[name].append(apus(a) if name == 'apus' else llama_bench(a, peers[name]))
            if sys.stderr.isatty():
                print(f'\rround {turn + 1} of {a.rounds}: {name}\033[K', end='', file=sys.stderr)
    if sys.stderr.isatty():
        print('\r\033[K', end='', file=sys.stderr)
    text = json.dumps(
        {
            'model': a.gguf.name,
            'rounds': a.rounds,
            'threads': a.threads,
            'kernel': platform.release(),
            'figures': {
                n: medians(s)
                for n, s in samples.items()
            },
            'apus_over': {
                n: ratios(samples['apus'], s)
                for n, s in samples.items() if n != 'apus'
            }
        },
        indent=1)
    if a.output:
        a.output.write_text(text + '\n')
    print(text)


if __name__ == '__main__':
    main()
