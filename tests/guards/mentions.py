"""What documents and public headers mention exists: paths, names of code, files and tests, members
of public structs, commands and their options.

  mentions.py SOURCE BUILD CTEST [APUS APUS_PACK]

Paths are checked in code and scripts as well. A word between backticks has to stand in a file that
is no document, or be the name of a test or of something built. Command lines are held against what
the programs say of their own options."""
import json
import pathlib
import re
import subprocess
import sys

source, build = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
ctest, programs = sys.argv[3], sys.argv[4:6]

# Documents that tell of the past may name what is gone.
GONE = {('CHANGELOG.md', 'apus_stats_t')}
# Names of others, or of nothing, that stand in no file of the tree.
OTHERS = {'apus_noun_verb', 'vkCmdDispatchIndirect', 'vkCreateInstance', 'v_rcp_f32', 'ldconfig',
          '--install'}
OTHER_PROGRAMS = {'-ngl', '-cnv'}
# Types of what HTTP carries, which look like paths.
MEDIA_TYPES = {'text/plain', 'text/event-stream'}
# Files whose paths lie elsewhere: archives that text came from, a driver's sources, patterns.
ELSEWHERE = ('weights/calibration/', 'weights/tools/calibration_text.py', 'weights/models/',
             'npu/uapi.h', 'toolchain/lint.sh', 'tests/fuzz/seeds/', 'tests/guards/width.py',
             'tests/guards/mentions.py')
NO_TEXT = ('.apus', '.png', '.spv', '.svg')
failures = checked = 0


def bad(where, what, why):
    global failures
    if (where.split(':')[0], what) not in GONE:
        failures += 1
        print('FAIL %s: %s %s' % (where, what, why))


def output(*command):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True).stdout


# ------------------------------------------------------------------------------ what there is
listed = output('git', '-C', source, 'ls-files').split('\n')[:-1]
if len(listed) < 100:
    print('skipped: %s is no git checkout' % source)
    sys.exit(77)
texts = {f: (source / f).read_text(errors='replace') for f in listed
         if (source / f).is_file() and not f.endswith(NO_TEXT)}
files = {f for f in listed if (source / f).is_file()}
folders = {str(p) for f in files for p in pathlib.PurePath(f).parents} - {'.'}
top = sorted({f.split('/')[0] for f in folders} - {'.ci'})
bases = {f.split('/')[-1] for f in files}


def is_document(name):
    return name.endswith('.md') or name.startswith(('docs/', 'include/apus/'))


def without_comments(name, text):
    """Names in a public header's comments are what is checked."""
    return re.sub(r'/\*.*?\*/', '', text, flags=re.S) if name.startswith('include/') else text


code = '\n'.join(without_comments(f, t) for f, t in texts.items()
                 if not f.endswith('.md') and not f.startswith('docs/') and f != 'LICENSE'
                 and not f.startswith(('weights/calibration/text', 'tests/fuzz/seeds'))
                 and f != ELSEWHERE[-1])
tests = re.findall(r'Test +#\d+: (\S+)', output(ctest, '--test-dir', build, '-N'))
built = {p.name for p in build.rglob('*') if p.is_file() and p.suffix not in ('.o', '.d')}
words = set(re.findall(r'\w+', code)) | set(tests) | {'test_' + t for t in tests} | built
dotted = set(re.findall(r'[\w-]+(?:\.[\w-]+)+', code)) | bases
dashed = set(re.findall(r'(?<![\w-])--?[A-Za-z][\w-]*', code))


def public_structs():
    found = {}
    for header in ('apus', 'port', 'easy'):
        text = re.sub(r'/\*.*?\*/', '', texts['include/apus/%s.h' % header], flags=re.S)
        for name, body in re.findall(r'typedef struct (\w+) \{(.*?)\n\} \w+;', text, flags=re.S):
            found[name] = set(re.findall(r'\w+', body))
    return found


def names(options):
    return {n for o in options for n in (o['name'], o.get('letter')) if n}


def known_options():
    """{'apus run': {'-m', '--model', ...}, ..., 'apus-pack': ...}, as the programs have it."""
    if not programs:
        return {}
    told = json.loads(output(programs[0], 'help', '--json'))
    shared = names(told['options']) | {'--version'}
    found = {'apus ' + c['name']: shared | names(c['options']) for c in told['commands']}
    found['apus-pack'] = set(re.findall(r'(?<![\w-])--?[a-z][\w-]*', output(programs[1], '--help')))
    if len(found) < 10 or min(map(len, found.values())) < 8:
        sys.exit('FAIL the programs say too little of their options: %s' % found)
    return found


structs, options = public_structs(), known_options()


# -------------------------------------------------------------------------------------- checks
def check_path(where, path):
    global checked
    checked += 1
    path = path.rstrip('/.')
    if path in MEDIA_TYPES:
        return
    last = path.split('/')[-1]
    if '*' in path:
        found = any(pathlib.PurePath(f).match(path) for f in files) or path.startswith('build/')
    elif path.startswith('build/'):
        found = last in words or last in code
    else:  # or runtime/length, its .c and .h; or a program that is built in its folder
        found = path in files or path in folders
        found = found or '.' not in last and any(f.startswith(path + '.') for f in files)
        found = found or path.rsplit('/', 1)[0] in folders and last in built
    if not found:
        bad(where, path, 'is not in the tree, nor made by anything in it')


def check_option(where, option):
    if where.startswith(('docs/cli.md', 'docs/guide/')) and options:
        if not any(option in o for o in options.values()) and option not in OTHER_PROGRAMS:
            bad(where, option, 'is no option of apus or apus-pack')
    elif option not in dashed:
        bad(where, option, 'is an option of nothing in the tree')


def check_word(where, word):
    if word in OTHERS:
        return
    if re.fullmatch(r'apus_\w+\.\w+', word):
        struct, member = word.split('.')
        if member not in structs.get(struct, ()):
            bad(where, word, 'is no member of a public struct')
    elif re.fullmatch(r'--?[A-Za-z][\w-]*(=.*)?', word):
        check_option(where, word.split('=')[0])
    elif re.fullmatch(r'[\w-]+(\.[\w-]+)+', word):
        if word not in dotted:
            bad(where, word, 'is no file and in no code')
    elif re.fullmatch(r'[A-Za-z]\w+', word) and word not in words:
        bad(where, word, 'is in no code')


def check_command(where, line):
    """A command line of ours: the command exists and takes these options."""
    m = re.match(r'(?:[A-Z_]+=\S+ +)*(?:build/release/)?(apus|apus-pack)\b(?!-)\s*(.*)', line)
    if not m or not options:
        return
    program, rest = m.groups()
    rest = re.sub(r"'[^']*'|\"[^\"]*\"", ' ', rest)  # prompts
    rest = re.split(r' {2,}[a-z]| [<>|&] | #', rest)[0].split()  # what stands beside it
    if program == 'apus':
        if not rest or not re.fullmatch(r'[a-z]+', rest[0]):
            return
        program += ' ' + rest.pop(0)
    if program not in options:
        return bad(where, program, 'is no command')
    for word in rest:
        word = word.strip('[](),.;').split('=')[0]
        if re.fullmatch(r'--?[A-Za-z][\w-]*', word) and word not in options[program]:
            bad(where, word, 'is no option of ' + program)


def check_script(where, line):
    """Options of scripts stand in the script, or in a module beside it."""
    for script, rest in re.findall(r'([\w/]+\.(?:py|sh))((?: +[^|&;#]*)?)', line):
        beside = script.rsplit('/', 1)[0] + '/'
        for option in re.findall(r' (--[a-z][\w-]*)', rest) if script in texts else []:
            if not any(option in t for f, t in texts.items()
                       if f == script or f.startswith(beside) and f.endswith('.py')):
                bad(where, option, 'is no option of ' + script)


def check_ctest(where, line):
    for pattern in re.findall(r'^ctest .*-R [\'"]?([\w|^$.]+)', line):
        if tests and pattern != 'name' and not any(re.search(pattern, t) for t in tests):
            bad(where, pattern, 'matches no test')


def check_line(where, line):
    for check in (check_command, check_script, check_ctest):
        check(where, line.strip())


def check_span(where, span):
    """What stands between backticks."""
    if ' ' not in span:
        return check_word(where, span)
    check_line(where, span)
    for word in re.findall(r'(?<!\S)--[a-z][\w-]+', span):
        check_option(where, word) if word not in OTHERS else None


def without_code(text):
    return re.sub(r'^```.*?^```', lambda m: '\n' * m[0].count('\n'), text, flags=re.M | re.S)


def anchors(text):
    """Of the headings, as they are made on the web."""
    return {re.sub(r'[^\w -]', '', h.lower()).replace(' ', '-')
            for h in re.findall(r'^#+ (.*)', without_code(text), flags=re.M)}


def spans(name, text):
    """What stands between backticks, over line ends too, with its place; not in blocks of code."""
    text = re.sub(r'^    .*', '', without_code(text), flags=re.M)

    def place(at):
        return '%s:%d' % (name, text.count('\n', 0, at) + 1)
    for paragraph in re.finditer(r'(?:.+\n)+|.+\Z', text):
        if paragraph[0].count('`') % 2:
            bad(place(paragraph.start()), 'a backtick', 'is not closed in this paragraph')
            continue
        for m in re.finditer(r'`([^`]+)`', paragraph[0]):
            yield place(paragraph.start() + m.start()), ' '.join(m[1].split())


# ------------------------------------------------------------------------------------ all files
PATH = re.compile(r'(?<![\w./-])((?:%s|build)/[\w./*+-]*[\w*/])' % '|'.join(map(re.escape, top)))
PUBLIC = re.compile(r'\b((?:apus|APUS)_\w+)(?:\.([a-z]\w*))?')
SECTION = re.compile(r'(docs/\w+\.md)`?,? (?:section )?(\d+)\b(?!\.\d)')


def check_public(where, line):
    global checked
    for name, member in PUBLIC.findall(line):
        checked += 1
        if name not in words and name not in OTHERS and not name.endswith('_'):
            bad(where, name, 'is in no code')
        if member and name in structs and member not in structs[name]:
            bad(where, name + '.' + member, 'is no member of a public struct')


def check_markdown(name, text):
    global checked
    block = ''
    for number, line in enumerate(text.split('\n'), 1):
        where = '%s:%d' % (name, number)
        if line.startswith('```'):
            block = '' if block else line
        elif line.startswith('    ') or block in ('```', '```sh'):
            check_line(where, line)
    for link, anchor in re.findall(r'\]\(\s*([^)#:\s]*)(?:#([^)\s]+))?\s*\)', without_code(text)):
        checked += 1
        to = (source / name).parent.joinpath(link) if link else source / name
        if not to.exists():
            bad(name, link, 'is no file beside this document')
        elif anchor and anchor not in anchors(to.read_text()):
            bad(name, '%s#%s' % (link, anchor), 'is no heading')
    for where, span in spans(name, text):
        checked += 1
        check_span(where, span)


def check_keys():
    """docs/cli.md lists what `apus run --json` gives, as the program's help has it."""
    told = json.loads(output(programs[0], 'help', 'run', '--json'))['commands'][0]['description']
    told = re.search(r'With --json: (.*?)\. With a draft', told, flags=re.S)[1]
    keys = set(re.findall(r'\w+', re.sub(r'\([^)]*\)', '', told)))
    paragraph = re.search(r'\*\*Keys of `run --json`\.\*\*(.*?)\n\n', texts['docs/cli.md'],
                          flags=re.S)[1]
    for key in sorted(keys - set(re.findall(r'`(\w+)`', paragraph))):
        bad('docs/cli.md', key, 'is missing among the keys of run --json')


if options:
    check_keys()
for name, text in texts.items():
    if name.startswith(ELSEWHERE) and not name.endswith('models/pair/README.md'):
        continue
    for number, line in enumerate(text.split('\n'), 1):
        where = '%s:%d' % (name, number)
        if not line.startswith('#include'):
            for path in PATH.findall(line):
                check_path(where, path)
        if is_document(name):
            check_public(where, line)
        for path, case in re.findall(r'(tests/[\w/]+\.\w+):([a-z]\w+)', line):
            if path in texts and not re.search(r'\b%s\b' % case, texts[path]):
                bad(where, case, 'is not in ' + path)
        for document, section in SECTION.findall(line):
            if document in texts and not re.search(r'^## %s\. ' % section, texts[document],
                                                   flags=re.M):
                bad(where, document, 'has no section ' + section)
    if name.endswith('.md'):
        check_markdown(name, text)

if checked < 1000:
    bad('mentions.py', str(checked), 'mentions were found, too few')
print('%d mentions, %d wrong' % (checked, failures))
sys.exit(1 if failures else 0)
