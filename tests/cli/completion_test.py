"""Completion in bash, zsh and fish: the scripts offer every option that the programs tell of, files
where a value is a file, and nothing where it is not. zsh and fish only where they are installed."""
import json
import re
import shutil
import subprocess
import tempfile
import unittest

from cli_case import BUILD, apus


def script(program, shell):
    ask = ['help', '--completion'] if program == 'apus' else ['--completion']
    return subprocess.run([BUILD / program, *ask, shell], capture_output=True, text=True,
                          check=True).stdout


def bash(program, *words):
    """What is offered for the last word."""
    function = '_' + program.replace('-', '_')
    text = '%s\nCOMP_WORDS=("$@") COMP_CWORD=$(($# - 1))\n%s\nprintf "%%s\\n" "${COMPREPLY[@]}"' % (
        script(program, 'bash'), function)
    done = subprocess.run(['bash', '-c', text, 'bash', program, *words], capture_output=True,
                          text=True, cwd=COMPLETE.name, check=True)
    return set(done.stdout.split('\n')[:-1]) - {''}


def phrases(program, line):
    """What fish offers, and what it says of it."""
    text = script(program, 'fish') + "\ncomplete -C '%s'" % line
    done = subprocess.run(['fish', '--no-config', '-c', text], capture_output=True, text=True,
                          cwd=COMPLETE.name, check=True)
    return {o.split('\t')[0]: o.partition('\t')[2] for o in done.stdout.split('\n') if o}


def fish(program, line):
    return set(phrases(program, line))


ZSH = '''
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1= ; fpath=(%(folder)s $fpath); autoload -Uz compinit; compinit -u -D'
zpty -w shell 'LISTMAX=1000; setopt no_auto_menu; zstyle ":completion:*" list-prompt ""'
zpty -w shell 'bindkey "^X" list-choices; stty columns 200 rows 400; cd %(cwd)s; print rea''dy'
zpty -r shell out '*ready*'
zpty -w -n shell '%(line)s'$'\\C-x'
sleep 2
while zpty -rt shell part; do print -rn -- $part; done
zpty -d shell
'''


def zsh(program, line):
    with open('%s/_%s' % (COMPLETE.name, program), 'w') as file:
        file.write(script(program, 'zsh'))
    text = ZSH % dict(folder=COMPLETE.name, cwd=COMPLETE.name, line=line)
    return subprocess.run(['zsh', '-f', '-c', text], capture_output=True, text=True,
                          timeout=60).stdout


COMPLETE = tempfile.TemporaryDirectory()
for name in ('model one.apus', 'note.txt'):
    open('%s/%s' % (COMPLETE.name, name), 'w').close()
FILES = {'model one.apus', 'note.txt'}
# Each has what means something to a shell, or a bracket that would stay open.
PHRASES = {
    'apus run': {'--escape': r'\n, \t, \\, \xHH in the text are characters',
                 '--cpu': 'strongest instruction set to use: ref',
                 '--engine': 'cpu (default), igpu or npu'},
    'apus-pack': {'--ctx': 'positions at most', '--bits': 'with int4: bits a weight',
                  '--name': "the model's name (default: the source's)"},
}
TOLD = json.loads(apus('help', '--json').stdout)


def options_of(command):
    return {n for o in command['options'] + TOLD['options'] for n in (o['name'], o.get('letter'))
            if n}


class Completion(unittest.TestCase):
    def test_bash(self):
        names = {c['name'] for c in TOLD['commands']}
        self.assertEqual(bash('apus', ''), names)
        self.assertEqual(bash('apus', 'be'), {'bench'})
        for command in TOLD['commands']:
            self.assertEqual(bash('apus', command['name'], '-'), options_of(command))
        self.assertEqual(bash('apus', 'run', '--dr'),
                         {'--draft', '--draft-ctx', '--draft-engine', '--draft-tokens'})
        self.assertEqual(bash('apus', 'run', ''), FILES)
        self.assertEqual(bash('apus', 'run', '-m', 'model'), {'model one.apus'})
        self.assertEqual(bash('apus', 'run', '-n', ''), set())
        self.assertEqual(bash('apus', 'help', 'ser'), {'serve'} & names)
        self.assertEqual(bash('apus-pack', '--w'), {'--weights'})
        self.assertEqual(bash('apus-pack', ''), FILES)
        self.assertEqual(bash('apus-pack', '-t', ''), set())
        self.assertEqual(bash('apus-pack', 'SOURCE', '--draft', ''), FILES)

    @unittest.skipUnless(shutil.which('fish'), 'fish is not installed')
    def test_fish(self):
        self.assertLessEqual({c['name'] for c in TOLD['commands']}, fish('apus', 'apus '))
        for command in TOLD['commands']:
            long = {o for o in options_of(command) if o.startswith('--')}
            self.assertLessEqual(long, fish('apus', 'apus %s --' % command['name']))
        self.assertLessEqual(FILES, fish('apus', 'apus run -m '))
        self.assertFalse(FILES & fish('apus', 'apus run -n '))
        self.assertIn('--weights', fish('apus-pack', 'apus-pack --w'))
        self.assertLessEqual(FILES, fish('apus-pack', 'apus-pack SOURCE --draft '))
        for words, expected in PHRASES.items():
            found = phrases(words.split()[0], words + ' --')
            self.assertEqual({name: found[name] for name in expected}, expected)

    @unittest.skipUnless(shutil.which('zsh'), 'zsh is not installed')
    def test_zsh(self):
        for program in ('apus', 'apus-pack'):
            subprocess.run(['zsh', '-n'], input=script(program, 'zsh'), text=True, check=True)
        shown = zsh('apus', 'apus ')
        for command in TOLD['commands']:
            self.assertIn(command['name'], shown)
        shown = zsh('apus', 'apus run --dra')
        for option in ('--draft-ctx', '--draft-engine', '--draft-tokens'):
            self.assertIn(option, shown)
        self.assertIn('note.txt', zsh('apus', 'apus run -m '))
        self.assertIn('--no-rotate', zsh('apus-pack', 'apus-pack --no'))
        self.assertIn('note.txt', zsh('apus-pack', 'apus-pack SOURCE --draft '))
        for words, expected in PHRASES.items():
            shown = zsh(words.split()[0], words + ' --')
            for name, phrase in expected.items():
                self.assertRegex(shown, r'%s +-- %s[\s\x1b]' % (name, re.escape(phrase)))

    def test_another_shell(self):
        done = apus('help', '--completion', 'bahs')
        self.assertEqual(done.returncode, 2)
        self.assertIn(b'bash, zsh or fish', done.stderr)
        self.assertEqual(done.stdout, b'')


if __name__ == '__main__':
    unittest.main()
