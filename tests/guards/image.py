"""What an image without an operating system links: the whole of libapus.a with no libc.

  image.py LIBAPUS.A WORK COMPILER [FLAGS...]

Links every object of it into a program and nothing else, so that nothing may be undefined, once
with its own memory functions and once with the image's, and reports and bounds the sizes: code at
most 256 KiB, read-only data at most 128 KiB, and nothing that is written."""
import pathlib
import re
import subprocess
import sys

CODE_MOST, READ_ONLY_MOST = 256 << 10, 128 << 10
OWN = '''
#include <stddef.h>
void *memcpy(void *restrict to, const void *restrict from, size_t n) {
    for (size_t i = 0; i < n; i++) ((volatile char *)to)[i] = ((const char *)from)[i];
    return to;
}
'''

library, work, compiler = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:]
work.mkdir(parents=True, exist_ok=True)
failures = 0


def fail(text):
    global failures
    failures += 1
    print('FAIL ' + text)


def link(name, *inputs):
    out = work / name
    run = subprocess.run(
        [*compiler, '-ffreestanding', '-nostdlib', '-static', '-Wl,-e,apus_version', '-o', out,
         *inputs, '-Wl,--whole-archive', library], capture_output=True, text=True)
    if run.returncode:
        fail('the library does not link without libc:\n' + run.stderr)
    return out


(work / 'own.c').write_text(OWN)
link('own.elf', work / 'own.c')
image = link('image.elf')
if failures:
    sys.exit(1)

code = read_only = written = 0
listing = subprocess.run(['readelf', '-S', '-W', image], check=True, capture_output=True,
                         text=True).stdout
for name, size, flags in re.findall(
        r'\[\s*\d+\]\s+(\.\S+)\s+\S+\s+[0-9a-f]+\s+[0-9a-f]+\s+([0-9a-f]+)\s+\S+\s+([WAX]+)',
        listing):
    size = int(size, 16)
    print('%8d  %s %s' % (size, name, flags))
    if 'X' in flags:
        code += size
    elif 'W' not in flags or name.startswith(('.data.rel.ro', '.got')):
        read_only += size  # pointers that are filled in once, where an image is moved
    else:
        written += size
print('code %d of %d bytes, read-only data %d of %d bytes' %
      (code, CODE_MOST, read_only, READ_ONLY_MOST))
if not 100000 < code <= CODE_MOST:
    fail('code takes %d bytes; at most %d were expected' % (code, CODE_MOST))
if not 50000 < read_only <= READ_ONLY_MOST:
    fail('read-only data takes %d bytes; at most %d were expected' % (read_only, READ_ONLY_MOST))
if written:
    fail('%d bytes are written: the library keeps state' % written)
sys.exit(1 if failures else 0)
