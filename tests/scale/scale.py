#!/usr/bin/env python3
"""Writes a full-size random checkpoint, packs it to int4, maps and runs it, and prints one JSON
line of figures.

    scale.py SHAPE --build BUILD_DIR [--python PYTHON_WITH_NUMPY] [--work DIR] [--keep]

Fails if packing takes 2 GB of memory or more, if the blob does not verify, or if a run does not
give the tokens asked for. Exit status 77 where numpy, gguf or the disk space is missing."""
import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

RSS_LIMIT_KB = 2_000_000
SHAPES = {  # name -> bytes of disk that the source and the blob need
    'codellama-7b': 28e9,
    'decilm-6b': 28e9,
    'gpt-oss-20b': 28e9,
    'qwen3-coder-30b-a3b': 36e9
}
AS_GGUF = ('qwen3-coder-30b-a3b',)  # whose checkpoint would be 61 GB


def timed(command):
    """Runs a command; returns its standard output, seconds and peak resident kilobytes."""
    began = time.monotonic()
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        sys.exit(
            f'{pathlib.Path(str(command[0])).name} failed with status '
            f'{os.waitstatus_to_exitcode(status)}'
        )
    return out, time.monotonic() - began, usage.ru_maxrss


def skip(why):
    print('skipped:', why)
    sys.exit(77)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('shape', choices=SHAPES)
    p.add_argument('--build', type=pathlib.Path, required=True)
    p.add_argument('--python', default='')
    p.add_argument('--work', type=pathlib.Path)
    p.add_argument('--keep', action='store_true', help='keep the checkpoint and the blob in --work')
    a = p.parse_args()
    python = a.python or sys.executable
    if subprocess.run([python, '-c', 'import gguf'], stderr=subprocess.DEVNULL).returncode:
        skip('numpy or gguf is missing; sh toolchain/setup.sh tests installs it')
    work = a.work or pathlib.Path(tempfile.mkdtemp(prefix='apus-scale-', dir='/var/tmp'))
    work.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(work).free < SHAPES[a.shape]:
        skip(f'{work} has less than {SHAPES[a.shape] / 1e9:.0f} GB free')
    source, blob, report = work / a.shape, work / (a.shape + '.apus'), work / 'report.json'
    maker, made = 'random_checkpoint.py', source / 'config.json'
    if a.shape in AS_GGUF:
        maker, source = 'random_experts.py', source.with_suffix('.gguf')
        made = source
    try:
        if not made.exists():
            timed([python, f'weights/tools/{maker}', a.shape, source])
        files = [source] if source.is_file() else source.glob('*.safetensors')
        source_bytes = sum(f.stat().st_size for f in files)
        _, pack_seconds, pack_rss = timed([
            a.build / 'apus-pack', source, '-o', blob, '--weights', 'int4', '--no-calibrate',
            '--report', report
        ])
        info = json.loads(timed([a.build / 'apus', 'info', blob, '--verify', '--json'])[0])
        ids = ','.join(str(7 + 31 * i % 30000) for i in range(20))
        out, _, run_rss = timed([
            a.build / 'apus', 'run', '-m', blob, '--ids', ids, '-n', 24, '--ctx', 512,
            '--ignore-eos', '--json'
        ])
        run = json.loads(out)
    finally:
        if not a.keep and not a.work:
            shutil.rmtree(work)
    cpu = re.search(r'model name\s*: (.*)', pathlib.Path('/proc/cpuinfo').read_text())
    print(
        json.dumps(
            dict(shape=a.shape,
                 machine=cpu.group(1) if cpu else '',
                 cores=os.cpu_count(),
                 source_bytes=source_bytes,
                 pack_seconds=round(pack_seconds, 1),
                 pack_rss_mb=pack_rss // 1024,
                 blob_bytes=info['bytes'],
                 bits_per_weight=round(info['bits_per_weight'], 3),
                 run_rss_mb=run_rss // 1024,
                 arena_bytes=run['arena_bytes'],
                 decode_tps=round(run['decode_tps'], 2),
                 prefill_tps=round(run['prefill_tps'], 2),
                 weight_gb_per_s=round(run['weight_gb_per_s'], 2),
                 first_token_ms=round(run['first_token_ms']),
                 cpu=run['cpu'],
                 threads=run['threads'])))
    if pack_rss >= RSS_LIMIT_KB:
        sys.exit(f'packing took {pack_rss} kB of memory, {RSS_LIMIT_KB} kB is the limit')
    if len(run['ids']) != 24:
        sys.exit(f'asked for 24 tokens, got {len(run["ids"])}')


main()
