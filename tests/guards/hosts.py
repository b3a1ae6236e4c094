"""Scripts and build files name no host: packages come from where the system has its packages from.

  hosts.py SOURCE
"""
import pathlib
import re
import subprocess
import sys

source = pathlib.Path(sys.argv[1])
patterns = ('*.sh', '*.py', '*.cmake', '*CMakeLists.txt', '.ci/*')
# Tests hold pieces of files as people have them, with addresses that a format spells out.
listed = subprocess.run(['git', '-C', source, 'ls-files', *patterns, ':!tests'],
                        capture_output=True,
                        text=True).stdout.split()
if len(listed) < 20:
    print('skipped: %s is no git checkout' % source)
    sys.exit(77)
failed = 0
for name in listed:
    for number, line in enumerate((source / name).read_text().splitlines(), 1):
        for url in re.findall(r'\b(?:https?|ftp)://[\w.-]+\.\w+', line):
            print('FAIL %s:%d names %s' % (name, number, url))
            failed = 1
sys.exit(failed)
