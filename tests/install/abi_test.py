"""The library's interface beside abi/libapus.abi, by libabigail: programs that were built with that
one go on. No version is tagged yet, so the file is the first side; it is written again, on purpose,
when the soname's number goes up or a version is released.

  abi_test.py check LIBAPUS.SO WORK     0 where nothing breaks; the rules are abi/rules.suppr
  abi_test.py write LIBAPUS.SO          writes abi/libapus.abi

The library has to have debugging information: the preset `dev`. Functions that came are no
breakage; they are in the file when it is written the next time. Two seconds."""
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BASELINE, RULES = ROOT / 'abi/libapus.abi', ROOT / 'abi/rules.suppr'
HEADERS = ROOT / 'include/apus'

# A small library of one function, an enumeration and two structs, and what is done to it.
SMALL = '''#include <stdint.h>
struct apus_figures { uint32_t size; uint32_t first; uint32_t second; %s };
struct apus_part { uint32_t kind; %s };
typedef enum apus_kind { APUS_PLAIN = 1, APUS_LAST = 2 } apus_kind;
int apus_count(const struct apus_figures *figures, %s const struct apus_part *part, apus_kind kind);
int apus_count(const struct apus_figures *figures, %s const struct apus_part *part,
               apus_kind kind) {
    return (int)(figures->first + part->kind + (unsigned)kind);
}
int %s(void);
int %s(void) { return 1; }
'''
BEFORE = ('', '', '', '', 'apus_one', 'apus_one')
CHANGES = {
    'nothing': (True, BEFORE),
    'a member behind the others': (True, ('uint64_t third;',) + BEFORE[1:]),
    'a struct that comes in arrays, grown': (False, ('', 'uint64_t more;') + BEFORE[2:]),
    'a parameter more': (False, ('', '', 'int more,', 'int more,') + BEFORE[4:]),
    'a function gone': (False, BEFORE[:4] + ('apus_two', 'apus_two')),
}


def run(*command):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True)


def compare(before, after, headers=HEADERS):
    return run('abidiff', '--suppressions', RULES, '--headers-dir2', headers,
               '--drop-private-types', '--no-added-syms', before, after)


def write(library, to):
    done = run('abidw', '--headers-dir', HEADERS, '--drop-private-types',
               '--exported-interfaces-only', '--no-elf-needed', '--no-corpus-path',
               '--no-comp-dir-path', '--no-show-locs', '--type-id-style', 'hash', '--suppressions',
               RULES, library, '--out-file', to)
    if done.returncode:
        sys.exit('abidw: ' + done.stderr)
    if to.read_text().count('<function-decl ') < 40:
        sys.exit('abidw found too few functions with types in %s: is it built with -g?' % library)


def small(work, name, words):
    source = work / (name + '.c')
    text = SMALL % words
    if 'middle' in name:
        text = text.replace('uint32_t first; uint32_t second;',
                            'uint32_t first; uint64_t new; uint32_t second;')
    if 'a_value' in name:
        text = text.replace('APUS_LAST = 2', 'APUS_LAST = 2, APUS_NEW = 3' if 'more' in name else
                            'APUS_LAST = 3')
    source.write_text(text)
    library = source.with_suffix('.so')
    done = run('cc', '-g', '-shared', '-fPIC', '-Wl,-soname,libsmall.so.0', source, '-o', library)
    if done.returncode:
        sys.exit(done.stderr)
    return library


def main():
    what, library = sys.argv[1], pathlib.Path(sys.argv[2])
    if not shutil.which('abidiff'):
        print('skipped: libabigail (abigail-tools) is not installed')
        sys.exit(77)
    if what == 'write':
        write(library, BASELINE)
        return
    failed = 0
    work = pathlib.Path(sys.argv[3])
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)

    # the rules let pass what may pass, and nothing else
    before = small(work, 'before', BEFORE)
    changes = dict(CHANGES, **{'a member in the middle': (False, BEFORE),
                               'a value more of an enumeration': (True, BEFORE),
                               'a value renumbered': (False, BEFORE)})
    for change, (good, words) in changes.items():
        done = compare(before, small(work, re.sub(r'\W+', '_', change), words), work)
        if (done.returncode == 0) != good:
            failed = 1
            print('FAIL %s: expected it to be %s, abidiff ended with %d\n%s%s' % (
                change, 'let pass' if good else 'refused', done.returncode, done.stdout,
                done.stderr))

    write(library, work / 'now.abi')  # or it would compare symbols alone
    done = compare(BASELINE, library)
    if done.returncode:
        failed = 1
        print('FAIL programs that were built with the library of abi/libapus.abi break. Change it '
              'so that they do not, or raise the soname and write the file again:\n'
              '  python3 tests/install/abi_test.py write build/dev/libapus.so\n' + done.stdout +
              done.stderr)
    sys.exit(failed)


main()
