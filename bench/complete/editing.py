"""An editing session made from two versions of a public package: the lines that change from one
version to the other are typed, key by key, in three files, with jumps between the files.

  session(folder_old, folder_new, keys) yields (file name, text before the cursor, text behind it)
"""
import difflib
import pathlib
import subprocess
import sys
import zipfile


def fetch(package, version, into):
    """Downloads a package from the Python package index. Returns the folder of its files."""
    folder = pathlib.Path(into) / ('%s-%s' % (package, version))
    if not folder.exists():
        folder.mkdir(parents=True)
        subprocess.run([sys.executable, '-m', 'pip', 'download', '-q', '--no-deps', '--only-binary',
                        ':all:', '-d', str(folder), '%s==%s' % (package, version)], check=True)
        for wheel in folder.glob('*.whl'):
            zipfile.ZipFile(wheel).extractall(folder)
    return folder


def changed_files(old, new):
    """The three files with the most changes, of those with 200 to 2,000 lines that both versions
    have."""
    found = []
    for path in sorted(new.rglob('*.py')):
        before = old / path.relative_to(new)
        if not before.exists():
            continue
        a, b = before.read_text().splitlines(True), path.read_text().splitlines(True)
        steps = [op for op in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
                 if op[0] != 'equal' and op[4] - op[3] <= 12]
        if 200 <= len(b) <= 2000 and steps:
            found.append((len(steps), str(path.relative_to(new)), a, b, steps))
    return sorted(found, key=lambda f: -f[0])[:3]


def session(old, new, keys):
    """Types one hunk in each file in turn; at every third key of a new line there is a request."""
    files = changed_files(old, new)
    turns = max(len(f[4]) for f in files)
    count = 0
    for turn in range(turns):
        for _, name, a, b, steps in files:
            if turn >= len(steps):
                continue
            _, i1, i2, j1, j2 = steps[turn]
            # above the cursor the file is new, below it old; the old lines are already deleted
            above, below = ''.join(b[:j1]), ''.join(a[i2:])
            for line in b[j1:j2] or ['\n']:
                for at in range(0, len(line), 3):
                    yield name, above + line[:at], below
                    count += 1
                    if count >= keys:
                        return
                above += line
