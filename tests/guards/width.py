"""Documents wrap at 100 columns: every line of a Markdown file but rows of tables, formulas and
commands, which cannot be cut. README.md has at most 120 lines, all of them within 100 columns.

  width.py SOURCE
"""
import pathlib
import subprocess
import sys

WIDTH, README_LINES = 100, 120
source = pathlib.Path(sys.argv[1])
listed = subprocess.run(['git', '-C', source, 'ls-files', '*.md'], capture_output=True,
                        text=True).stdout.split()
if len(listed) < 10:
    print('skipped: %s is no git checkout' % source)
    sys.exit(77)
failed = 0
for name in listed:
    lines = (source / name).read_text().splitlines()
    if name == 'README.md' and len(lines) > README_LINES:
        print('FAIL README.md has %d lines, more than %d' % (len(lines), README_LINES))
        failed = 1
    fenced = False
    for number, line in enumerate(lines, 1):
        fenced ^= line.startswith('```')
        free = name != 'README.md' and (fenced or line.startswith(('|', '    ')))
        if len(line) > WIDTH and not free:
            print('FAIL %s:%d has %d columns' % (name, number, len(line)))
            failed = 1
sys.exit(failed)
