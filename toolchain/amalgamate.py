"""The CPU runtime as one file to compile, for programs that carry their libraries with them:
apus.c, and apus.h beside it.

  amalgamate.py OUT [COMPILER]     writes OUT/apus.c, OUT/apus.h and OUT/easy.h

Headers come first, each once, then every source file. Names that two files have for themselves get
the file's name behind them while that file lasts; functions that files lend to each other become
static, tables get a prefix. Kernels are compiled for their instruction set by pragmas. What a file
defines is read from its preprocessed text, for which a compiler is asked (cc)."""
import collections
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
ROOMS = ('weights', 'text', 'hal', 'cpu', 'speculate', 'runtime')
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)".*$', re.M)
TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|[A-Za-z_]\w*|'
                   r'\d[\w.]*(?:[pPeE][-+]\w+)?|->|##|\s+|.', re.S)
# Files named cpu/<set>_*: when they are there, and for what they are compiled.
X86 = 'defined(__x86_64__)'
# clang has the dot products' intrinsics for single functions since version 16
ARM = ('defined(__aarch64__) && (!defined(__clang__) || __clang_major__ >= 16 || '
       'defined(__ARM_FEATURE_DOTPROD))')
SETS = {
    'avx2': (X86, 'avx2', 'avx2'),
    'avxvnni': (X86, 'avx2', 'avx2'),  # vpdpbusd is written by hand
    'avx512': (X86, 'avx512f,avx512bw,avx512vl,avx512dq,avx512vnni', 'avx512f,avx512bw,avx512vl,'
               'avx512dq,avx512vnni'),
    'neon': (ARM, 'arch=armv8.2-a+dotprod', 'dotprod'),
}


def read(name):
    return (ROOT / name).read_text()


def sources():
    return [str(p.relative_to(ROOT)) for room in ROOMS for p in sorted((ROOT / room).glob('*.c'))]


def is_shared(header):
    return not header.endswith('_inl.h')


def headers_of(names):
    """Every shared header, those that others need first."""
    order = []

    def visit(name, path):
        for inner in INCLUDE.findall(read(name)):
            inner = 'include/' + inner if inner.startswith('apus/') else inner
            if inner in path:
                sys.exit('%s includes itself' % inner)
            visit(inner, path + [inner])
        if name.endswith('.h') and is_shared(name) and not name.startswith('include/'):
            if name not in order:
                order.append(name)
    for name in names:
        visit(name, [name])
    return order


def without_guard(text):
    """A header that stands in the file is there once anyway."""
    guard = re.search(r'^#ifndef (\w+)\n#define \1\n', text, flags=re.M)
    text = text[:guard.start()] + text[guard.end():]
    return re.sub(r'#endif\n*\Z', '', text)


def expanded(name, seen):
    """The file with the headers of its own kind inside, and without the shared ones."""
    def inner(match):
        header = match.group(1)
        if header.startswith('apus/') or is_shared(header) or header in seen:
            return ''
        seen.add(header)
        return expanded(header, seen)
    text = read(name)
    return INCLUDE.sub(inner, without_guard(text) if name.endswith('.h') else text)


# ------------------------------------------------------------------------------- definitions
def declarations(text):
    """(tokens, the body's tokens or []) of everything outside of braces; {} stands for a body."""
    tokens = [t for t in TOKEN.findall(text) if not t.isspace() and not t.startswith(('/*', '//'))]
    head, body, depth = [], [], 0
    for token in tokens:
        if token == '{':
            if depth == 0:
                head.append('{}')
            depth += 1
        if depth:
            body.append(token)
        else:
            head.append(token)
        if token == '}':
            depth -= 1
            # a function ends here, an initializer or a struct at the semicolon
            if depth == 0 and ')' in head and '=' not in head:
                yield head, body
                head, body = [], []
        if token == ';' and depth == 0:
            yield head, body
            head, body = [], []


def is_name(token):
    return re.fullmatch(r'[A-Za-z_]\w*', token) is not None


def defined(head, body):
    """The names that a declaration brings into the file."""
    names = set()
    if head[0] in ('_Static_assert', ';', '#'):
        return names
    for i, token in enumerate(head[:-1]):
        if token in ('struct', 'union', 'enum') and head[i + 2:i + 3] == ['{}']:
            names.add(head[i + 1])
    if 'enum' in head[:2] and '{}' in head[1:3]:
        depth = 0
        for before, token in zip(body, body[1:]):
            depth += before in '({['
            depth -= before in ')}]'
            if depth == 1 and before in '{,' and is_name(token):
                names.add(token)
    rest = [t for t in head if t not in ('__attribute__', 'always_inline', 'noinline', '{}')]
    flat, depth = [], 0
    for token in rest:
        depth -= token in ')]'
        if depth == 0:
            flat.append(token)
        depth += token in '(['
    text = ' '.join(flat).replace('( )', '()')
    found = re.search(r'(\w+) \(\) ?[;]?$', text) or re.search(r'(\w+) (?:\[ \] )*(?:=|;)', text)
    if found and (body or head[0] in ('static', 'typedef', 'const', 'extern') or '(' in head):
        if not re.fullmatch(r'struct|union|enum|\d\w*', found.group(1)):
            names.add(found.group(1))
    return names


def own_names(name, compiler, flags):
    """What the file and its own headers define, macros expanded."""
    done = subprocess.run([compiler, '-E', *flags, '-I', ROOT, '-I', ROOT / 'include', ROOT / name],
                          capture_output=True, text=True)
    if done.returncode:
        sys.exit('%s cannot be preprocessed:\n%s' % (name, done.stderr))
    own, text = False, []
    for line in done.stdout.split('\n'):
        marker = re.match(r'# \d+ "(.*?)"', line)
        if marker:
            file = marker.group(1)
            own = file.endswith(name) or file.endswith('_inl.h')
        elif own:
            text.append(line)
    names = set()
    for head, body in declarations('\n'.join(text)):
        names |= defined(head, body)
    return names


# ------------------------------------------------------------------------------------- rewriting
def renamed(text, names):
    """Names replaced, but for members of structs."""
    out, before = [], ''
    for token in TOKEN.findall(text):
        out.append(names[token] if token in names and before not in ('.', '->') else token)
        if not token.isspace():
            before = token
    return ''.join(out)


def is_member(text, name):
    return re.search(r'(?:\.|->)\s*%s\b' % name, text) is not None


def made_static(text):
    """Functions that files lend to each other, which begin in the first column. What is public
    begins with apus_."""
    out = []
    for line in text.split('\n'):
        found = re.match(r'((?:const |struct |unsigned |enum )*\w+(?: const)?[ *]+)(\w+)\(', line)
        if (found and found.group(2)[:5] != 'apus_' and
                found.group(1).split()[0] not in ('static', 'typedef', 'return', 'extern', 'else',
                                                  'APUS_API', 'INLINE', 'NOINLINE', 'inline')):
            line = 'static ' + line
        out.append(line)
    return '\n'.join(out)


def variants_static(name, text):
    """The kernels' prototypes are made by a macro."""
    if name != 'cpu/variants.h':
        return text
    text, found = re.subn(r'(#define KERNEL\(name, (\w+)\) +)(\2 ref_)', r'\1static \3', text)
    if not found:
        sys.exit('%s has no macro KERNEL(name, type) as this script knows it' % name)
    return text


def macros_of(text):
    names = re.findall(r'^[ \t]*#[ \t]*define[ \t]+(\w+)', text, flags=re.M)
    undone = set(re.findall(r'^[ \t]*#[ \t]*undef[ \t]+(\w+)', text, flags=re.M))
    return [n for n in dict.fromkeys(names) if n not in undone and not n.startswith('_')]


# ----------------------------------------------------------------------------------------- output
HEAD = '''/* Apus %s: the CPU runtime in one file. Made by toolchain/amalgamate.py; do not edit it.
 *
 *     gcc -O2 -c apus.c                                 C11 or newer
 *     clang -O2 -fno-strict-aliasing -c apus.c          which has no pragma for this
 *
 * APUS_PORT_NONE leaves the services of Linux out, for images without an operating system. The
 * numeric contract needs plain IEEE arithmetic: what -ffast-math makes of this is refused when a
 * model is opened. Licensed under the Apache License 2.0. */
#if !defined(APUS_PORT_NONE)
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64
#endif
#endif
#if !defined(NDEBUG) && !defined(APUS_ASSERTS)
#define NDEBUG
#endif

/* A product and a sum are two roundings, and bytes may be read as any type. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off", "no-strict-aliasing")
#endif
#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wunused-function"
#endif

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif
%s
#if !defined(APUS_PORT_NONE)
%s
#endif
#include "apus.h"

#if defined(__GNUC__)
#pragma GCC visibility push(hidden)
#endif
'''

TARGET_BEGIN = '''#if %s
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("%s"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("%s")
#endif
'''
TARGET_END = '''#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
%s#endif
'''
# Where the kernels are left out, plain C stays in the table.
NO_TABLE = '''#else
static void cpu_fill_%s(struct cpu_kernels *table) { (void)table; }
'''


def public_header():
    port = without_guard(read('include/apus/port.h'))
    main = read('include/apus/apus.h')
    return main.replace('#include "apus/port.h"\n', port)


def main():
    out = pathlib.Path(sys.argv[1])
    compiler = sys.argv[2] if len(sys.argv) > 2 else 'cc'
    out.mkdir(parents=True, exist_ok=True)
    files = sources()
    port = [str(p.relative_to(ROOT)) for p in sorted((ROOT / 'port').glob('posix*.c'))]
    shared = headers_of(files + port)
    port_headers = [h for h in shared if h.startswith('port/')]
    shared = [h for h in shared if h not in port_headers]

    texts, names = {}, {}
    for file in files + port:
        set_name = pathlib.Path(file).name.split('_')[0]
        flags = ['-D_GNU_SOURCE']
        if set_name in ('avx2', 'avxvnni', 'avx512'):
            flags += ['-m' + f for f in SETS[set_name][1].split(',')]
        texts[file] = expanded(file, set())
        names[file] = set() if set_name == 'neon' else own_names(file, compiler, flags)
    count = collections.Counter(n for found in names.values() for n in found)
    tables = re.findall(r'^extern const [^;\n]*?\b(\w+)(?:\[[^\]]*\])*;',
                        '\n'.join(read(h) for h in shared), flags=re.M)
    tables = {n: 'apus_' + n for n in tables}

    def system(names, but=()):
        """What the system's own headers declare must not become hidden."""
        found = re.findall(r'^#include <.*>', '\n'.join(texts[n] for n in names), flags=re.M)
        return '\n'.join(sorted(set(found) - {'#include <%s>' % n for n in but}))
    basic = ('assert.h', 'stddef.h', 'stdint.h', 'string.h', 'cpuid.h', 'immintrin.h',
             'arm_neon.h')
    version = re.findall(r'#define APUS_VERSION_\w+ (\d+)', read('include/apus/apus.h'))
    parts = [HEAD % ('.'.join(version), system(files, basic), system(port, basic))]

    def title(name):
        return '\n/* %s %s */\n' % (name, '-' * (92 - len(name)))

    for header in shared:
        text = INCLUDE.sub('', without_guard(read(header)))
        text = variants_static(header, made_static(text))
        parts.append(title(header) + renamed(text, tables).strip('\n') + '\n')

    def section(file):
        text = texts[file]
        base = pathlib.Path(file).stem
        macros = macros_of(text)
        twice = sorted(n for n in names[file] if count[n] > 1)
        by_text = {n: '%s_of_%s' % (n, base) for n in twice if is_member(text, n)}
        by_macro = [n for n in twice if n not in by_text]
        text = made_static(renamed(text, {**tables, **by_text}))
        lines = [title(file)]
        lines += ['#define %s %s_of_%s\n' % (n, n, base) for n in by_macro]
        lines.append(text.strip('\n') + '\n')
        lines += ['#undef %s\n' % n for n in by_macro + macros]
        return ''.join(lines)

    for file in files:
        set_name = pathlib.Path(file).name.split('_')[0] if file.startswith('cpu/') else ''
        if set_name in SETS:
            when, gcc, clang = SETS[set_name][0], SETS[set_name][1], SETS[set_name][2]
            parts += [TARGET_BEGIN % (when, clang, gcc), section(file),
                      TARGET_END % (NO_TABLE % set_name if file.endswith('_table.c') else '')]
        else:
            parts.append(section(file))
    parts.append('\n#if defined(APUS_PORT_NONE)\n')
    texts['port/none.c'] = expanded('port/none.c', set())
    names['port/none.c'] = set()
    parts.append(section('port/none.c'))
    parts.append('#else\n')
    for header in port_headers:
        parts.append(title(header) + made_static(INCLUDE.sub('', without_guard(read(header)))))
    parts += [section(file) for file in port]
    parts.append('#endif\n\n#if defined(__GNUC__)\n#pragma GCC visibility pop\n#endif\n')
    text = re.sub(r'\n{3,}', '\n\n', ''.join(parts))
    text = re.sub(r'^#define _(GNU_SOURCE|FILE_OFFSET_BITS) +\w+.*\n', lambda m: '' if
                  m.start() > len(HEAD) else m[0], text, flags=re.M)
    (out / 'apus.c').write_text(text)
    (out / 'apus.h').write_text(public_header())
    (out / 'easy.h').write_text(read('include/apus/easy.h').replace('"apus/apus.h"',
                                                                         '"apus.h"'))


main()
