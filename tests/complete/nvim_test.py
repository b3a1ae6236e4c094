"""The Neovim plug-in in a real Neovim, with the pair that ships: what a user types and sees.

Run by itself it prints the screens of a session; as a test it keeps them in
build/.../nvim-screens.txt. Status 77, with the reason, where there is no Neovim."""
import os
import pathlib
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get('APUS_BUILD', ROOT / 'build/release')).resolve()
PAIR = ROOT / 'weights/models/pair'
COLOR = 0x123456

try:
    import nvim_screen
    COMMAND, VERSION = nvim_screen.find()
except ImportError as error:
    COMMAND, VERSION = None, str(error)

CODE = '''import os


def main(argv):
    """Print the names of all files."""
    for name in sorted(os.listdir(argv[1])):
'''
SETUP = '''
vim.o.termguicolors = true
vim.o.swapfile = false
vim.cmd('filetype indent plugin off')
vim.o.autoindent = false
vim.cmd('colorscheme default')
for _, group in ipairs({'ApusGhost', 'ComplHint', 'ComplHintMore'}) do
  vim.api.nvim_set_hl(0, group, {fg = %d})
end
require('apus').setup({
  cmd = {'%s', 'lsp'}, model = '%s', draft = '%s', threads = 1, native = %s, debounce_ms = 30,
  settings = {automaticLogProb = 0, automaticTokens = 24},
})
'''
screens = []


class Case(unittest.TestCase):
    native = False

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        folder = pathlib.Path(self.folder.name)
        env = dict(os.environ, HOME=str(folder), XDG_STATE_HOME=str(folder / 'state'),
                   XDG_CONFIG_HOME=str(folder / 'config'), XDG_DATA_HOME=str(folder / 'data'))
        file = folder / 'names.py'
        file.write_text(CODE)
        init = folder / 'init.lua'
        init.write_text("vim.opt.rtp:prepend('%s')\n" % (ROOT / 'editors/nvim') + SETUP % (
            COLOR, BUILD / 'apus', PAIR / 'target.apus', PAIR / 'draft.apus',
            str(self.native).lower()))
        self.nvim = nvim_screen.Nvim(COMMAND, '-u', str(init), str(file), env=env)
        self.addCleanup(self.nvim.end)
        self.nvim.wait(lambda: self.nvim.lua(
            "return #vim.lsp.get_clients({name = 'apus', bufnr = 0}) > 0"), 'the server')

    def keep(self, title):
        time.sleep(0.05)
        screens.append('--- %s (Neovim %d.%d, %s)\n%s\n' % (
            title, *VERSION, 'its own inline completion' if self.native else 'our ghost text',
            '\n'.join(self.nvim.screen())))

    def ghost(self):
        """What is shown, once it has been the same for a while."""
        def steady():
            seen = self.nvim.ghost(COLOR)
            time.sleep(0.15)
            return seen if seen == self.nvim.ghost(COLOR) else None
        return self.nvim.wait(steady, 'ghost text')

    def gone(self):
        self.nvim.wait(lambda: not self.nvim.ghost(COLOR), 'no ghost text')

    def open_line(self):
        """A new line at the end, with what is shown at its front."""
        self.nvim.type('Go        print(')
        return self.ghost()

    def test_accept_all(self):
        before = self.open_line()
        self.keep('typed; ghost text')
        self.nvim.type('<Tab>')
        self.nvim.wait(lambda: self.nvim.text() != CODE + '        print(', 'an accepted text')
        text = self.nvim.text()
        self.assertTrue(text.startswith(CODE + '        print('))
        added = text[len(CODE + '        print('):]
        self.assertEqual([line.rstrip() for line in added.split('\n') if line.strip()],
                         [line.rstrip() for line in before])
        self.keep('accepted with Tab')
        # one step of undo takes it back
        self.nvim.type('<Esc>u')
        self.nvim.wait(lambda: self.nvim.text() == CODE + '        print(', 'the text before')

    def test_accept_words_and_line(self):
        before = self.open_line()
        self.nvim.type('<C-B>')
        self.nvim.wait(lambda: self.nvim.text() != CODE + '        print(', 'an accepted word')
        word = self.nvim.text()[len(CODE + '        print('):]
        self.assertTrue(before[0].startswith(word), (before, word))
        self.assertLess(len(word), sum(map(len, before)))
        self.assertLessEqual(len(word.split()), 1)
        if not self.native:  # what is left stays where it was
            self.assertEqual(''.join(self.ghost()), ''.join(before)[len(word):].rstrip())
        self.keep('a word accepted with Ctrl-B')
        left = self.ghost()
        self.nvim.type('<S-Tab>')
        self.nvim.wait(lambda: self.nvim.text().endswith(left[0]), 'an accepted line')
        self.assertEqual(self.nvim.text(), CODE + '        print(' + word + left[0])

    def test_dismiss(self):
        self.open_line()
        self.nvim.type('<C-]>')
        self.gone()
        self.assertEqual(self.nvim.text(), CODE + '        print(')
        self.keep('dismissed with Ctrl-]')
        self.nvim.type('na')  # and typing asks again
        self.ghost()
        self.nvim.type('<Esc>')
        self.gone()

    def test_keys_without_ghost_text_are_what_they_were(self):
        self.nvim.type('Go<C-]>')
        self.gone()
        self.nvim.lua("require('apus').disable()")
        self.nvim.type('x<Tab>y<Esc>')
        self.nvim.wait(lambda: self.nvim.text() == CODE + 'x       y'
                       or self.nvim.text() == CODE + 'x\ty', 'a tab')

    def test_typing_what_is_shown(self):
        if self.native:
            self.skipTest("Neovim's own asks anew")
        before = self.open_line()
        self.nvim.type(before[0][0].replace('<', '<lt>'))
        self.nvim.wait(lambda: ''.join(self.nvim.ghost(COLOR)) == ''.join(before)[1:],
                       'the rest of what was shown')

    def test_two_quick_edits_show_nothing_stale(self):
        """Keys faster than answers: at no flush of the screen does text stand that was asked for
        at another place, and what stands at the end is the answer to the end."""
        self.nvim.type('Go')
        for c in '        value = len(name)':
            self.nvim.type(c)
        self.nvim.type('<CR>        print(')
        shown = self.ghost()
        self.assertTrue(self.nvim.text().endswith('value = len(name)\n        print('))
        again = self.nvim.lua("""
            local client, done = vim.lsp.get_clients({name = 'apus'})[1], nil
            local cursor = vim.api.nvim_win_get_cursor(0)
            client.request(vim.fn.has('nvim-0.11') == 1 and client or
                'textDocument/inlineCompletion', unpack(vim.list_extend(
                vim.fn.has('nvim-0.11') == 1 and {'textDocument/inlineCompletion'} or {}, {{
                textDocument = vim.lsp.util.make_text_document_params(0),
                position = {line = cursor[1] - 1, character = cursor[2]},
                context = {triggerKind = 2}}, function(err, result) done = result or err end, 0})))
            vim.wait(20000, function() return done end, 10)
            return done.items[1].insertText""")
        self.assertEqual([line.rstrip() for line in again.split('\n') if line.strip()],
                         [line.rstrip() for line in shown])
        # an edit that makes it stale takes it away in the same flush
        self.nvim.type('<BS>')
        self.nvim.wait(lambda: self.nvim.text().endswith('        print'), 'the edit')
        after = self.nvim.ghost(COLOR)
        self.assertTrue(self.native or after != shown or not after)

    def test_health_and_commands(self):
        self.nvim.call('nvim_command', 'checkhealth apus')
        said = self.nvim.wait(lambda: 'columns in' in self.nvim.text() and self.nvim.text(),
                              'a report')
        # 0.10 offers no other than UTF-16
        self.assertIn('columns in utf-%s' % (8 if VERSION >= (0, 11) else 16), said)
        self.assertNotIn('ERROR', said)
        self.nvim.call('nvim_command', 'bdelete')
        self.nvim.call('nvim_command', 'Apus disable')
        self.nvim.wait(lambda: self.nvim.lua("return #vim.lsp.get_clients() == 0"), 'no server')
        self.nvim.call('nvim_command', 'Apus enable')
        self.nvim.wait(lambda: self.nvim.lua("return #vim.lsp.get_clients() == 1"), 'a server')
        self.open_line()
        self.nvim.type('<Esc>')
        self.nvim.call('nvim_command', 'helptags %s' % self.folder.name)

    def test_trigger_brings_alternatives(self):
        self.open_line()
        self.nvim.type('<C-F>')
        time.sleep(0.3)
        first = self.ghost()
        self.nvim.type('<M-]>')
        self.nvim.wait(lambda: self.nvim.ghost(COLOR) not in ([], first), 'another alternative')
        self.keep('the next alternative with Alt-]')
        self.nvim.type('<M-[>')


class Native(Case):
    native = True

    def setUp(self):
        if VERSION < (0, 12):
            self.skipTest('Neovim %d.%d has no inline completion of its own' % VERSION)
        super().setUp()


if __name__ == '__main__':
    if COMMAND is None:
        print('skipped: %s' % VERSION)
        sys.exit(77)
    done = unittest.main(exit=False)
    out = BUILD / 'nvim-screens.txt'
    out.write_text('\n'.join(screens))
    print('Neovim %d.%d; the screens are in %s' % (*VERSION, out), file=sys.stderr)
    sys.exit(not done.result.wasSuccessful())
