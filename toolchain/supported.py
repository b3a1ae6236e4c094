"""README.md's table of what is supported, made from supported.json and from what tests did.

    supported.py table          writes the table into README.md
    supported.py check          fails if README.md has another table, or if a test is not known
    supported.py ran FOLDER     prints what became of each row's tests in the run whose logs are
                                there (stages.sh), and fails if one failed or was not run

A row of supported.json: the platform; the engine; what it was tested `on`, and on what it has
`never` run; the `tests` of ctest or stages of test.sh that show it; `long`, parts of test-long.sh;
`needs`, a flag of /proc/cpuinfo without which the tests say nothing of the row; `behind`, a stage
of test.sh that prepares the tests: if it was skipped, that they did not run is no failure."""
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as xml

HERE = pathlib.Path(__file__).resolve().parent
README = HERE.parent / 'README.md'
MARK = '<!-- toolchain/supported.py writes this -->\n'


def rows():
    return json.loads((HERE / 'supported.json').read_text())


def table():
    lines = ['| platform | engine | tested on | never run on |', '|---|---|---|---|']
    lines += ['| %(platform)s | %(engine)s | %(on)s | %(never)s |' % row for row in rows()]
    return '\n'.join(lines) + '\n'


def parts_of_readme():
    """What stands before the table, the table, and what stands behind it."""
    text = README.read_text()
    if text.count(MARK) != 1:
        sys.exit('README.md: expected the line\n  %sonce, before the table of what is supported' %
                 MARK)
    before, rest = text.split(MARK)
    now, line, behind = rest.partition('\n\n')
    return before + MARK, now + '\n', line[1:] + behind


def unknown():
    """The tests and parts that nothing has."""
    lists = [p.read_text() for p in HERE.parent.glob('tests/**/CMakeLists.txt')]
    words = set(re.findall(r'[\w-]+', '\n'.join(lists)))
    script = (HERE / 'test.sh').read_text()
    stages = {name.strip('"')
              for name in re.findall(r'(?:^|then) *(?:stage|tests) ("[^"\n]+"|\w+)', script, re.M)}
    parts = set(re.findall(r'has (\w+)', (HERE / 'test-long.sh').read_text()))
    for row in rows():
        for test in row['tests'] + [row[key] for key in ('behind',) if key in row]:
            # a name may be made of a function's argument and the name of its folder
            pieces = test.split('_')
            named = any('_'.join(pieces[i:]) in words for i in range(len(pieces)))
            if not named and test not in stages:
                yield 'no test and no stage is called %s' % test
        for part in row.get('long', []):
            if part not in parts:
                yield 'test-long.sh has no part %s' % part


def results(folder):
    """What became of each stage and of each test: passed, failed or skipped."""
    found = {}
    for line in (folder / 'results').read_text().splitlines():
        status, name = line.split(' ', 1)
        found[name] = status
    for report in folder.glob('*.xml'):
        for case in xml.parse(report).getroot().iter('testcase'):
            status = {'run': 'passed', 'fail': 'failed'}.get(case.get('status'), 'skipped')
            name = case.get('name')
            # failed in one build is failed; passed in one and skipped in another is passed
            order = ('failed', 'passed', 'skipped')
            found[name] = min(found.get(name, status), status, key=order.index)
    return found


def flags():
    cpuinfo = pathlib.Path('/proc/cpuinfo')
    text = cpuinfo.read_text() if cpuinfo.exists() else ''
    found = re.search(r'^(?:flags|Features)\s*:(.*)$', text, re.M)  # the latter on ARM
    return set(found.group(1).split()) if found else set()


def ran(folder):
    found, here, bad = results(folder), flags(), 0
    for row in rows():
        tests = {test: found.get(test, 'not run') for test in row['tests']}
        said = ', '.join('%s %s' % item for item in tests.items())
        if row.get('needs') and row['needs'] not in here:
            tests, said = {}, 'not tested here: this processor has no ' + row['needs']
        if row.get('behind') and found.get(row['behind']) == 'skipped':
            tests = {test: status for test, status in tests.items() if status != 'not run'}
            said = 'not tested here: %s was skipped' % row['behind']
        print('%s, %s: %s' % (row['platform'], row['engine'], said))
        bad += sum(s in ('failed', 'not run') for s in tests.values())
    return bad


def main():
    what = sys.argv[1] if len(sys.argv) > 1 else ''
    if what == 'ran' and len(sys.argv) == 3:
        sys.exit(1 if ran(pathlib.Path(sys.argv[2])) else 0)
    if what not in ('table', 'check'):
        sys.exit(__doc__)
    before, now, behind = parts_of_readme()
    problems = list(unknown())
    if what == 'table':
        README.write_text(before + table() + behind)
    elif now != table():
        problems.append('README.md: the table of what is supported is another than '
                        'supported.json gives; run python3 toolchain/supported.py table')
    print('\n'.join(problems))
    sys.exit(1 if problems else 0)


if __name__ == '__main__':
    main()
