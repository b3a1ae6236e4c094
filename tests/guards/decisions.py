"""docs/decisions.md: every entry has its day, and stands once in the index.

  decisions.py SOURCE"""
import pathlib
import re
import sys

text = (pathlib.Path(sys.argv[1]) / 'docs' / 'decisions.md').read_text()
failures = []
heads = [h for h in re.findall(r'^## (.*)$', text, flags=re.M) if h != 'Index']
index = re.findall(r'^  - \[(.*?)\]\(\s*#(\S+)\)$', text, flags=re.M)
for head in heads:
    day = re.fullmatch(r'(.*) \((20\d\d-\d\d-\d\d)\)', head)
    if not day:
        failures.append('"## %s" must end with its day, as in (2026-11-29)' % head)
        continue
    anchor = re.sub(r'[^\w\- ]', '', head.lower()).replace(' ', '-')
    if index.count((day[1], anchor)) != 1:
        failures.append('the index must have [%s](#%s) once' % (day[1], anchor))
if len(index) != len(heads):
    failures.append('the index has %d entries for %d decisions' % (len(index), len(heads)))
for failure in failures:
    print('FAIL docs/decisions.md: ' + failure)
sys.exit(1 if failures else 0)
