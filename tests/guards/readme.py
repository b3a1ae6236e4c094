"""The program in README.md compiles without a warning, links with the library and prints what `apus
run` prints.

  readme.py SOURCE COMPILER LIBAPUS.A WORK [APUS TINY_BLOB_PROGRAM]"""
import pathlib
import re
import subprocess
import sys

source, compiler, library, work = sys.argv[1:5]
text = re.search(r'```c\n(.*?)```', (pathlib.Path(source) / 'README.md').read_text(),
                 flags=re.S).group(1)
work = pathlib.Path(work)
work.mkdir(parents=True, exist_ok=True)
(work / 'readme.c').write_text(text)
subprocess.run([
    compiler, '-std=c11', '-Wall', '-Wextra', '-Wpedantic', '-Werror', '-I', source + '/include',
    str(work / 'readme.c'), library, '-lpthread', '-o',
    str(work / 'readme')
],
               check=True)
if len(sys.argv) > 5:
    apus, writer = sys.argv[5:7]
    blob = work / 'tiny.apus'
    blob.write_bytes(subprocess.run([writer], check=True, capture_output=True).stdout)
    shown = subprocess.run([str(work / 'readme'), str(blob), 'def add(a, b):'],
                           check=True,
                           capture_output=True).stdout
    import json
    told = json.loads(
        subprocess.run([apus, 'run', '-m',
                        str(blob), '-p', 'def add(a, b):', '-n', '32', '--json'],
                       check=True,
                       capture_output=True).stdout)
    if shown.decode(errors='replace') != told['text'] or not shown:
        sys.exit('the program prints %r, apus run %r' % (shown, told['text']))
