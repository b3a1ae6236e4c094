"""The runtime as one file (toolchain/amalgamate.py): compiled as people who carry it with them do,
it gives the logits of the library; compiled with -ffast-math it refuses to open a model and says
why; a program sees nothing of it but the public functions.

  amalgamation_test.py APUS CC WORK     60 seconds of processor time"""
import json
import pathlib
import re
import shutil
import subprocess
import sys

APUS, CC, WORK = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
SOURCE = pathlib.Path(__file__).resolve().parents[2]
MODEL = SOURCE / 'weights/models/pair/target.apus'
PROMPT = 'def is_connected(G):\n    """Returns'
CONTRACT = -14
failures = 0


def check(good, text):
    global failures
    if not good:
        failures += 1
        print('FAIL ' + text)


def run(*command):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True)


def need(*command):
    done = run(*command)
    if done.returncode:
        sys.exit('FAIL %s\n%s%s' % (' '.join(map(str, command)), done.stdout, done.stderr))
    return done.stdout


def compiled(compiler, *flags):
    """The program, and its object of apus.c; None where the machine cannot make it."""
    name = re.sub(r'\W', '_', ' '.join((pathlib.Path(compiler).name,) + flags))
    of_apus, program = WORK / (name + '.o'), WORK / name
    done = run(compiler, *flags, '-c', WORK / 'apus.c', '-o', of_apus)
    check(done.returncode == 0 and not done.stderr,
          'apus.c with %s %s: expected no word of the compiler, found\n%s' % (
              compiler, ' '.join(flags), done.stderr[:2000]))
    need(compiler, *flags, '-I', WORK, SOURCE / 'tests/install/vendored.c', of_apus, '-lpthread',
         '-o', program)
    return program, of_apus


def same_logits(compiler, *flags):
    program, of_apus = compiled(compiler, *flags)
    done = run(program, MODEL, PROMPT)
    found = done.stdout, done.stderr.strip()
    check(found == expected, '%s %s: expected %r, found %r' % (compiler, ' '.join(flags), expected,
                                                               found))
    return of_apus


shutil.rmtree(WORK, ignore_errors=True)
need(sys.executable, SOURCE / 'toolchain/amalgamate.py', WORK, CC)
told = json.loads(need(APUS, 'run', '-m', MODEL, '-p', PROMPT, '-n', 24, '--json'))
expected = told['text'], told['logits_hash']

of_apus = same_logits(CC, '-O2', '-Wall', '-Wextra')
shown = {line.split()[-1] for line in need('nm', '-g', '--defined-only', of_apus).splitlines()}
strange = sorted(n for n in shown if not n.startswith('apus_'))
check(not strange, 'names that a program may have are visible: %s' % ' '.join(strange))
needed = {line.split()[-1] for line in need('nm', '-u', of_apus).splitlines()}
calls = {'malloc', 'calloc', 'realloc', 'free', 'abort', 'exit', '__assert_fail', 'printf', 'puts'}
check(not needed & calls, 'it calls %s' % ' '.join(sorted(needed & calls)))

same_logits(CC, '-O3', '-march=native')
# the firmware's: no service of a system
done = run(CC, '-O1', '-DAPUS_PORT_NONE', '-ffreestanding', '-c', WORK / 'apus.c', '-o',
           WORK / 'none.o')
check(done.returncode == 0, 'APUS_PORT_NONE: ' + done.stderr[:2000])
needed = {line.split()[-1] for line in need('nm', '-u', WORK / 'none.o').splitlines()}
needed -= {'memcpy', 'memset', 'memmove', 'memcmp', 'strlen', '_GLOBAL_OFFSET_TABLE_'}
check(not needed, 'without a system it needs %s' % ' '.join(sorted(needed)))
# another kind of machine, without optimizing: nothing may rest on what a compiler finds unused
narrow = ('-O0', '-m32', '-msse2', '-mfpmath=sse')
(WORK / 'narrow.c').write_text('#include <stdio.h>\nint main(void) { return !puts(""); }\n')
if run(CC, *narrow, WORK / 'narrow.c', '-o', WORK / 'narrow').returncode == 0:
    same_logits(CC, *narrow)
clang = shutil.which('clang')
if clang:
    # AArch64, as far as it can be looked at here: compiled, without a system and its headers
    for march in ((), ('-march=armv8.2-a+dotprod',)):
        done = run(clang, '--target=aarch64-none-elf', *march, '-O1', '-ffreestanding', '-isystem',
                   SOURCE / 'port/bare', '-DAPUS_PORT_NONE', '-c', WORK / 'apus.c', '-o',
                   WORK / 'aarch64.o')
        check(done.returncode == 0, 'AArch64 %s: %s' % (march, done.stderr[:2000]))
if clang and 'clang' not in CC:
    same_logits(clang, '-O3', '-march=native', '-fno-strict-aliasing')

program, _ = compiled(CC, '-O2', '-ffast-math')
done = run(program, MODEL, PROMPT)
check(done.returncode == 1 and done.stderr.endswith(
    '%d: this build or machine does not round as the numeric contract needs\n' % CONTRACT),
      '-ffast-math: expected the model to be refused, found %d %s' % (done.returncode,
                                                                     done.stderr))
check('build without -ffast-math' in done.stderr,
      '-ffast-math: the log does not name the flag: ' + done.stderr)
sys.exit(1 if failures else 0)
