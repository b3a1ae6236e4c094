"""The extension module apus._native: the runtime as one file (toolchain/amalgamate.py), and the
public header as cffi reads it. The C compiler sees the header itself, so that the sizes of structs
are never written down twice."""
import pathlib
import re
import subprocess
import sys

import cffi

HERE = pathlib.Path(__file__).resolve().parent
MADE = HERE / 'build' / 'amalgamation'


def declarations(header):
    """The header without what cffi does not read: comments, directives, attributes."""
    text = re.sub(r'/\*.*?\*/', ' ', header, flags=re.S)
    text = re.sub(r'^#ifdef __cplusplus\n.*?^#endif\n', '', text, flags=re.M | re.S)
    text = re.sub(r'^#.*\n', '', text, flags=re.M)
    return text.replace('APUS_API ', '')


subprocess.run([sys.executable, HERE.parents[1] / 'toolchain' / 'amalgamate.py', MADE], check=True)
ffi = cffi.FFI()
ffi.cdef(declarations((MADE / 'apus.h').read_text()) +
         'extern "Python" void apus_python_log(void *user, int level, const char *text);')
ffi.set_source('apus._native', '''#include "apus.h"
static void apus_python_log(void *user, int level, const char *text);
''', sources=['build/amalgamation/apus.c'], include_dirs=['build/amalgamation'],
               libraries=['pthread'] if sys.platform == 'linux' else [], py_limited_api=False)
