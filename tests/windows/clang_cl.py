"""The public headers compile with clang-cl, for x86-64 and for Arm, as C and as C++, without a
warning. clang_cl.py SOURCE

Exit status 77 where there is no clang. Microsoft's own headers are not here: easy.h, which includes
<stdlib.h>, is left to MinGW, which compiles it in the build for Windows."""
import shutil
import subprocess
import sys

clang = shutil.which('clang')
if not clang:
    print('skipped: there is no clang')
    sys.exit(77)
bad = 0
for target in ('x86_64-pc-windows-msvc', 'aarch64-pc-windows-msvc'):
    for header in ('apus.h', 'port.h', 'trace.h'):
        for language in (['/TC'], ['/TC', '/std:c11'], ['/TP'], ['/TP', '/std:c++20']):
            text = '#include "apus/%s"\n#include "apus/%s"\nextern int unused;\n' % (header, header)
            r = subprocess.run([
                clang, '--driver-mode=cl', '--target=' + target, '/W4', '/WX', '/Zs',
                '/clang:-ffreestanding', '-Wundef', '-Wpedantic', '/I', sys.argv[1] + '/include',
                *language, '-'
            ], input=text, text=True, capture_output=True)
            if r.returncode:
                bad += 1
                print('FAIL %s as %s for %s:\n%s' % (header, language, target, r.stderr))
sys.exit(1 if bad else 0)
