#!/usr/bin/env python3
"""parts.py code|prose: prints only the code of the calibration text, or only its prose.

The text consists of excerpts in the order of SOURCES.md, each of whole lines, as long as
weights/tools/calibration_text.py makes them, with an empty line between them."""
import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent.parent.parent / 'weights' / 'calibration'
BYTES, FOREIGN_BYTES = 2200, 1100
DECLARATION = 'Universal Declaration'


def part(kind):
    rows = [
        line.split(' | ')
        for line in (FOLDER / 'SOURCES.md').read_text(encoding='utf-8').splitlines()
        if line.startswith('| ')
    ][1:]
    text, at, out = (FOLDER / 'text').read_bytes(), 0, []
    for language, source, *_ in rows:
        foreign = source.startswith(DECLARATION) and language != '| eng'
        end = text.find(b'\n', at + (FOREIGN_BYTES if foreign else BYTES)) + 1
        if not end or text[end:end + 1] not in (b'\n', b''):
            sys.exit(f'parts: no excerpt ends behind byte {at} of the text')
        prose = source.startswith(DECLARATION) or language == '| English'
        if prose == (kind == 'prose'):
            out.append(text[at:end])
        at = end + 1
    if at < len(text):
        sys.exit(f'parts: {len(text) - at} bytes are left behind the last excerpt')
    return b'\n'.join(out)


if __name__ == '__main__':
    sys.stdout.buffer.write(part(sys.argv[1]))
