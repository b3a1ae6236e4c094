"""What a runtime's libraries bring into a program: the table of docs/embedding.md.

  embedding.py LIBRARY...       of each: bytes, call instructions that end the process and that
                                throw; then the shared objects that all of them need together

Calls of the process's end are those of abort, exit, terminate, llama.cpp's ggml_abort and
ExecuTorch's runtime_abort. Strip the files first. Allocations: count_allocations.c."""
import collections
import os
import re
import subprocess
import sys

ENDS = {'abort', 'exit', '_exit', 'ggml_abort', '__assert_fail', '_ZSt9terminatev'}


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


needed = set()
total = collections.Counter()
for library in sys.argv[1:]:
    count = collections.Counter(bytes=os.path.getsize(library))
    for line in output('objdump', '-d', '--no-show-raw-insn', library).splitlines():
        called = re.search(r'(?:call|jmp)\s+\S+ <([^>+]*?)(?:@plt)?>', line)
        name = called.group(1).split('@')[0] if called else ''
        count['end'] += name in ENDS or 'runtime_abort' in name
        count['throw'] += name == '__cxa_throw' or '__throw' in name
    needed |= set(re.findall(r'NEEDED.*\[(.*?)\]', output('readelf', '-d', library)))
    total += count
    print('%s: %d bytes, %d calls that end, %d that throw' % (
        os.path.basename(library), count['bytes'], count['end'], count['throw']))
print('together: %d bytes, %d calls that end, %d that throw' % (
    total['bytes'], total['end'], total['throw']))
print('need: ' + ' '.join(sorted(needed)))
