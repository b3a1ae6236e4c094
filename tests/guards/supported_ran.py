"""What toolchain/supported.py says of runs that are made up here: a row whose tests did not run is
a fault, unless the stage that they need was skipped.

  supported_ran.py SUPPORTED.PY"""
import json
import pathlib
import subprocess
import sys
import tempfile

script = pathlib.Path(sys.argv[1])
ROWS = [{'platform': 'P', 'engine': 'E', 'on': 'o', 'never': 'n', 'tests': ['first', 'a stage']},
        {'platform': 'Q', 'engine': 'F', 'on': 'o', 'never': 'n', 'tests': ['second'],
         'behind': 'the stage before'},
        {'platform': 'R', 'engine': 'G', 'on': 'o', 'never': 'n', 'tests': ['third'],
         'needs': 'no_processor_has_this'}]
ALL = {'first': 'run', 'second': 'run', 'third': 'run'}
STAGES = ['passed a stage', 'passed the stage before']
# name, what ctest says of tests, stages, whether it is good, what is said of a row
CASES = [
    ('all passed', ALL, STAGES, True, 'P, E: first passed, a stage passed'),
    ('a test failed', {**ALL, 'first': 'fail'}, STAGES, False, 'first failed'),
    ('a test was skipped', {**ALL, 'first': 'disabled'}, STAGES, True, 'first skipped'),
    ('a stage failed', ALL, ['failed a stage'] + STAGES[1:], False, 'a stage failed'),
    ('a test is gone', {'second': 'run'}, STAGES, False, 'first not run'),
    ('its stage passed', {'first': 'run'}, STAGES, False, 'second not run'),
    ('its stage failed', {'first': 'run'}, STAGES[:1] + ['failed the stage before'], False,
     'second not run'),
    ('its stage was skipped', {'first': 'run'}, STAGES[:1] + ['skipped the stage before'], True,
     'Q, F: not tested here: the stage before was skipped'),
    ('no such processor', ALL, STAGES, True,
     'R, G: not tested here: this processor has no no_processor_has_this'),
]
failures = 0
with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    log = folder / 'log'
    log.mkdir()
    (folder / 'supported.py').write_text(script.read_text())
    (folder / 'supported.json').write_text(json.dumps(ROWS))
    for name, tests, stages, good, sentence in CASES:
        (log / 'results').write_text('\n'.join(stages) + '\n')
        (log / 'tests.xml').write_text('<testsuite>%s</testsuite>' % ''.join(
            '<testcase name="%s" status="%s"/>' % item for item in tests.items()))
        done = subprocess.run([sys.executable, folder / 'supported.py', 'ran', log],
                              capture_output=True, text=True)
        if (done.returncode == 0) != good or sentence not in done.stdout:
            failures += 1
            print('FAIL %s: expected %s and "%s", found status %d\n%s%s' % (
                name, 'success' if good else 'failure', sentence, done.returncode, done.stdout,
                done.stderr))
sys.exit(1 if failures else 0)
