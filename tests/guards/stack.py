"""The library's stack is bounded: no frame of unknown size, none above 4096 bytes, no recursion,
and no chain of calls above 64 KiB.

  stack.py BUILD indirect_calls.txt SOURCE

Reads the call graphs that gcc writes beside the objects (-fcallgraph-info=su). A call through a
pointer is looked up by the name it is called by (`kernels.norm(...)`: norm) in indirect_calls.txt,
which says what it may reach; a name that is not listed there fails."""
import pathlib
import re
import sys

FRAME, CHAIN = 4096, 64 * 1024
OUTSIDE = 512  # charged for a function that is not the library's: mem*, strlen, the port's services

build, table, source = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), pathlib.Path(
    sys.argv[3]).resolve()
failures = 0


def fail(text):
    global failures
    failures += 1
    print('FAIL ' + text)


frames, edges, indirect = {}, {}, {}
LAYERS = ('weights', 'text', 'hal', 'cpu', 'igpu', 'npu', 'speculate', 'runtime', 'trace')
files = sorted(f for layer in LAYERS
               for f in (build / 'CMakeFiles' / ('apus_%s.dir' % layer)).rglob('*.ci'))
for file in files:
    text = file.read_text()
    for title, label in re.findall(r'node: \{ title: "([^"]*)" label: "([^"]*)"', text):
        size = re.search(r'\\n(\d+) bytes \((.*?)\)', label)
        if size:
            frames[title] = int(size.group(1))
            if 'dynamic' in size.group(2) and 'bounded' not in size.group(2):
                fail('the frame of %s has no bound' % title)
            if frames[title] > FRAME:
                fail('the frame of %s has %d bytes' % (title, frames[title]))
    for caller, callee, where in re.findall(
            r'edge: \{ sourcename: "([^"]*)" targetname: "([^"]*)"(?: label: "([^"]*)")?', text):
        if callee == '__indirect_call':
            indirect.setdefault(caller, set()).add(where)
        else:
            edges.setdefault(caller, set()).add(callee)

if len(files) < 3 or len(frames) < 10:
    fail('%d call graphs with %d functions: not this build?' % (len(files), len(frames)))

# a build may be without
absent = [
    layer for layer in ('igpu', 'npu') if not any('apus_%s.dir' % layer in f.parts for f in files)
]
rules = {}
for line in table.read_text().splitlines():
    line = line.split('#')[0].split()
    if line:
        rules[line[0]] = [re.compile(r + r'(\.\w+)*$') for r in line[1:]]

plain = lambda title: title.rsplit(':', 1)[-1]
used = set()
for caller, places in indirect.items():
    for place in places:
        path, line, column = place.rsplit(':', 2)
        path = pathlib.Path(path)
        path = path if path.is_absolute() else build / path
        text = '\n'.join(path.read_text().splitlines()[int(line) - 1:int(line) + 2])
        # gcc's column is the call's first character or its parenthesis, by version: take the
        # pointer's name around it
        name = re.search(r'(\w+)\s*(?:\[[^\]]*\])?\)?\s*\(', text[max(0, int(column) - 1):])
        before = re.search(r'(\w+)\)?$', text[:max(0, int(column) - 1)])
        names = [m.group(1) for m in (name, before) if m and m.group(1) in rules]
        if not names:
            fail('%s calls through a pointer at %s: say in %s what that reaches: %s' %
                 (caller, place, table.name, text.splitlines()[0].strip()))
            continue
        used.add(names[0])
        targets = rules[names[0]]
        if re.search(r'\bhal_cpu_engine\.%s\(' % names[0], text):
            # another engine asks this one by name
            targets = [re.compile('cpu_%s(\\.\\w+)*$' % names[0])]
        for title in frames:
            if any(r.match(plain(title)) for r in targets):
                edges.setdefault(caller, set()).add(title)
for name in sorted(set(rules) - used):
    print('note: nothing calls through %s' % name)
for name, targets in rules.items():
    for r in targets:
        if not any(r.match(plain(t)) for t in frames) and not any(layer in r.pattern
                                                                  for layer in absent):
            fail('%s: no function is called %s' % (table.name, r.pattern))

depth, path = {}, []


def deepest(f):
    """Bytes of the deepest chain from f, and the chain. Depth first; meeting a function of the
    current path is recursion."""
    if f in depth:
        return depth[f]
    if f in path:
        fail('recursion: ' + ' -> '.join(map(plain, path[path.index(f):] + [f])))
        return 0, [f]
    path.append(f)
    below, chain = max((deepest(t) for t in sorted(edges.get(f, ()))),
                       default=(0, []),
                       key=lambda d: d[0])
    path.pop()
    depth[f] = (frames.get(f, OUTSIDE) + 8 + below, [f] + chain)
    return depth[f]


sys.setrecursionlimit(10000)
worst, chain = max((deepest(f) for f in list(frames)), key=lambda d: d[0])
if worst > CHAIN:
    fail('%d bytes of stack in one chain' % worst)
print('%d functions, largest frame %d bytes, deepest chain %d bytes:' %
      (len(frames), max(frames.values()), worst))
print('  ' + ' -> '.join('%s (%s)' % (plain(f), frames.get(f, 'outside')) for f in chain))
sys.exit(1 if failures else 0)
