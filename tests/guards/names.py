"""Every source file has a name of its own, so that a name alone says which file is meant: in a
message, a stack, a search.

  names.py SOURCE"""
import collections
import pathlib
import subprocess
import sys

source = sys.argv[1]
SOURCES = ('.c', '.h', '.cc', '.cpp', '.hpp', '.py', '.sh', '.comp', '.glsl', '.cmake')
# Names that a tool wants in every folder.
WANTED = {'__init__.py'}
# Of rooms that are being moved; each goes when its files do.
KNOWN = {'design.py', 'draft_test.py', 'fixture.c', 'fixture.h', 'gemv.c', 'gemv.h',
         'main.c', 'model.h', 'pool.h', 'program.h', 'test_pool.c'}

listed = subprocess.run(['git', '-C', source, 'ls-files', '-z'], capture_output=True,
                        text=True).stdout.split('\0')[:-1]
if len(listed) < 100:
    print('skipped: %s is no git checkout' % source)
    sys.exit(77)
places = collections.defaultdict(list)
for file in listed:
    path = pathlib.PurePath(file)
    if (path.suffix in SOURCES and path.name not in WANTED
            and (pathlib.Path(source) / file).exists()):
        places[path.name].append(file)
failures = 0
for name, files in sorted(places.items()):
    if len(files) > 1 and name not in KNOWN:
        failures += 1
        print('FAIL %s: one name, expected one file, found %s: rename all but one'
              % (name, ', '.join(files)))
for name in sorted(KNOWN):
    if len(places[name]) < 2:
        failures += 1
        print('FAIL %s is %s: take it off the list of known names in %s'
              % (name, ', '.join(places[name]) or 'no file', pathlib.Path(__file__).name))
print('%d names tried' % len(places))
sys.exit(1 if failures or len(places) < 300 else 0)
