"""The include rules of CMakeLists.txt hold: a folder's file can include what its line lists and
nothing else.

  includes.py BUILD SOURCE COMPILER

For every library folder: each file is compiled with the folder's own view and no other of the
tree's folders on its path, an include of every header it may see is found, and of every header it
may not see is not."""
import json
import pathlib
import re
import shlex
import subprocess
import sys

build, source, compiler = pathlib.Path(sys.argv[1]), pathlib.Path(
    sys.argv[2]).resolve(), sys.argv[3]
rules = {
    m[0]: m[1].split()
    for m in re.findall(r'^apus_layer\((\w+) MAY_INCLUDE ([^)]*)\)', (source /
                                                                      'CMakeLists.txt').read_text(),
                        flags=re.M)
}
failures = 0


def fail(text):
    global failures
    failures += 1
    print('FAIL ' + text)


def includes(view, header):
    text = '#include "%s"\n#define NEVER_SEEN\n' % header
    # from inside the view: a quoted include also looks where the file is, which for standard input
    # is here
    return subprocess.run([compiler, '-std=c11', '-E', '-x', 'c', '-I',
                           str(view.resolve()), '-'],
                          input=text,
                          text=True,
                          capture_output=True,
                          cwd=view).returncode == 0


headers = [
    str(p.relative_to(source))
    for folder in sorted({'apps', 'bench'} | set(rules))
    for p in sorted((source / folder).rglob('*.h'))
]
headers += ['apus/' + p.name for p in sorted((source / 'include' / 'apus').glob('*.h'))]

# The design's own words, so that a rule cannot be widened by accident: the engine does not know the
# runtime, nobody knows the applications.
FORBIDDEN = {
    'cpu': ['runtime', 'weights', 'igpu', 'npu', 'apps', 'bench'],
    'igpu': ['runtime', 'cpu', 'npu', 'weights', 'apps', 'bench'],
    'npu': ['runtime', 'cpu', 'igpu', 'weights', 'apps', 'bench'],
    'hal': ['runtime', 'cpu', 'igpu', 'npu', 'weights'],
    'weights': ['runtime', 'hal', 'cpu'],
    'runtime': ['cpu', 'igpu', 'npu', 'apps'],
    'port': ['runtime', 'hal', 'weights']
}
for folder, names in FORBIDDEN.items():
    for name in names:
        if name in rules.get(folder, []):
            fail('%s may include all of %s' % (folder, name))

checked = 0
for folder, may in sorted(rules.items()):
    view = build / 'may_include' / folder
    if not view.exists():
        continue
    for header in headers:
        if header.startswith('weights/pack') or (header.startswith('weights/')
                                                 and folder == 'weights'):
            # a folder of its own inside weights, seen by the library folder but
            # linked by none of it: symbols.py
            continue
        allowed = any(header == item or header.startswith(item + '/') for item in [folder] + may)
        needs = (source / header).read_text() if (source /
                                                  header).exists() else (source / 'include' /
                                                                         header).read_text()
        if allowed and re.search(r'#include "(?!apus/|%s)' % '|'.join([folder + '/'] + may), needs):
            continue  # a header whose own includes this folder may not see is out of its reach too
        good = includes(view, header)
        checked += 1
        if allowed and not good:
            fail('%s may include %s, but cannot' % (folder, header))
        if not allowed and good:
            fail('%s can include %s' % (folder, header))

for entry in json.loads((build / 'compile_commands.json').read_text()):
    file = pathlib.Path(entry['file'])
    if not file.is_relative_to(source):
        continue
    folder = str(file.relative_to(source).parent)
    if folder not in rules:
        continue
    words = shlex.split(entry['command'])
    seen = [w[2:] for w in words if w.startswith('-I')
            ] + [words[i + 1] for i, w in enumerate(words) if w in ('-I', '-isystem', '-iquote')]
    if [pathlib.Path(s).resolve() for s in seen] != [(build / 'may_include' / folder).resolve()]:
        fail('%s is compiled with %s on its path' % (file.name, ' '.join(seen)))
    for w in re.findall(r'#include "([^"]*)"', file.read_text()):
        if '..' in w:
            fail('%s includes %s' % (file.name, w))
if checked < 30:
    fail('only %d includes were tried' % checked)
print('%d includes tried' % checked)
sys.exit(1 if failures else 0)
