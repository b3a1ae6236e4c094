"""costed.py FOLDER COSTS: reads from standard input what `ctest --show-only=json-v1` prints for a
build, and writes FOLDER/CTestTestfile.cmake with the same tests. Each of them is run by costed.sh,
which adds the test's processor time to the file COSTS. ctest itself measures only wall time, which
other work on the machine changes. """
import json
import os
import sys

folder, costs = sys.argv[1:]
wrapper = ['sh', os.path.join(os.path.dirname(os.path.abspath(__file__)), 'costed.sh'),
           os.path.abspath(costs)]


def quoted(text):
    """An argument in CMake's quotes, which CMake reads back unchanged."""
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
        command = [test['name'] + ' is not built']  # ctest says that it finds no such program
    lines.append('add_test(%s)' % ' '.join(map(quoted, [test['name']] + command)))
    for each in test['properties']:
        lines.append('set_tests_properties(%s PROPERTIES %s %s)' %
                     (quoted(test['name']), each['name'], quoted(value(each['value']))))
os.makedirs(folder, exist_ok=True)
with open(os.path.join(folder, 'CTestTestfile.cmake'), 'w') as out:
    out.write('\n'.join(lines) + '\n')
