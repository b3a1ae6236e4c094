"""The library as it is installed: each component lays down its own files, and programs outside of
the tree, in C and C++, built by pkg-config and by CMake, shared and static, write what `apus run`
writes, from a prefix that was moved after it was installed.

  installed_test.py BUILD CMAKE CC CXX WORK [unittest's arguments]

About 20 seconds of processor time."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

BUILD, CMAKE, CC, CXX, WORK = sys.argv[1:6]
BUILD, WORK = pathlib.Path(BUILD), pathlib.Path(WORK)
SOURCE = pathlib.Path(__file__).resolve().parents[2]
OUTSIDE = pathlib.Path(__file__).resolve().parent / 'outside'
PAIR = SOURCE / 'weights/models/pair'
PROMPT = 'def is_connected(G):\n    """Returns'
STRICT = ['-Wall', '-Wextra', '-Wpedantic', '-Werror']
C, CPP = ['-std=c11', OUTSIDE / 'first_text.c'], ['-std=c++17', OUTSIDE / 'first_text_cpp.cpp']
COMPONENTS = ('runtime', 'dev', 'tools', 'models', 'plugins')


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    if done.returncode:
        raise AssertionError('%s\n%s%s' % (' '.join(map(str, command)), done.stdout, done.stderr))
    return done


def install(prefix, *options):
    run(CMAKE, '--install', BUILD, '--prefix', prefix, *options)
    return {str(p.relative_to(prefix)) for p in prefix.rglob('*') if not p.is_dir()}


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        shutil.rmtree(WORK, ignore_errors=True)
        WORK.mkdir(parents=True)
        cls.files = install(WORK / 'first')
        cls.prefix = WORK / 'moved here'  # a blank, too
        (WORK / 'first').rename(cls.prefix)
        cls.lib = next(cls.prefix.rglob('libapus.a')).parent
        told = json.loads(run(BUILD / 'apus', 'run', '-m', PAIR / 'target.apus', '-p', PROMPT,
                              '-n', 24, '--json').stdout)
        cls.expected = told['text'], told['logits_hash']

    def check(self, program, shared):
        needed = run('readelf', '-d', program).stdout
        self.assertEqual('libapus.so.0' in needed, shared, needed)
        done = run(program, PAIR / 'target.apus', PAIR / 'draft.apus', PROMPT,
                   env=dict(os.environ, LD_LIBRARY_PATH=str(self.lib) if shared else ''))
        self.assertEqual((done.stdout, done.stderr.strip()), self.expected)

    def pkg_config(self, *options):
        environment = dict(os.environ, PKG_CONFIG_PATH=str(self.lib / 'pkgconfig'))
        words = run('pkg-config', *options, 'apus', env=environment).stdout
        return [w.replace('\\ ', ' ') for w in re.split(r'(?<!\\) ', words.strip())]

    def test_components_are_the_whole(self):
        found = {}
        for component in COMPONENTS:
            for file in install(WORK / component, '--component', component):
                self.assertNotIn(file, found, 'in %s and %s' % (component, found.get(file)))
                found[file] = component
        self.assertEqual(set(found), self.files)

        def of(pattern):
            return {c for f, c in found.items() if re.search(pattern, f)}
        self.assertEqual({f.split('/')[-1] for f, c in found.items() if c == 'runtime'},
                         {'libapus.so.0', 'libapus.so.0.1.0'})
        self.assertEqual(of(r'\.(h|a|pc|cmake)$|libapus\.so$'), {'dev'})
        self.assertEqual(of(r'bin/|man/|completion|site-functions'), {'tools'})
        self.assertEqual(of(r'nvim/'), {'plugins'})
        self.assertEqual({f for f, c in found.items() if c == 'models'},
                         {'share/apus/models/pair/' + n
                          for n in ('target.apus', 'draft.apus', 'README.md')})

    def test_nothing_names_the_tree(self):
        """What was installed does not depend on where it was built, or it could not be given
        away."""
        for file in self.files:
            data = (self.prefix / file).read_bytes()
            if file.endswith(('.pc', '.cmake', '.h')):
                self.assertNotIn(str(SOURCE).encode(), data, file)

    def test_symbols_of_the_installed_library(self):
        guard = SOURCE / 'tests/guards/symbols.py'
        run(sys.executable, guard, 'archive', self.lib / 'libapus.a')
        run(sys.executable, guard, 'shared', self.lib / 'libapus.so')

    def test_pkg_config_shared(self):
        flags = self.pkg_config('--cflags', '--libs')
        for compiler, words in ((CC, C), (CXX, CPP)):
            program = WORK / ('pc_shared_' + words[1].suffix[1:])
            run(compiler, *STRICT, *words, *flags, '-o', program)
            self.check(program, True)

    def test_pkg_config_static(self):
        """Libs.private is all that a program without any shared object needs."""
        flags = self.pkg_config('--static', '--cflags', '--libs')
        for compiler, words in ((CC, C), (CXX, CPP)):
            program = WORK / ('pc_static_' + words[1].suffix[1:])
            run(compiler, *STRICT, *words, *flags, '-static', '-o', program)
            self.check(program, False)
            self.assertNotIn('(NEEDED)', run('readelf', '-d', program).stdout)

    def test_pkg_config_tells_the_version(self):
        header = (SOURCE / 'include/apus/apus.h').read_text()
        numbers = re.findall(r'#define APUS_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)', header)
        self.assertEqual(self.pkg_config('--modversion'), ['.'.join(numbers)])

    def test_cmake(self):
        build = WORK / 'cmake'
        run(CMAKE, '-S', OUTSIDE, '-B', build, '-DCMAKE_PREFIX_PATH=%s' % self.prefix,
            '-DCMAKE_C_COMPILER=' + CC, '-DCMAKE_CXX_COMPILER=' + CXX)
        run(CMAKE, '--build', build)
        for language in ('c', 'cpp'):
            self.check(build / (language + '_apus'), True)
            self.check(build / (language + '_apus_static'), False)

    def test_cmake_refuses_another_version(self):
        project = WORK / 'other'
        project.mkdir()
        (project / 'CMakeLists.txt').write_text(
            'cmake_minimum_required(VERSION 3.20)\nproject(other LANGUAGES C)\n'
            'find_package(apus 0.2 REQUIRED)\n')
        done = subprocess.run([CMAKE, '-S', project, '-B', project / 'build',
                               '-DCMAKE_PREFIX_PATH=%s' % self.prefix],
                              capture_output=True, text=True)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn('0.1.0', done.stderr)

    def test_manual_pages(self):
        for page in ('apus', 'apus-pack'):
            installed = self.prefix / 'share/man/man1' / (page + '.1')
            written = SOURCE / 'docs/man' / (page + '.1')
            self.assertEqual(installed.read_bytes(), written.read_bytes())


if __name__ == '__main__':
    if not shutil.which(CXX) or not shutil.which('pkg-config'):
        print('skipped: a C++ compiler and pkg-config are needed, found %s and %s' %
              (shutil.which(CXX), shutil.which('pkg-config')))
        sys.exit(77)
    unittest.main(argv=sys.argv[:1] + sys.argv[6:])
