"""`apus lsp --next-edit` from outside: what a client asks, and what it can do with the answers."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

from lsp_case import CODE, LOOSE, TARGET, URI, LspCase
from lsp_client import BUILD, ROOT


class NextEdit(LspCase):
    """With a tiny random model, which has the marker: what it predicts means nothing, but a client
    can do with it what it does with the edits of another server."""

    @classmethod
    def setUpClass(cls):
        sys.path.insert(0, str(ROOT / 'tests' / 'cli'))
        import tiny_gguf
        cls.folder = tempfile.TemporaryDirectory()
        gguf, cls.model = (pathlib.Path(cls.folder.name) / name for name in ('t.gguf', 't.apus'))
        tiny_gguf.write(str(gguf), controls=(
            '<|fim_prefix|>', '<|fim_middle|>', '<|fim_suffix|>', '<|fim_pad|>', '<|repo_name|>',
            '<|file_sep|>'))
        subprocess.run([BUILD / 'apus-pack', gguf, '-o', cls.model, '-q', '--no-calibrate'],
                       check=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def asking(self, *options, model=None, settings=None):
        client = self.client(model or self.model, '-t', 1, *options)
        client.start(options=dict(LOOSE, **(settings or {})))
        client.loaded()
        client.open(URI, CODE)
        return client

    def ask(self, client, line, column, **document):
        return client.call('textDocument/copilotInlineEdit', {
            'textDocument': {'uri': URI, **document},
            'position': {'line': line, 'character': column}, 'context': {'triggerKind': 2}})

    def test_only_where_it_is_on(self):
        self.error_of(self.ask(self.asking(), 4, 3), -32601)
        for client in (self.asking('--next-edit'), self.asking(settings={'nextEdit': True})):
            self.assertIn('edits', self.ask(client, 4, 3)['result'])

    def test_a_model_without_the_marker(self):
        client = self.asking('--next-edit', '--fim', 'none', model=TARGET)
        if client.seen and 'no markers' in json.dumps(client.seen):
            self.assertIn('no marker between files', self.error_of(self.ask(client, 4, 3), -32803))
            self.assertTrue(client.complete(URI, 4, 15))

    def test_edits_are_of_the_document(self):
        client, got = self.asking('--next-edit'), []
        for turn in range(12):
            client.change(URI, (turn, 0, turn, 0, 'the dog\n'))
            result = self.ask(client, turn, 2, version=client.version[URI])['result']
            self.assertEqual(list(result), ['edits'])
            self.assertLessEqual(len(result['edits']), 1)
            for edit in result['edits']:
                got.append(edit)
                self.assertEqual(sorted(edit), ['range', 'text', 'textDocument'])
                self.assertEqual(edit['textDocument'],
                                 {'uri': URI, 'version': client.version[URI]})
                start, end = edit['range']['start'], edit['range']['end']
                self.assertLessEqual((start['line'], start['character']),
                                     (end['line'], end['character']))
                self.assertLessEqual(end['line'], turn + 11)
        self.assertTrue(client.complete(URI, 4, 15) is not None)  # the other mode is there too

    def test_it_gives_way(self):
        client = self.asking('--next-edit')
        self.error_of(self.ask(client, 4, 3, version=99), -32801)
        self.error_of(client.call('textDocument/copilotInlineEdit', {'textDocument': 5}), -32602)
        params = {'textDocument': {'uri': URI}, 'position': {'line': 4, 'character': 3}}
        asked = client.ask('textDocument/copilotInlineEdit', params)
        client.change(URI, (0, 0, 0, 0, '# \n'))
        answer = client.answer(asked)
        if 'error' in answer:
            self.error_of(answer, -32801)
        asked = client.ask('textDocument/copilotInlineEdit', params)
        client.send('$/cancelRequest', {'id': asked})
        answer = client.answer(asked)
        if 'error' in answer:
            self.error_of(answer, -32800)
        self.assertEqual(client.end(), 0)


if __name__ == '__main__':
    unittest.main()
