"""costed.py FOLDER COSTS, on standard input what `ctest --show-only=json-v1` says of a build:
writes FOLDER/CTestTestfile.cmake, the same tests, each run by costed.sh, which adds its processor
time to the file COSTS. ctest itself knows wall time only, which other work on the machine changes.
"""
import json
import os
import sys

folder, costs = sys.argv[1:]
wrapper = ['sh', os.path.join(os.path.dirname(os.path.abspath(__file__)), 'costed.sh'),
           os.path.abspath(costs)]


def quoted(text):
    """An argument as CMake reads it back, whatever it holds."""
    return '[==[%s]==]' % text


def value(found):
    if isinstance(found, bool):
        return 'ON' if found else 'OFF'
    if isinstance(found, list):
        return ';'.join(item.replace(';', '\\;') for item in found)
    return str(found)


lines = []
for test in json.load(sys.stdin)['tests']:
    if 'command' in test:
        command = wrapper + [test['name']] + test['command']
    else:
        command = [test['name'] + ' is not built']  # which ctest does not find, and says so
    lines.append('add_test(%s)' % ' '.join(map(quoted, [test['name']] + command)))
    for each in test['properties']:
        lines.append('set_tests_properties(%s PROPERTIES %s %s)' %
                     (quoted(test['name']), each['name'], quoted(value(each['value']))))
os.makedirs(folder, exist_ok=True)
with open(os.path.join(folder, 'CTestTestfile.cmake'), 'w') as out:
    out.write('\n'.join(lines) + '\n')
