"""The Rust crates: built, tested (what must not compile, too), and their example writes what `apus
run` writes.

  rust_binding.py APUS WORK     50 seconds of processor time, most of it bindgen's compilation

Skipped without cargo of Rust 1.70 or newer (bindgen's need), without libclang, or where the
registry of crates cannot be reached."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

APUS, WORK = sys.argv[1], pathlib.Path(sys.argv[2])
SOURCE = pathlib.Path(__file__).resolve().parents[2]
CRATES, PAIR = SOURCE / 'bindings/rust', SOURCE / 'weights/models/pair'
PROMPT = 'def is_connected(G):\n    """Returns'


def run(*command, **options):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)


def need(*command, **options):
    done = run(*command, **options)
    if done.returncode:
        sys.exit('FAIL %s\n%s%s' % (' '.join(map(str, command)), done.stdout, done.stderr))
    return done.stdout


def skip(why):
    print('skipped: ' + why)
    sys.exit(77)


if not shutil.which('cargo'):
    skip('cargo is not installed')
version = re.search(r'(\d+)\.(\d+)', run('cargo', '--version').stdout)
if not version or (int(version[1]), int(version[2])) < (1, 70):
    skip('bindgen needs Rust 1.70 or newer')
environment = dict(os.environ, CARGO_TARGET_DIR=str(WORK), APUS_PAIR=str(PAIR))
done = run('cargo', 'fetch', '-q', cwd=CRATES, env=environment)
if done.returncode:
    print(done.stderr)
    skip('the registry of crates does not give bindgen and cc')

told = json.loads(need(APUS, 'run', '-m', PAIR / 'target.apus', '-p', PROMPT, '-n', 24, '--json'))
environment.update(APUS_TEXT=told['text'], APUS_HASH=told['logits_hash'])
done = run('cargo', 'test', '--release', '-q', '--workspace', '--exclude', 'apus-sys', '-j', '2',
           cwd=CRATES, env=environment)
if 'Unable to find libclang' in done.stderr:
    skip('libclang is not installed')
print(done.stdout)
passed = sum(map(int, re.findall(r'(\d+) passed', done.stdout)))
if done.returncode or 'warning' in done.stderr:
    sys.exit('FAIL cargo test\n' + done.stderr)
if passed < 7:
    sys.exit('FAIL expected 4 tests and 3 of the documentation, found %d' % passed)
need('cargo', 'build', '--release', '-q', '-p', 'apus', '--examples', cwd=CRATES, env=environment)
for draft in ([], [PAIR / 'draft.apus']):
    text = need(WORK / 'release/examples/write_text', PAIR / 'target.apus', PROMPT, *draft)
    assert text == told['text'], (text, told['text'])
