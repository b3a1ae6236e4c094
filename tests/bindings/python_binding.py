"""The Python package: a wheel is built with the library inside, installed in an environment of its
own, checked by mypy, tested, and its example writes what `apus run` writes.

  python_binding.py APUS WORK     45 seconds of processor time, most of it the compiler's

Skipped where the Python package index, which has cffi, cannot be reached."""
import json
import os
import pathlib
import shutil
import subprocess
import sys

APUS, WORK = sys.argv[1], pathlib.Path(sys.argv[2])
SOURCE = pathlib.Path(__file__).resolve().parents[2]
PACKAGE, PAIR = SOURCE / 'bindings/python', SOURCE / 'weights/models/pair'
PROMPT = 'def is_connected(G):\n    """Returns'


def run(*command, **options):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)


def need(*command, **options):
    done = run(*command, **options)
    if done.returncode:
        sys.exit('FAIL %s\n%s%s' % (' '.join(map(str, command)), done.stdout, done.stderr))
    return done.stdout


python = WORK / 'venv/bin/python'
pip = [python, '-m', 'pip', '-q', '--disable-pip-version-check', '--retries', '1']
shutil.rmtree(WORK, ignore_errors=True)
need(sys.executable, '-m', 'venv', WORK / 'venv')
done = run(*pip, 'install', '--timeout', '20', 'cffi', 'setuptools>=68', 'wheel', 'mypy')
if done.returncode:
    print(done.stderr)
    print('skipped: the Python package index does not give cffi and setuptools')
    sys.exit(77)
need(*pip, 'wheel', '--no-deps', '--no-build-isolation', '-w', WORK, PACKAGE)
wheel = next(WORK.glob('apus-*.whl'))
need(*pip, 'install', '--no-deps', wheel)

listed = need(python, '-m', 'zipfile', '-l', wheel)
assert '_native.' in listed and 'py.typed' in listed, listed
native = next((WORK / 'venv').rglob('apus/_native*.so'))
needed = need('readelf', '-d', native)
assert 'libapus' not in needed, 'the library is not inside: ' + needed
need(python, '-m', 'mypy', '--strict', 'apus', 'examples', 'tests', '--cache-dir', WORK / 'mypy',
     cwd=PACKAGE)

told = json.loads(need(APUS, 'run', '-m', PAIR / 'target.apus', '-p', PROMPT, '-n', 24, '--json'))
environment = dict(os.environ, APUS_PAIR=str(PAIR), APUS_TEXT=told['text'],
                   APUS_HASH=told['logits_hash'], PYTHONDONTWRITEBYTECODE='1')
done = run(python, '-m', 'unittest', 'discover', '-s', PACKAGE / 'tests', env=environment, cwd=WORK)
print(done.stderr)
if done.returncode:
    sys.exit(1)
for draft in ([], [PAIR / 'draft.apus']):
    text = need(python, PACKAGE / 'examples/write_text.py', PAIR / 'target.apus', PROMPT, *draft,
                cwd=WORK)
    assert text == told['text'], (text, told['text'])
