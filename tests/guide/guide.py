"""The programs in docs/guide compile without a warning and run.

  guide.py SOURCE COMPILER LIBAPUS.A APUS_PACK WORK

A program stands behind `<!-- guide: ARGUMENTS -->`, or `<!-- guide: library -->` for what others
load. In the arguments MODEL is a tiny model with the control tokens of ChatML and of
fill-in-the-middle, LIBRARY the library before; `< TEXT` is standard input. Each has to end with
status 0 and to print something."""
import pathlib
import re
import shlex
import subprocess
import sys

source, compiler, archive, pack, work = sys.argv[1:6]
source, work = pathlib.Path(source), pathlib.Path(work)
sys.path.insert(0, str(source / 'tests' / 'cli'))
import tiny_gguf  # noqa: E402

MARKERS = ['<|im_start|>', '<|im_end|>', '<|fim_prefix|>', '<|fim_suffix|>', '<|fim_middle|>']
PROGRAM = re.compile(r'<!-- guide: (.*?) -->\n```(\w+)\n(.*?)```', flags=re.S)
WARNINGS = [
    '-std=c11', '-Wall', '-Wextra', '-Wpedantic', '-Wstrict-prototypes', '-Wmissing-prototypes',
    '-Werror'
]


def make_model(path):
    gguf = path.with_suffix('.gguf')
    tokens = tiny_gguf.vocabulary() + [(name, 0.0, tiny_gguf.CONTROL) for name in MARKERS]
    tiny_gguf.vocabulary = lambda: tokens
    tiny_gguf.write(gguf)
    subprocess.run([pack, gguf, '-o', path, '--weights', 'int8', '--no-calibrate', '-q'],
                   check=True)


def unescape(text):
    return text.encode().decode('unicode_escape')


def build(name, language, code, library):
    """The command that runs the program, or the library's path."""
    file = work / ('%s.%s' % (name, {'c': 'c', 'python': 'py'}[language]))
    file.write_text(code)
    if language == 'python':
        return [sys.executable, str(file)]
    out = file.with_suffix('.so' if library else '')
    subprocess.run([
        compiler, *WARNINGS, *(['-shared', '-fPIC'] if library else []), '-I',
        str(source / 'include'),
        str(file), archive, '-lpthread', '-o',
        str(out)
    ],
                   check=True)
    return str(out) if library else [str(out)]


def main():
    work.mkdir(parents=True, exist_ok=True)
    model = work / 'tiny.apus'
    make_model(model)
    programs = failed = 0
    pages = sorted((source / 'docs' / 'guide').glob('*.md'))
    for page in pages:
        library = None
        for number, (words, language, code) in enumerate(PROGRAM.findall(page.read_text())):
            name = '%s_%d' % (page.stem, number)
            programs += 1
            if words == 'library':
                library = build(name, language, code, True)
                continue
            given = [unescape(w) for w in shlex.split(words)]
            text = None
            if '<' in given:
                text = given[given.index('<') + 1]
                given = given[:given.index('<')]
            given = [{'MODEL': str(model), 'LIBRARY': library}.get(w, w) for w in given]
            done = subprocess.run(build(name, language, code, False) + given,
                                  input=text and text.encode(),
                                  capture_output=True,
                                  timeout=60)
            print('%s: status %d, %d bytes' % (name, done.returncode, len(done.stdout)))
            if done.returncode or not done.stdout.strip():
                failed += 1
                print('FAIL %s %s' % (page, done.stderr.decode(errors='replace')))
        code_without = len(re.findall(r'^```(?:c|python)$', page.read_text(), flags=re.M))
        if code_without != len(PROGRAM.findall(page.read_text())):
            failed += 1
            print('FAIL %s has a program that no test runs' % page)
    if programs < 6:
        failed += 1
        print('FAIL only %d programs were found' % programs)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
