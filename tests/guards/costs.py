"""costs.py ROOT CTEST: toolchain/costed.py and costed.sh: a test's processor time is written down,
its result stays what it was, its properties reach ctest, and one that is not built is not run."""
import json
import pathlib
import subprocess
import sys
import tempfile

root, ctest = pathlib.Path(sys.argv[1]), sys.argv[2]
BURN = """import os, subprocess, sys, time
assert os.environ['ANSWER'] == '42; and more' and os.getcwd() == '/'
if len(sys.argv) > 2:
    sys.exit(subprocess.call([sys.executable, sys.argv[0]] + sys.argv[2:]))
while time.process_time() < 0.3:
    pass
sys.exit(int(sys.argv[1]))
"""
with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    (folder / 'burn.py').write_text(BURN)
    properties = [('SKIP_RETURN_CODE', 77), ('WORKING_DIRECTORY', '/'), ('LABELS', ['a', 'b']),
                  ('ENVIRONMENT', ['OTHER=1', 'ANSWER=42; and more']), ('TIMEOUT', 60.0)]
    tests = [{
        'name': name,
        'command': [sys.executable, str(folder / 'burn.py')] + arguments,
        'properties': [dict(name=n, value=v) for n, v in properties]
    } for name, arguments in (('good', ['0']), ('bad', ['3']), ('skip', ['77']),
                              ('child', ['0', '0']))]
    tests.append({'name': 'absent', 'properties': []})
    subprocess.run([sys.executable, root / 'toolchain' / 'costed.py', folder, folder / 'costs'],
                   input=json.dumps({'tests': tests}),
                   text=True,
                   check=True)
    out = subprocess.run([ctest, '--test-dir', folder, '--output-on-failure'],
                         capture_output=True,
                         text=True).stdout
    costs = {}
    for line in (folder / 'costs').read_text().splitlines():
        seconds, name = line.split()
        costs[name] = float(seconds)
    for name, said in (('good', 'Passed'), ('bad', '***Failed'), ('skip', '***Skipped'),
                       ('child', 'Passed'), ('absent', '***Not Run')):
        line = [x for x in out.splitlines() if ' Test ' in x and ': %s ' % name in x][0]
        assert said in line, (name, said, out)
    assert sorted(costs) == ['bad', 'child', 'good', 'skip'], costs
    assert all(0.29 <= seconds < 30 for seconds in costs.values()), costs
    assert [x.name for x in folder.glob('costs*')] == ['costs']
