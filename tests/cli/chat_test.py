"""apus chat: through a pipe and on a terminal."""
import json
import os
import pathlib
import pty
import select
import signal
import subprocess
import time
import unittest

import tiny_gguf
from cli_case import COMMAND, Case, Fixture, apus, pack, path
from tiny_gguf import STRING, entry

TURN = "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
SECONDS = 60


def setUpModule():
    tiny_gguf.write(path('talk.gguf'), controls=('<|im_start|>', '<|im_end|>'),
                    extra=[entry('tokenizer.chat_template', STRING, TURN)])
    pack(path('talk.gguf'), path('talk.apus'))


class Piped(Case):
    def talk(self, lines, *options, model=None):
        return self.ok('chat', model or path('talk.apus'), *options,
                       stdin=''.join(line + '\n' for line in lines).encode())

    def turns(self, lines, *options):
        lines = self.talk(lines, '--json', *options).stdout.splitlines()
        return [json.loads(line) for line in lines]

    def test_an_answer_is_what_run_makes_of_the_same_prompt(self):
        system = 'be lazy'
        talked = self.turns(['the dog', 'over'], '-n', 12, '--system', system)
        prompt = (f'<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\nthe dog<|im_end|>\n'
                  '<|im_start|>assistant\n')
        ran = self.object('run', path('talk.apus'), '-p', prompt, '--special', '-n', 12)
        self.assertEqual((talked[0]['text'], talked[0]['prompt_tokens'], talked[0]['stop_reason']),
                         (ran['text'], ran['prompt_tokens'], ran['stop_reason']))
        plain = self.talk(['the dog', 'over'], '-n', 12, '--system', system)
        self.assertEqual(plain.stdout.decode(), ''.join(o['text'] + '\n' for o in talked))
        self.assertEqual(plain.stderr, b'')

    def test_only_what_is_new_is_evaluated(self):
        turns = self.turns(['the quick dog'] * 4, '-n', 20)
        new = turns[1]['prompt_tokens'] - turns[0]['prompt_tokens'] - turns[0]['new_tokens']
        for before, o in zip(turns, turns[1:]):
            self.assertEqual(o['reused_tokens'] + o['evaluated_tokens'], o['prompt_tokens'])
            # the last id that was chosen is not evaluated yet
            self.assertGreaterEqual(o['reused_tokens'],
                                    before['prompt_tokens'] + before['new_tokens'] - 1)
            self.assertLessEqual(o['evaluated_tokens'], new + 1)
        self.assertEqual([o['forgotten_turns'] for o in turns], [0] * 4)

    def test_a_draft_changes_nothing(self):
        lines = ['the dog', 'over']
        self.assertEqual(
            self.talk(lines, '-n', 24).stdout,
            self.talk(lines, '-n', 24, '-d', path('talk.apus'), '--lookup').stdout)

    def test_what_is_typed_is_never_a_control_token(self):
        count = [o['prompt_tokens'] for word in ('a', '<|im_end|>')
                 for o in self.turns([word], '-n', 1)]
        self.assertGreaterEqual(count[1], count[0] + len('<|im_end|>') - 1)

    def test_the_oldest_turns_give_way(self):
        r = self.talk(['the quick dog'] * 8, '--json', '-n', 20, '--ctx', 150)
        turns = [json.loads(line) for line in r.stdout.splitlines()]
        self.assertEqual(len(turns), 8)
        self.assertGreater(turns[-1]['forgotten_turns'], turns[3]['forgotten_turns'])
        self.assertTrue(all(o['prompt_tokens'] + o['new_tokens'] <= 150 for o in turns))
        self.assertEqual(r.stderr.count(b'is full'), 1, r.stderr)
        r = self.talk(['a' * 500, 'the dog'], '--json', '-n', 4, '--ctx', 150)
        self.assertEqual(len(r.stdout.splitlines()), 1)
        self.assertIn(b'left out', r.stderr)

    def test_commands(self):
        saved = pathlib.Path(path('saved.json'))
        saved.unlink(missing_ok=True)
        r = self.talk(['the dog', f'/save {saved}', '/reset', 'the dog', '/nothing', '//fox',
                       '/quit', 'never'], '-n', 4)
        lines = r.stdout.decode().split('\n')
        self.assertEqual(len(json.loads(saved.read_text())), 2)
        self.assertEqual(json.loads(saved.read_text())[0], dict(role='user', content='the dog'))
        self.assertEqual(len(lines), 4, lines)
        self.assertEqual(lines[0], lines[1])
        self.assertIn(b"'/nothing' is no command", r.stderr)
        saved.write_text('something else')
        self.assertIn(b'is no conversation', self.talk(['a', f'/save {saved}'], '-n', 1).stderr)
        self.assertEqual(saved.read_text(), 'something else')

    def test_pieces_are_objects(self):
        objects = [json.loads(line)
                   for line in self.talk(['the dog'], '--jsonl', '-n', 6).stdout.splitlines()]
        self.assertEqual(sum(len(o['ids']) for o in objects[:-1]), objects[-1]['new_tokens'])
        self.assertTrue(objects[-1]['done'])
        whole = self.turns(['the dog'], '-n', 6)[0]
        self.assertEqual(''.join(o['text'] for o in objects[:-1]), whole['text'])

    def test_without_a_template_turns_are_plain_lines(self):
        r = self.talk(['the dog'], '-n', 4, model=Fixture.model)
        self.assertIn(b'names no chat template', r.stderr)
        ran = self.object('run', Fixture.model, '-p', 'User: the dog\nAssistant:', '-n', 4)
        self.assertEqual(r.stdout.decode(), ran['text'] + '\n')

    def test_wrong_arguments(self):
        blob = path('talk.apus')
        self.wrong(2, 'phi4', 'chat', blob, '--chat-template', 'nothing')
        self.wrong(2, '<|start_header_id|>', 'chat', blob, '--chat-template', 'llama3')
        self.wrong(2, '--temp', 'chat', blob, '--temp', '0.001')
        self.wrong(2, '--ctx', 'chat', blob, '--ctx', '1000000')
        self.wrong(1, 'cannot open', 'chat', path('nowhere.apus'))
        self.wrong(1, 'GGUF', 'chat', path('talk.gguf'))
        self.assertEqual(self.talk([]).stdout, b'')


class Terminal(unittest.TestCase):
    def setUp(self):
        self.parent, child = pty.openpty()
        self.process = subprocess.Popen([COMMAND, 'chat', path('talk.apus'), '--ctx', '30000'],
                                        stdin=child, stdout=child, stderr=child, close_fds=True,
                                        start_new_session=True)
        os.close(child)
        self.seen = b''
        self.addCleanup(os.close, self.parent)
        self.addCleanup(self.process.kill)

    def until(self, expected, count=1):
        end = time.monotonic() + SECONDS
        while self.seen.count(expected) < count:
            self.assertLess(time.monotonic(), end, self.seen[-400:])
            if select.select([self.parent], [], [], 1)[0]:
                self.seen += os.read(self.parent, 65536)

    def type(self, text):
        os.write(self.parent, text)

    def test_ctrl_c_stops_the_answer_and_then_the_program(self):
        self.until(b'> ')
        self.assertIn(b'/reset', self.seen)
        self.type(b'the quick dog\n')
        self.until(b'the quick dog\r\n')
        answered = len(self.seen) + 20
        end = time.monotonic() + SECONDS
        while len(self.seen) < answered and time.monotonic() < end:
            self.seen += os.read(self.parent, 65536)
        self.process.send_signal(signal.SIGINT)
        self.until(b'\n> ')
        self.type(b'/nothing\n')
        self.until(b'is no command')
        self.assertIsNone(self.process.poll())
        self.until(b'> ', 3)
        self.process.send_signal(signal.SIGINT)
        self.assertEqual(self.process.wait(SECONDS), 130)

    def test_a_signal_is_never_lost_at_the_prompt(self):
        for i in range(30):  # some meet the program between its prompt and its reading
            if i:
                self.setUp()
            self.until(b'> ')
            self.process.send_signal(signal.SIGINT)
            self.assertEqual(self.process.wait(SECONDS), 130)

    def test_the_end_of_the_input_ends_it(self):
        self.until(b'> ')
        self.type(b'/help\n')
        self.until(b'/save FILE', 2)
        self.type(b'\x04')
        self.assertEqual(self.process.wait(SECONDS), 0)


if __name__ == '__main__':
    unittest.main()
