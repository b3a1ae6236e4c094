"""Every line of every tracked text is at most 100 columns wide: sources, scripts, build files,
manual pages and documents. README.md has at most 120 lines.

Free are lines that cannot be cut: in documents rows of tables, formulas and commands (not in
README.md), and what EXEMPT names, each for its reason.

  width.py SOURCE
"""
import fnmatch
import pathlib
import subprocess
import sys

WIDTH, README_LINES = 100, 120
EXEMPT = {
    '*.svg': 'drawn by a program',
    'bench/*.json': 'prompts, as they are',
    'docs/*.json': 'measured figures',
    'weights/*.json': 'what packers and training wrote',
    '*.apus': 'binary',
    '*.png': 'binary',
    'abi/*.abi': 'written by abidw',
    'editors/*/package-lock.json': 'written by npm',
    '*.spv': 'binary',
    'text/unicode_tables.c': 'generated',
    'weights/calibration/text': 'code and prose of others, as they wrote it',
    'tests/fuzz/seeds/*': 'input of fuzz targets',
}


def free(name):
    return any(fnmatch.fnmatch(name, pattern) for pattern in EXEMPT)


source = pathlib.Path(sys.argv[1])
listed = subprocess.run(['git', '-C', source, 'ls-files', '-z'], capture_output=True,
                        text=True).stdout.split('\0')[:-1]
if len(listed) < 10:
    print('skipped: %s is no git checkout' % source)
    sys.exit(77)
failed = 0
for name in listed:
    if free(name) or not (source / name).is_file():  # a file may be removed and not yet committed
        continue
    lines = (source / name).read_text().splitlines()
    if name == 'README.md' and len(lines) > README_LINES:
        print('FAIL README.md has %d lines, more than %d' % (len(lines), README_LINES))
        failed = 1
    fenced = False
    for number, line in enumerate(lines, 1):
        uncut = False
        if name.endswith('.md') and name != 'README.md':
            fenced ^= line.startswith('```')
            uncut = fenced or line.startswith(('|', '    '))
        if len(line) > WIDTH and not uncut:
            print('FAIL %s:%d has %d columns, expected at most %d: wrap it' %
                  (name, number, len(line), WIDTH))
            failed = 1
sys.exit(failed)
