"""A whole model on the GPU engine: prompt and generation must have the CPU's ids and logits, with
all optional features, with none, and with some layers on the CPU.

  whole.py BUILD MODEL.gguf|DIRECTORY|MODEL.apus

Exit status 77 if there is no device or no model."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

PROMPT = 'def fibonacci(n):\n    """The n-th number of Fibonacci, counted from 0."""\n'


def run(*command):
    r = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if r.returncode:
        sys.exit('%s failed: %s' % (' '.join(map(str, command)), r.stderr.strip()))
    return r.stdout


def main(build, model):
    build, model = pathlib.Path(build), pathlib.Path(model)
    engines = json.loads(run(build / 'apus', 'probe', '--json'))['engines']
    if not any(e['engine'] == 'igpu' and e['available'] for e in engines):
        print('skipped: the igpu engine cannot run here')
        return 77
    if not model.exists():
        print('skipped: %s is not there (sh toolchain/model.sh)' % model)
        return 77
    with tempfile.TemporaryDirectory(dir='/var/tmp') as folder:
        for weights in ('int8', 'int4'):
            blob = model
            if model.suffix != '.apus':
                blob = os.path.join(folder, weights + '.apus')
                run(build / 'apus-pack', model, '-o', blob, '--weights', weights, '--no-calibrate')
            common = (build / 'apus', 'run', '-m', blob, '-p', PROMPT, '-n', 6, '--ignore-eos',
                      '--json')
            want = json.loads(run(*common))
            layers = len(json.loads(run(build / 'apus', 'info', blob, '--json'))['layers'])
            for how in (['igpu'], ['igpu', '--device',
                                   ',-dot,-import,-matrix'], ['igpu:%d,cpu' % (layers // 2)]):
                got = json.loads(run(*common, '--engine', *how))
                same = all(got[key] == want[key] for key in ('ids', 'logits_hash', 'text'))
                print('%s %s: %s, prompt of %d at %.1f tokens/s, then %.2f' %
                      (blob, ' '.join(how), 'the same' if same else 'DIFFERS', got['prompt_tokens'],
                       got['prefill_tps'], got['decode_tps']),
                      flush=True)
                if not same or got['engine'] != how[0]:
                    return 1
            if model.suffix == '.apus':
                break
    return 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:3]))
