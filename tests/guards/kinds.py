"""Kinds of operations and types of weights are spelled out: a switch over one of them has no
default, so that the compiler names every place that a new one is missing from, and no code asks
whether a weight has one type and takes it for the other else (weights/types.h says what it needs
to know). And every file but the tests' is compiled with that warning as an error.

  kinds.py SOURCE [BUILD]
"""
import json
import pathlib
import re
import subprocess
import sys

source = pathlib.Path(sys.argv[1])
ENUMS = {
    'hal/program.h': ['hal_form'],
    'weights/types.h': ['weight_type', 'weight_form'],
    'igpu/program.h': ['rule'],
}
# Enumerators made of rows, MACRO(ROW) in a header: their enum, and what stands before the row's
# word.
ROWS = {'hal/program.h': ('HAL_OPERATIONS', 'OP', 'hal_op_kind', 'HAL_')}
LIBRARY = ('hal', 'cpu', 'igpu', 'npu', 'text', 'speculate', 'runtime', 'trace', 'weights', 'apps',
           'bench')
COMPARED = ('hal', 'cpu', 'igpu', 'npu', 'text', 'speculate', 'runtime', 'apps')
failed = 0


def fail(text):
    global failed
    failed = 1
    print('FAIL ' + text)


def plain(text):
    """Without comments and strings, every line where it was."""
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"',
                  lambda m: '""' + '\n' * m.group().count('\n'), text, flags=re.S)


def block(text, at):
    """The braces that open behind `at`."""
    begin = text.index('{', at)
    depth = 0
    for i in range(begin, len(text)):
        depth += {'{': 1, '}': -1}.get(text[i], 0)
        if depth == 0:
            return text[begin:i]
    return text[begin:]


kinds = {}
for header, enums in ENUMS.items():
    text = plain((source / header).read_text())
    for name in enums:
        body = block(text, text.index('enum %s {' % name))
        lines = body.lstrip('{').replace(',', '\n')
        found = re.findall(r'^\s*([A-Z][A-Z0-9_]*)', lines, flags=re.M)
        if len(found) < 2:
            fail('%s has no enum %s to read' % (header, name))
        kinds.update(dict.fromkeys(found, name))

for header, (macro, row, name, prefix) in ROWS.items():
    text = plain((source / header).read_text())
    rows = re.search(r'#define %s\(%s\)((?:.*\\\n)*.*)' % (macro, row), text).group(1)
    found = re.findall(r'\b%s\((\w+),' % row, rows)
    if len(found) < 2:
        fail('%s has no rows of %s to read' % (header, macro))
    kinds.update(dict.fromkeys([prefix + word for word in found], name))

listed = subprocess.run(['git', '-C', source, 'ls-files', '*.c', '*.h', '*.cpp'],
                        capture_output=True, text=True).stdout.split()
if len(listed) < 100:
    print('skipped: %s is no git checkout' % source)
    sys.exit(77)
switches = 0
for name in listed:
    folder = name.split('/')[0]
    if folder not in LIBRARY:
        continue
    text = plain((source / name).read_text())
    for m in re.finditer(r'\bswitch \(', text):
        body = block(text, m.start())
        over = {kinds[c] for c in re.findall(r'\bcase (\w+):', body) if c in kinds}
        switches += len(over)
        if over and re.search(r'\bdefault:', body):
            fail('%s:%d has a default in a switch over enum %s: name the cases that it stands for' %
                 (name, text.count('\n', 0, m.start()) + 1, ', '.join(sorted(over))))
    for m in re.finditer(r'[=!]= (WEIGHT_\w+)', text):
        if folder in COMPARED and kinds.get(m.group(1)) == 'weight_type':
            fail('%s:%d compares with %s: weight_traits (weights/types.h) or a table by type says '
                 'it of every type' % (name, text.count('\n', 0, m.start()) + 1, m.group(1)))
if switches < 5:
    fail('only %d switches over these kinds were found' % switches)

if len(sys.argv) > 2:
    tests = source.resolve() / 'tests'
    commands = [
        entry
        for entry in json.loads((pathlib.Path(sys.argv[2]) / 'compile_commands.json').read_text())
        if not pathlib.Path(entry['file']).is_relative_to(tests)
    ]
    for entry in commands:
        words = entry['command'].split()
        if '-Werror=switch' not in words or '-Wno-switch' in words or '-w' in words:
            fail('%s is compiled without -Werror=switch' % entry['file'])
    if len(commands) < 50:
        fail('only %d files are compiled' % len(commands))
print('%d switches over kinds' % switches)
sys.exit(failed)
