"""Addresses of 32 bits change no bit: what two builds make of a tiny model, and of the pair that
ships, with sampling and with proposals.

  same_bits.py WIDE_BUILD NARROW_BUILD

Exit status 77, with the reason, where there is no build with addresses of 64 bits."""
import json
import pathlib
import subprocess
import sys

wide, narrow = map(pathlib.Path, sys.argv[1:])
PAIR = pathlib.Path(__file__).resolve().parents[2] / 'weights' / 'models' / 'pair'
PROMPT = 'def count_words(path):\n    counts = {}\n'
RUNS = [(), ('--temp', '0.8', '--seed', '5', '-d', PAIR / 'draft.apus', '--draft-tokens', '3')]


def output(*command):
    return subprocess.run(list(map(str, command)), check=True, capture_output=True,
                          text=True).stdout


def seen(build):
    """What is to be the same."""
    found = [output(build / 'tests' / 'narrow' / 'bits')]
    for options in RUNS:
        run = json.loads(
            output(build / 'apus', 'run', PAIR / 'target.apus', PROMPT, '-n', 24, '--ignore-eos',
                   '--threads', 1, '--json', *options))
        found.append((run['ids'], run['logits_hash']))
    return found


def address_bits(build):
    return 32 * (build / 'apus').read_bytes()[4]  # EI_CLASS of an ELF file


for path in ('apus', 'tests/narrow/bits'):
    if not (wide / path).exists():
        print('skipped: %s is not there; cmake --preset release and build it first' % (wide / path))
        sys.exit(77)
if (address_bits(wide), address_bits(narrow)) != (64, 32):
    sys.exit('%s and %s have addresses of %d and %d bits, must be 64 and 32' %
             (wide, narrow, address_bits(wide), address_bits(narrow)))
for a, b in zip(seen(wide), seen(narrow)):
    print('64 bits: %s\n32 bits: %s' % (a, b))
    if a != b:
        sys.exit('the two must be the same')
