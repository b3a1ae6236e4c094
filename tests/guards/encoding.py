"""Which instructions a file of kernels holds, read with objdump: AVX-VNNI's run on processors
without AVX-512, and no machine that tests here has to have AVX-VNNI, so that nothing else would
notice an instruction in the wrong encoding.

  encoding.py LIBAPUS.A
"""
import re
import subprocess
import sys

OBJECTS = ('avxvnni_gemv.c.o', 'avxvnni_table.c.o')
WIDE = re.compile(r'%zmm|%k[0-7]|%[xy]mm(1[6-9]|2\d|3[01])\b')
EVEX = 0x62  # the first byte, in 64-bit code that of nothing else


def instructions(archive, name):
    """[(bytes, text)] of one object of the archive."""
    listing = subprocess.run(['objdump', '-d', '-w', '--no-addresses', archive],
                             check=True,
                             capture_output=True,
                             text=True).stdout
    found, inside = [], False
    for line in listing.splitlines():
        if line.endswith('file format elf64-x86-64'):
            inside = line.startswith(name + ':')
        columns = line.split('\t')
        if inside and len(columns) == 3:
            found.append((bytes.fromhex(columns[1]), columns[2]))
    return found


def prefix(code):
    """The first byte that is no legacy prefix."""
    return next((b for b in code
                 if b not in (0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, 0xf0)), 0)


def main():
    archive = sys.argv[1]
    failed = 0
    dots = 0
    for name in OBJECTS:
        code = instructions(archive, name)
        if not code:
            print('FAIL %s is not in %s' % (name, archive))
            failed = 1
        for encoded, text in code:
            if 'vpdpbusd' in text:
                dots += 1
                if encoded[0] != 0xc4:
                    print('FAIL %s: vpdpbusd in another encoding than VEX: %s' % (name, text))
                    failed = 1
            if prefix(encoded) == EVEX or WIDE.search(text):
                print('FAIL %s needs AVX-512: %s' % (name, text))
                failed = 1
    # by this very reading the AVX-512 kernels have what must not be found above
    if not any(
            prefix(encoded) == EVEX and WIDE.search(text)
            for encoded, text in instructions(archive, 'avx512_gemv_grouped.c.o')):
        print('FAIL no EVEX instruction found where there are some: objdump is not understood')
        failed = 1
    if not dots:
        print('FAIL no vpdpbusd in the AVX-VNNI kernels')
        failed = 1
    print('%d vpdpbusd, all in VEX' % dots if not failed else 'failed')
    return failed


sys.exit(main())
