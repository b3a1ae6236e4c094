"""The library where addresses have 32 bits: the same ids, logits and states, and APUS_E_SPACE for
what does not fit them.

  narrow.py SOURCE COMPILER TINY_BLOB_PROGRAM WORK

Builds the CPU engine and tests/guards/narrow.c twice, with -m32 and without, and lets both read the
same blobs."""
import concurrent.futures
import os
import pathlib
import subprocess
import sys

source, compiler, writer, work = sys.argv[1:5]
source, work = pathlib.Path(source), pathlib.Path(work)
work.mkdir(parents=True, exist_ok=True)
FLAGS = [
    '-std=c11', '-O1', '-Wall', '-Wextra', '-Werror', '-D_GNU_SOURCE', '-ffp-contract=off',
    '-fno-trapping-math', '-fno-strict-aliasing', '-I',
    str(source), '-I',
    str(source / 'include')
]
ISA = {'avx2': ['-mavx2'], 'avxvnni': ['-mavx2'],
       'avx512': ['-mavx512f', '-mavx512bw', '-mavx512vl', '-mavx512dq', '-mavx512vnni']}
NARROW = ['-m32', '-msse2', '-mfpmath=sse']  # x87 rounds twice
SPACE = -2


def can_build():
    (work / 'empty.c').write_text('#include <stdio.h>\nint main(void) { return 0; }\n')
    built = subprocess.run(
        [compiler, '-m32', str(work / 'empty.c'), '-o',
         str(work / 'empty')], capture_output=True)
    return built.returncode == 0 and subprocess.run([str(work / 'empty')]).returncode == 0


def build(name, flags):
    files = [
        f for folder in ('runtime', 'speculate', 'text', 'weights', 'hal', 'cpu')
        for f in sorted((source / folder).glob('*.c'))
    ]
    files += sorted((source / 'port').glob('posix*.c')) + [source / 'tests/guards/narrow.c']

    def compile_one(file):
        target = work / ('%s_%s_%s.o' % (name, file.parent.name, file.stem))
        subprocess.run([
            compiler, *FLAGS, *flags, *ISA.get(file.stem.split('_')[0], []), '-c',
            str(file), '-o',
            str(target)
        ],
                       check=True)
        return str(target)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_one, files))
    program = work / name
    subprocess.run([compiler, *flags, *objects, '-lpthread', '-o', str(program)], check=True)
    return program


def run(program, blob):
    return subprocess.run([str(program), str(blob)], check=True, capture_output=True,
                          text=True).stdout.splitlines()


if not can_build():
    print('skipped: %s -m32 makes no program that runs here (Debian: gcc-multilib)' % compiler)
    sys.exit(77)
programs = build('narrow', NARROW), build('wide', [])
for name in ('small', 'large'):
    blob = work / (name + '.apus')
    blob.write_bytes(subprocess.run([writer, name], check=True, capture_output=True).stdout)
    narrow, wide = (run(program, blob) for program in programs)
    print('\n'.join(narrow + wide))
    if narrow[-2:] != wide[-2:]:
        sys.exit('%s: other ids, logits or states than with 64 bits' % name)
    if wide[0] != 'all positions: 0' or (name == 'small') != (narrow[0] == 'all positions: 0'):
        sys.exit('%s: all positions were measured otherwise' % name)
    if name == 'large' and ('addresses of this build end at 4294967295' not in narrow[0]
                            or narrow[1] != 'all positions: %d' % SPACE):
        sys.exit('more than 4 GiB were not refused in words')
