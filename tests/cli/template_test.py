"""What apus-pack finds out about how prompts are written, and what apus info says of it."""
import unittest

import tiny_gguf
from cli_case import Case, pack, path
from tiny_gguf import STRING, UINT32, entry

QWEN = ('<|fim_prefix|>', '<|fim_middle|>', '<|fim_suffix|>', '<|fim_pad|>', '<|repo_name|>',
        '<|file_sep|>')
CHATML = "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>'}}"


class Template(Case):
    def packed(self, name, controls=(), extra=(), options=()):
        """What apus info --json says, the id of the first of the controls, and the blob."""
        rows = tiny_gguf.write(path(name + '.gguf'), controls=controls, extra=extra)
        blob = path(name + '.apus')
        pack(path(name + '.gguf'), blob, *options)
        return self.object('info', blob), rows - len(controls), blob

    def test_markers_are_recognised_by_their_names(self):
        o, first, blob = self.packed('qwen', QWEN)
        self.assertEqual(o['fim'], 'qwen')
        self.assertEqual(
            o['fim_markers'],
            dict(prefix=first, middle=first + 1, suffix=first + 2, pad=first + 3,
                 repository=first + 4, file=first + 5))
        self.assertIsNone(o['chat_template'])
        self.assertIn(b'templates     chat: none known; fill in the middle: qwen\n',
                      self.ok('info', blob).stdout)

    def test_the_family_can_be_said(self):
        o, first, _ = self.packed('said', QWEN, options=('--fim', 'qwen-spm'))
        self.assertEqual((o['fim'], o['fim_markers']['suffix']), ('qwen-spm', first + 2))
        self.assertIsNone(self.packed('unsaid', QWEN, options=('--fim', 'none'))[0]['fim'])
        for name, sentence in (('quen', '--fim is "quen"'),
                               ('starcoder', 'has not all markers of "starcoder"'),
                               ('custom', 'has not all markers of "custom"')):
            with self.assertRaisesRegex(RuntimeError, sentence):
                self.packed('wrong', QWEN, options=('--fim', name))

    def test_ids_of_the_file_count_where_names_say_nothing(self):
        first = len(tiny_gguf.vocabulary())
        extra = [entry('tokenizer.ggml.fim_%s_token_id' % key, UINT32, first + i)
                 for i, key in enumerate(('pre', 'suf', 'mid'))]
        o, _, _ = self.packed('custom', ('<a>', '<b>', '<c>'), extra)
        self.assertEqual((o['fim'], o['fim_markers']),
                         ('custom', dict(prefix=first, suffix=first + 1, middle=first + 2)))
        older = [entry('tokenizer.ggml.%s_token_id' % key, UINT32, first + i)
                 for i, key in enumerate(('prefix', 'suffix', 'middle'))]
        self.assertEqual(self.packed('older', ('<a>', '<b>', '<c>'), older)[0]['fim_markers'],
                         o['fim_markers'])

    def test_a_marker_that_is_ordinary_text_is_none(self):
        begin = len(tiny_gguf.vocabulary()) - 3
        extra = [entry('tokenizer.ggml.fim_%s_token_id' % key, UINT32, begin + i)
                 for i, key in enumerate(('pre', 'suf', 'mid'))]
        o, _, blob = self.packed('ordinary', extra=extra)
        self.assertEqual((o['fim'], o['fim_markers']), (None, None))
        self.assertIn(b'chat: none known; fill in the middle: none known\n',
                      self.ok('info', blob).stdout)

    def test_a_chat_template_is_a_name(self):
        o, _, blob = self.packed('chat', ('<|im_start|>', '<|im_end|>'),
                                 [entry('tokenizer.chat_template', STRING, CHATML)])
        self.assertEqual((o['chat_template'], o['fim']), ('chatml', None))
        with open(blob, 'rb') as f:
            self.assertNotIn(b"message['role']", f.read())

    def test_an_unknown_chat_template_is_noted_and_left_out(self):
        o, _, _ = self.packed('unknown', extra=[
            entry('tokenizer.chat_template', STRING, '{{ messages | shuffle }}')])
        self.assertIsNone(o['chat_template'])
        self.assertIn('the chat template is none that is known by name, and is left out',
                      o['provenance'])


if __name__ == '__main__':
    unittest.main()
