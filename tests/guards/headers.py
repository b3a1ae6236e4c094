"""The public headers compile alone, as C99 and as C++98, without a warning. headers.py SOURCE
COMPILER [C++ COMPILER]"""
import shutil
import subprocess
import sys

source, cc = sys.argv[1:3]
cxx = sys.argv[3] if len(
    sys.argv) > 3 and sys.argv[3] else shutil.which('g++') or shutil.which('clang++')
bad = 0
for header in ('apus.h', 'port.h', 'easy.h', 'trace.h'):
    for compiler, language, standard in ((cc, 'c', 'c99'), (cc, 'c', 'c11'), (cxx, 'c++', 'c++98'),
                                         (cxx, 'c++', 'c++17')):
        if not compiler:
            print('no C++ compiler: %s not tried as %s' % (header, standard))
            continue
        text = '#include "apus/%s"\n#include "apus/%s"\nextern int unused; int unused;\n' % (header,
                                                                                             header)
        r = subprocess.run([
            compiler, '-std=' + standard, '-pedantic-errors', '-Wall', '-Wextra', '-Wundef',
            '-Werror', '-fsyntax-only', '-I', source + '/include', '-x', language, '-'
        ],
                           input=text,
                           text=True,
                           capture_output=True)
        if r.returncode:
            bad += 1
            print('FAIL %s as %s:\n%s' % (header, standard, r.stderr))
sys.exit(1 if bad else 0)
