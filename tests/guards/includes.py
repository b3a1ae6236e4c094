"""The include rules of CMakeLists.txt hold: a folder's file can include what its line lists and
nothing else.

  includes.py BUILD SOURCE COMPILER

For every library folder, every room of the packer and every folder of benchmarks: each file is
compiled with the folder's own view and no other of the tree's folders on its path, an include of
every header it may see is found, and of every header it may not see is not."""
import json
import pathlib
import re
import shlex
import subprocess
import sys

build, source, compiler = pathlib.Path(sys.argv[1]), pathlib.Path(
    sys.argv[2]).resolve(), sys.argv[3]
RULE = re.compile(
    r'^ *apus_(?:layer|room|program)\(([\w/]+)\s+MAY_INCLUDE ([^)]*?)(?:\s(?:EXCEPT|TARGETS)'
    r' [^)]*)?\)', re.M)
rules = {
    folder: words.split()
    for file in ('CMakeLists.txt', 'weights/pack/CMakeLists.txt', 'bench/CMakeLists.txt',
                 'bench/npu/CMakeLists.txt')
    for folder, words in RULE.findall((source / file).read_text())
}
# Folders with rooms inside: who may include them sees their own headers alone.
OPEN = {'weights', 'weights/pack', 'bench'}
failures = 0


def fail(text):
    global failures
    failures += 1
    print('FAIL ' + text)


def seen_from(view, headers):
    text = ''.join('#if __has_include("%s")\nSEEN "%s"\n#endif\n' % (h, h) for h in headers)
    # from inside the view: a quoted include also looks where the file is, which for standard input
    # is here
    out = subprocess.run([compiler, '-std=c11', '-E', '-P', '-x', 'c', '-I', view.resolve(), '-'],
                         input=text, text=True, capture_output=True, check=True, cwd=view).stdout
    return set(re.findall(r'SEEN "([^"]*)"', out))


def is_of(header, item):
    folder = header.rpartition('/')[0]
    return item in (header, folder) or (item not in OPEN and header.startswith(item + '/'))


headers = sorted({
    str(p.relative_to(source))
    for folder in {'apps', 'bench', 'tests/npu/sim'} | set(rules)
    for p in (source / folder).rglob('*.h')
})
headers += ['apus/' + p.name for p in sorted((source / 'include' / 'apus').glob('*.h'))]

# The design's own words, so that a rule cannot be widened by accident: the engine does not know the
# runtime, nobody knows the applications.
FORBIDDEN = {
    'cpu': ['runtime', 'text', 'weights', 'igpu', 'npu', 'apps', 'bench'],
    'igpu': ['runtime', 'text', 'cpu', 'npu', 'weights', 'apps', 'bench'],
    'npu': ['runtime', 'text', 'cpu', 'igpu', 'weights', 'apps', 'bench'],
    'hal': ['runtime', 'text', 'cpu', 'igpu', 'npu', 'weights'],
    'weights': ['runtime', 'text', 'hal', 'cpu', 'weights/pack'],
    'text': ['runtime', 'speculate', 'hal', 'cpu', 'weights/pack'],
    'weights/pack/checkpoint': ['runtime', 'text', 'hal', 'weights', 'weights/pack',
                                'weights/pack/vocab', 'weights/pack/quantize'],
    'weights/pack/vocab': ['runtime', 'hal', 'weights', 'weights/pack', 'weights/pack/quantize'],
    'weights/pack/quantize': ['runtime', 'text', 'hal', 'weights', 'weights/pack',
                              'weights/pack/vocab'],
    'weights/pack': ['runtime', 'hal', 'cpu', 'apps'],
    'runtime': ['cpu', 'igpu', 'npu', 'apps'],
    'port': ['runtime', 'text', 'hal', 'weights'],
    'bench': ['runtime', 'text', 'speculate', 'cpu', 'igpu', 'npu', 'weights', 'apps'],
    'bench/context': ['cpu', 'igpu', 'npu', 'apps'],
    'bench/experts': ['cpu', 'igpu', 'npu', 'apps'],
    'bench/threads': ['runtime', 'text', 'hal', 'cpu', 'igpu', 'npu', 'weights', 'apps'],
    'bench/npu': ['runtime', 'text', 'cpu', 'igpu', 'weights', 'apps']
}
for folder, names in FORBIDDEN.items():
    for name in names:
        if name in rules.get(folder, []):
            fail('%s may include all of %s' % (folder, name))

checked = compiled = 0
for folder, may in sorted(rules.items()):
    view = build / 'may_include' / folder.replace('/', '_')
    if not view.exists():
        continue
    found = seen_from(view, headers)
    checked += len(headers)
    for header in headers:
        allowed = any(is_of(header, item) for item in [folder] + may)
        if allowed and header not in found:
            fail('%s may include %s, but cannot' % (folder, header))
        if not allowed and header in found:
            fail('%s can include %s' % (folder, header))

for entry in json.loads((build / 'compile_commands.json').read_text()):
    file = pathlib.Path(entry['file'])
    if not file.is_relative_to(source):
        continue
    folder = str(file.relative_to(source).parent)
    flat = folder.replace('/', '_')
    # tests compile some files once more, for themselves
    own = r'/(apus_%s(_main)?|roof|bench_\w+)\.dir/' % flat
    if folder not in rules or not re.search(own, entry['command']):
        continue
    compiled += 1
    words = shlex.split(entry['command'])
    seen = [w[2:] for w in words if w.startswith('-I')
            ] + [words[i + 1] for i, w in enumerate(words) if w in ('-I', '-isystem', '-iquote')]
    seen = [pathlib.Path(s).resolve() for s in seen]
    # of this tree: engines and tools may see packages besides
    ours = [s for s in seen if s.is_relative_to(source) or s.is_relative_to(build.resolve())]
    if 'apus' in rules[folder]:  # which is all that there is in it, and comes with libraries
        ours = [s for s in ours if s != source / 'include']
    if ours != [(build / 'may_include' / flat).resolve()]:
        fail('%s is compiled with %s on its path' % (file.name, ' '.join(map(str, seen))))
    for w in re.findall(r'#include "([^"]*)"', file.read_text()):
        if '..' in w:
            fail('%s includes %s' % (file.name, w))
if checked < 30:
    fail('only %d includes were tried' % checked)
if compiled < 100:
    fail('only %d compilations were found' % compiled)
print('%d includes and %d compilations tried' % (checked, compiled))
sys.exit(1 if failures else 0)
