#!/usr/bin/env python3
"""control_code.py WRITER FOLDER: checks control code of npu/gemv.c with AMD's own assembler and
disassembler.

WRITER (npu_write_code) writes every stream to FOLDER twice: as bytes, and as text that is written
from what its operations mean here. Then
  - aiebu-asm takes the bytes apart (every address patch has its descriptor, no operation is
    unknown) and keeps them as they are,
  - the buffers' addresses that it finds to patch are the ones meant: argument, offset, and the
    descriptor's place and length,
  - aiebu-dump's text of them is the writer's text,
  - aiebu-asm makes the same bytes from the writer's text, but for the header's generation, which it
    knows one of,
and streams with a changed word must be recognised as wrong. Exit status 77 without the tools
(Debian unstable: libxrt-utils-npu)."""
import shutil
import struct
import subprocess
import sys
from pathlib import Path

GENERATION_BYTE = 2
FIRST_ARGUMENT = 3  # of a kernel in AMD's runtime: opcode, control code and its length come before
ARGUMENT_PATCH = 5  # an address of 48 bits in a shim's descriptor


class Wrong(Exception):
    pass


def check(good, what):
    if not good:
        raise Wrong(what)


def tool(*words):
    try:
        run = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=5)
    except subprocess.TimeoutExpired:
        raise Wrong(f'{words[0]} does not come to an end') from None # an operation of no bytes
    check(run.returncode == 0, f'{words[0]} fails: {(run.stdout + run.stderr)[-300:]}')
    return run.stdout


class Elf:
    """The sections of a 32-bit ELF file."""

    def __init__(self, path):
        data = path.read_bytes()
        table, = struct.unpack_from('<I', data, 32)
        size, count, strings = struct.unpack_from('<HHH', data, 46)
        headers = [struct.unpack_from('<10I', data, table + i * size) for i in range(count)]
        names = data[headers[strings][4]:][:headers[strings][5]]
        self.section = {text_at(names, h[0]): data[h[4]:h[4] + h[5]] for h in headers}

    def patches(self):
        """(place of the descriptor, argument, offset, bytes that the descriptor moves) in the order
        of places"""
        check('.rela.dyn' in self.section, 'no address is patched')
        strings = self.section['.dynstr']
        symbols = [
            (text_at(strings, name), size)
            for name, _, size, _, _, _ in struct.iter_unpack('<IIIBBH', self.section['.dynsym'])
        ]
        found = []
        for place, info, offset in struct.iter_unpack('<IIi', self.section['.rela.dyn']):
            check(info & 255 == ARGUMENT_PATCH, f'a patch of kind {info & 255}')
            name, size = symbols[info >> 8]
            found.append((place, int(name) - FIRST_ARGUMENT, offset, size))
        return sorted(found)


def text_at(strings, at):
    return strings[at:strings.index(0, at)].decode()


def lines(text):
    """Operations and columns of an assembler text, without layout and comments."""
    found = (' '.join(line.split(';')[0].split()) for line in text.splitlines())
    return [line for line in found if line.startswith(('XAIE', '.attach'))]


def meant_patches(text):
    """The same as Elf.patches, from the writer's text: each patch's descriptor is the block before
    it, whose first word is its length."""
    at, found = 16, []
    for line in lines(text):
        words = line.replace(',', '').split()
        if words[0] == 'XAIE_IO_BLOCKWRITE':
            at += 16
            block = at
        elif words[0].startswith('XAIE_IO_BLOCKWRITE.'):
            length = int(words[1], 16) if at == block else length
            at += 4
        elif words[0] == 'XAIE_IO_CUSTOM_OP_DDR_PATCH':
            found.append((block, int(words[2][1:]), int(words[3][1:], 16), length * 4))
            at += 48
        else:
            at += {
                'XAIE_IO_WRITE': 24,
                'XAIE_IO_CUSTOM_OP_TCT': 16,
                '.attach_to_group': 0
            }[words[0]]
    return sorted(found)


def compare(code, text, scratch):
    """A stream's bytes with its text. How many patches it has."""
    binary, source, elf = scratch / 'code.bin', scratch / 'code.asm', scratch / 'code.elf'
    binary.write_bytes(code)
    source.write_text(text)
    tool('aiebu-asm', '-t', 'aie2txn', '-c', binary, '-o', elf)
    taken = Elf(elf)
    check(taken.section['.ctrltext'] == code, 'aiebu-asm changes the bytes')
    check(taken.patches() == meant_patches(text), 'aiebu-asm finds other addresses to patch')
    got, want = lines(tool('aiebu-dump', '-d', elf)), lines(text)
    for a, b in zip(got, want):
        check(a == b, f'aiebu-dump reads {a}, and the writer {b}')
    check(
        len(got) == len(want), f'aiebu-dump reads {len(got)} lines, and the writer has {len(want)}')
    tool('aiebu-asm', '-t', 'aie2asm', '-c', source, '-o', elf)
    made = bytearray(Elf(elf).section['.ctrltext'])
    check(made[GENERATION_BYTE] == 4, 'aiebu-asm writes another generation')
    made[GENERATION_BYTE] = code[GENERATION_BYTE]
    check(bytes(made) == code, 'aiebu-asm makes other bytes from the text')
    return len(taken.patches())


def words_are_noticed(code, text, scratch):
    """Where a bit of each of the first words was changed and nothing noticed."""
    missed = []
    for at in range(0, min(len(code), 1200), 4):
        changed = bytearray(code)
        changed[at] ^= 0x10
        try:
            compare(bytes(changed), text, scratch)
            missed.append(at)
        except Wrong:
            pass
    return missed


def main():
    writer, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    for name in ('aiebu-asm', 'aiebu-dump'):
        if not shutil.which(name):
            print(f'skipped: {name} is not installed (Debian unstable: libxrt-utils-npu)')
            return 77
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tool(writer, folder)
    streams = sorted(folder.glob('*.bin'))
    failed = patches = 0
    for stream in streams:
        try:
            patches += compare(stream.read_bytes(), stream.with_suffix('.asm').read_text(), folder)
        except Wrong as wrong:
            failed += 1
            print(f'{stream.name}: {wrong}')
    small = folder / 'xdna1-w4-48x64-1.bin'
    missed = words_are_noticed(small.read_bytes(), small.with_suffix('.asm').read_text(), folder)
    print(
        f'{len(streams)} streams, {sum(s.stat().st_size for s in streams)} bytes, {patches} '
        f'patches; {failed} differ'
    )
    print(f'words of {small.name} whose change goes unnoticed: {missed}')
    return 1 if failed or missed or not streams else 0


if __name__ == '__main__':
    sys.exit(main())
