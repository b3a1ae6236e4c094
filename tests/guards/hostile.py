"""docs/hostile.md names tests that exist, and every class of hostile input once.

  hostile.py SOURCE"""
import pathlib
import re
import sys

CLASSES, WITHOUT = 35, {26}  # sparse weights, which the format does not have
root = pathlib.Path(sys.argv[1])
text = (root / 'docs' / 'hostile.md').read_text()
rows = {int(n): tests for n, tests in re.findall(r'^(\d+)\. (.*(?:\n   .*)*)', text, flags=re.M)}
bad = [f'class {n} is missing' for n in range(1, CLASSES + 1) if n not in rows]
bad += [f'class {n} is not one of 1 to {CLASSES}' for n in rows if not 1 <= n <= CLASSES]
named = re.compile(r'(tests/[\w./]+):(\w+)')
for n, tests in rows.items():
    if not named.search(tests) and n not in WITHOUT:
        bad.append(f'class {n} has no test')
for path, name in named.findall(text):
    file = root / path
    code = file.read_text() if file.exists() else ''
    # used, not only defined: in a list of tests or cases, or called
    if len(re.findall(rf'\b{name}\b', code)) < (1 if name.startswith('test_') else 2):
        bad.append(f'{path} has no {name} that is used')
promise = '%d known classes of attack' % (CLASSES - len(WITHOUT))
if promise not in (root / 'README.md').read_text():
    bad.append(f'README.md does not speak of "{promise}"')
for line in bad:
    print('FAIL ' + line)
print(f'{len(rows)} classes, {len(named.findall(text))} tests named')
sys.exit(1 if bad else 0)
