"""What the library asks of its surroundings and what it shows them, read from the built files with
nm and readelf.

  symbols.py parts LIBAPUS_PARTS.A library objects need mem*/strlen only, the port what is listed
  here; nothing
                                            writable
  symbols.py freestanding LIBAPUS_PARTS.A the same for an image without an operating system: no port
  services either
  symbols.py archive LIBAPUS.A              what a program that links it sees begins with apus_
  symbols.py shared LIBAPUS.SO the same, nothing but the functions of the public headers, all of
  them, each with the version of the soname
"""
import pathlib
import re
import subprocess
import sys

MEMORY = {'memcpy', 'memset', 'memmove', 'memcmp', 'strlen'}
# What compilers of some distributions add on their own (stack protector, fortified copies);
# firmware builds switch it off.
HARDENING = {'__stack_chk_fail', '__memcpy_chk', '__memset_chk', '__memmove_chk'}
LINKER = {'_GLOBAL_OFFSET_TABLE_'}
PORT = {
    'bcmp', 'getpid', 'clock_gettime', 'close', 'dlclose', 'dlopen', 'dlsym', '__errno_location',
    'fstat', 'fstat64', '__fxstat', 'getrlimit', 'getrlimit64', 'ioctl', 'madvise', 'mmap',
    'mmap64', 'munmap', 'open', 'open64', 'pthread_create', 'pthread_join', 'pthread_sigmask',
    'read', '__read_chk', 'sched_getaffinity', 'sigfillset', 'sigdelset', 'syscall', 'sysconf',
    '__sched_cpucount'
}
WRITABLE = ('.data', '.bss', '.tdata', '.tbss')

failures = []


def check(good, text):
    if not good:
        failures.append(text)
        print('FAIL ' + text)


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def objects(archive):
    """{object: (undefined symbols, defined symbols, {section: bytes})}"""
    found, name = {}, None
    for line in output('nm', archive).splitlines():
        if line.endswith(':') and ' ' not in line:
            name = re.sub(r'\.obj$', '.o', line[:-1])  # as cross builds call them
            check(name not in found, 'two objects are called %s' % name)
            found[name] = (set(), set(), {})
        elif line.strip():
            kind, symbol = line.split()[-2:]
            found[name][0 if kind in 'Uvw' else 1].add(symbol)
    name = None
    for line in output('readelf', '-S', '-W', archive).splitlines():
        member = re.match(r'File: .*\((.*)\)', line)
        if member:
            name = re.sub(r'\.obj$', '.o', member.group(1))
        section = re.match(r'\s*\[\s*\d+\]\s+(\.\S+)\s+\S+\s+\S+\s+\S+\s+([0-9a-f]+)\s+\S+\s+(\S*)',
                           line)
        if section and name:
            found[name][2][section.group(1)] = int(section.group(2), 16)
    return found


def parts(path, freestanding):
    found = objects(path)
    ours = set().union(*(defined for _, defined, _ in found.values()))
    port = ['none.c.o'] if freestanding else ['posix.c.o', 'posix_energy.c.o', 'posix_quota.c.o']
    for name in port:
        check(name in found, '%s has no %s' % (path, name))
    check(len(found) > 3, '%s holds %d objects only' % (path, len(found)))
    for name, (undefined, _, sections) in sorted(found.items()):
        allowed = MEMORY | LINKER | (set() if freestanding else HARDENING |
                                     (PORT if name in port else set()))
        check(not (undefined - ours - allowed),
              '%s needs %s' % (name, ' '.join(sorted(undefined - ours - allowed))))
        for section, size in sections.items():
            if section.startswith('.data.rel.ro'):
                continue
            writable = any(section == w or section.startswith(w + '.') for w in WRITABLE)
            check(not (writable and size),
                  '%s has %d writable bytes in %s: state of its own' % (name, size, section))
        if name not in port:
            check('.init_array' not in sections and '.ctors' not in sections,
                  '%s runs code before main' % name)


def visible(path, *options):
    """The names that a program linked with the library shares with it."""
    lines = output('nm', '--defined-only', *options, path).splitlines()
    # A stands before the names of versions
    names = {line.split()[-1].split('@')[0] for line in lines
             if len(line.split()) == 3 and ' A ' not in line}
    # of images: weak ones, in an object of their own (port/image_memory.c)
    names -= {line.split()[-1] for line in lines if line.split()[1:2] == ['W']} & MEMORY
    for name in sorted(names):
        check(name.startswith('apus_'), '%s is visible to programs: it may be theirs' % name)
    check(len(names) > 20, '%s shows only %d names' % (path, len(names)))
    return names


def shared(path):
    exported = visible(path, '-D')
    dynamic = output('readelf', '-d', path)
    soname = re.search(r'SONAME.*\[(.*)\]', dynamic)
    root = pathlib.Path(__file__).resolve().parents[2] / 'include' / 'apus'
    major = re.search(r'#define APUS_VERSION_MAJOR (\d+)', (root / 'apus.h').read_text()).group(1)
    check(soname and soname.group(1) == 'libapus.so.' + major,
          'soname is %s, not libapus.so.%s' % (soname and soname.group(1), major))
    check('TEXTREL' not in dynamic, 'text relocations')
    version = 'APUS_' + major
    for line in output('nm', '-D', '--defined-only', '--with-symbol-versions', path).splitlines():
        name = line.split()[-1]
        check(name.split('@@') in ([version], [name.split('@')[0], version]),
              '%s does not have the version %s' % (name, version))

    declared, traced = set(), set()
    for header, found in (('apus.h', declared), ('port.h', declared), ('trace.h', traced)):
        text = re.sub(r'/\*.*?\*/', '', (root / header).read_text(), flags=re.S)
        text = re.sub(r'^\s*#.*$', '', text, flags=re.M)
        text = re.sub(r'\{[^{}]*\}', '', text)  # bodies of structs: members that are functions
        found |= set(re.findall(r"^(?:APUS_API )?[\w \*]*?\b(apus_\w+)\(", text, flags=re.M))
    check(len(declared) > 20, 'only %d functions were found in the headers' % len(declared))
    if traced & exported:  # a build with APUS_TRACE
        declared |= traced
    for name in sorted(declared - exported):
        check(False, '%s is declared but not exported' % name)
    for name in sorted(exported - declared):
        check(False, '%s is exported but in no public header' % name)


if __name__ == '__main__':
    what, path = sys.argv[1:]
    if what == 'shared':
        shared(path)
    elif what == 'archive':
        visible(path, '-g')
        # a linker that knows such a group already drops this one, and its local names with it
        check('COMDAT group section' not in output('readelf', '-g', '-W', path),
              '%s has groups of sections that a program may have, too' % path)
    else:
        parts(path, what == 'freestanding')
    sys.exit(1 if failures else 0)
