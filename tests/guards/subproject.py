"""Apus as a folder of another project: it configures, builds without touching that project's names,
and runs.

  subproject.py SOURCE WORK COMPILER
"""
import pathlib
import shutil
import subprocess
import sys

source, work, compiler = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]), sys.argv[3]
shutil.rmtree(work, ignore_errors=True)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit('FAIL %s\n%s%s' % (' '.join(map(str, command)), done.stdout, done.stderr))
    return done.stdout


# The engines that need shaders or drivers add nothing to what is asked here.
run('cmake', '-G', 'Ninja', '-S', source / 'tests/guards/subproject', '-B', work,
    '-DCMAKE_C_COMPILER=' + compiler, '-DCMAKE_BUILD_TYPE=Debug', '-DAPUS_FOLDER=%s' % source,
    '-DAPUS_IGPU=OFF', '-DAPUS_NPU=OFF')
run('cmake', '--build', work)
for program in ('with_apus', 'with_apus_static'):
    print(program, run(work / program).strip())
for left in ('apus', 'apus-pack', 'tests'):
    if (work / 'apus' / left).is_file() or (work / 'apus' / left / 'CMakeFiles').exists():
        sys.exit('FAIL another project that adds Apus builds its %s too' % left)
