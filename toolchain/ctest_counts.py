"""Reads a ctest JUnit report. Prints a line for every test that failed or was skipped, and as the
last line three numbers: how many passed, failed and were skipped."""
import sys
import xml.etree.ElementTree as xml

passed = failed = skipped = 0
for case in xml.parse(sys.argv[1]).getroot().iter('testcase'):
    name, status = case.get('name'), case.get('status')
    output = [
        line.strip() for line in (case.findtext('system-out') or '').splitlines() if line.strip()
    ]
    if status == 'run':
        passed += 1
    elif status in ('notrun', 'disabled') and case.find('skipped') is not None:
        skipped += 1
        print('skipped %s: %s' %
              (name, output[-1] if output else case.find('skipped').get('message')))
    else:
        failed += 1
        for line in output[-40:]:
            print('  | ' + line)
        print('FAILED %s' % name)
if passed + failed + skipped == 0:
    sys.exit('no test in the report')
print(passed, failed, skipped)
