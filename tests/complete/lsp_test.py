"""`apus lsp` from outside, with the pair that ships: a client of raw frames, and where a Python has
them (APUS_ORACLE_PYTHON runs this), lsprotocol judges every message and pygls every edit.

The texts of a small model are no test; that they are the same whatever way a document came to its
text, and in whatever unit columns are counted, is."""
import json
import random
import subprocess
import sys
import unittest

from lsp_case import CODE, DRAFT, LOOSE, TARGET, URI, LspCase
from lsp_client import BUILD, frame

try:
    import lsprotocol
    from lsprotocol import converters, types
    from pygls.workspace import PositionCodec, TextDocument
except ImportError as error:
    lsprotocol = None
    MISSING = str(error)

class Life(LspCase):

    def test_in_order(self):
        client = self.client()
        got = client.start(['utf-32', 'utf-8', 'utf-16'])
        self.assertEqual(got['capabilities']['positionEncoding'], 'utf-8')
        self.assertTrue(got['capabilities']['inlineCompletionProvider'])
        self.assertEqual(got['capabilities']['textDocumentSync'],
                         {'openClose': True, 'change': 2, 'save': True})
        client.loaded()
        self.assertEqual(client.end(), 0)

    def test_initialize_does_not_wait_for_the_model(self):
        client = self.client('/no/such/model.apus')
        client.start()
        self.assertIn('could not load', client.notified('window/showMessage')['params']['message'])
        client.open(URI, CODE)
        self.error_of(client.answer(client.ask_completion(URI, 0, 0)), -32803)
        self.assertEqual(client.end(), 0)

    def test_out_of_order(self):
        client = self.client()
        self.error_of(client.call('textDocument/inlineCompletion', {}), -32002)
        client.send('textDocument/didOpen', {})  # dropped
        client.start()
        self.error_of(client.call('initialize', {'capabilities': {}}), -32600)
        self.error_of(client.call('textDocument/hover', {}), -32601)
        self.error_of(client.call('$/unknown', {}), -32601)
        client.send('$/unknown', {})
        client.send('textDocument/willSave', {})
        client.call('shutdown')
        self.error_of(client.call('textDocument/inlineCompletion', {}), -32600)
        client.send('exit')
        self.assertEqual(client.status(), 0)

    def test_ends_without_shutdown(self):
        client = self.client()
        client.start()
        client.send('exit')
        self.assertEqual(client.status(), 1)
        client = self.client()
        client.start()
        self.assertEqual(client.status(), 1)  # its input closes

    def test_progress(self):
        client = self.client()
        client.start(window={'workDoneProgress': True})
        client.loaded()
        shown = [m['params'] for m in client.seen if m.get('method') == '$/progress']
        kinds = [p['value']['kind'] for p in shown]
        if kinds:  # a small model may be there before the client has said yes
            self.assertEqual((kinds[0], kinds[-1]), ('begin', 'end'))
        self.assertIn('window/workDoneProgress/create', [m.get('method') for m in client.seen])

    def test_settings_of_the_client(self):
        client = self.client('-t', 1, configuration={'model': str(TARGET), 'draft': str(DRAFT),
                                                     'alternatives': 'many', 'chunks': 99})
        client.start(workspace={'configuration': True,
                                'didChangeConfiguration': {'dynamicRegistration': True}})
        client.loaded()
        said = ' '.join(m['params']['message'] for m in client.seen
                        if m.get('method') == 'window/logMessage')
        self.assertIn('apus.alternatives expects a whole number from 1 to 5', said)
        self.assertIn('apus.chunks expects', said)
        self.assertIn('client/registerCapability', [m.get('method') for m in client.seen])
        client.open(URI, CODE)
        self.assertTrue(client.complete(URI, 4, 15))
        client.configuration = {'languagesOff': ['python'], 'automatic': True}
        client.send('workspace/didChangeConfiguration', {'settings': None})
        client.wait(lambda m: m.get('method') == 'workspace/configuration')
        self.assertEqual(client.complete(URI, 4, 15), [])

    def test_draft_options_change_no_text(self):
        found = []
        for options in ([], ['-d', DRAFT], ['-d', DRAFT, '--draft-tokens', 4, '--draft-ctx', 256],
                        ['--no-lookup']):
            client = self.client(TARGET, '-t', 1, *options)
            client.start(options=LOOSE)
            client.loaded()
            client.open(URI, CODE)
            found.append(client.complete(URI, 4, 15))
        self.assertTrue(found[0])
        self.assertEqual(found, [found[0]] * len(found))
        got = subprocess.run([BUILD / 'apus', 'lsp', TARGET, '--draft-tokens', '16'],
                             stdin=subprocess.DEVNULL, capture_output=True)
        self.assertEqual(got.returncode, 2)
        self.assertIn(b'--draft-tokens expects auto or a number from 1 to 15', got.stderr)

    def test_a_model_without_markers(self):
        """It completes from the prefix alone, and the log says so once."""
        found, about = [], 'completes from the text before the cursor only'
        for behind in ('', '\n\n\nprint(1)\n'):
            client = self.client(TARGET, '-t', 1, '--fim', 'none')
            client.start(options=LOOSE)
            client.loaded()
            head = CODE[:CODE.index('(argv)')]
            client.open(URI, head + behind)
            for _ in range(2):
                found.append([i['insertText'] for i in client.complete(URI, 4, 99)])
            said = [m['params']['message'] for m in client.seen
                    if m.get('method') == 'window/logMessage']
            self.assertEqual(sum(about in message for message in said), 1, said)
        self.assertTrue(found[0])
        self.assertEqual(found, [found[0]] * 4)

    def test_no_model(self):
        client = self.client('-t', 1)
        client.start()
        self.assertIn('apus.model', client.notified('window/showMessage')['params']['message'])
        self.assertEqual(client.end(), 0)


class Completes(LspCase):

    def test_alternatives_and_ranges(self):
        client = self.ready()
        client.open(URI, CODE)
        items = client.complete(URI, 4, 15)
        self.assertTrue(1 <= len(items) <= 3, items)
        for item in items:
            self.assertTrue(item['insertText'].strip())
            self.assertEqual(item['range'], {'start': {'line': 4, 'character': 15},
                                             'end': {'line': 4, 'character': 15}})
        texts = [item['insertText'] for item in items]
        self.assertEqual(len(set(texts)), len(texts))
        self.assertEqual(client.complete(URI, 4, 15), items)  # the same again
        self.assertLessEqual(len(client.complete(URI, 4, 15, kind=2)), 1)

    def test_nothing_rather_than_noise(self):
        client = self.ready(options={'automaticLogProb': -0.001})
        client.open(URI, CODE)
        self.assertEqual(client.complete(URI, 12, 11, kind=2), [])

    def test_automatic_can_be_switched_off(self):
        client = self.ready(options={'automatic': False})
        client.open(URI, CODE)
        self.assertEqual(client.complete(URI, 4, 15, kind=2), [])
        self.assertTrue(client.complete(URI, 4, 15))

    def test_columns_in_every_unit(self):
        text = CODE + "    s = '\U0001F642\u00e4\U0001F642' + na\n    t = 1\n"
        line = text.count('\n') - 2
        head = text.split('\n')[line][:-len(' + na')] + ' + na'
        columns = {'utf-8': len(head.encode()), 'utf-16': len(head.encode('utf-16-le')) // 2}
        found = []
        for unit, column in columns.items():
            client = self.ready(encodings=[unit])
            client.open(URI, text)
            items = client.complete(URI, line, column)
            for item in items:
                self.assertEqual(item['range']['start'], {'line': line, 'character': column})
            # a column behind the line's end is its end
            self.assertEqual(client.complete(URI, line, 1000), items)
            # an edit behind the emoji, by units
            client.change(URI, (line, column - 2, line, column, 'me'))
            found.append((items and [i['insertText'] for i in items],
                          [i['insertText'] for i in client.complete(URI, line, column)]))
        self.assertEqual(found[0], found[1])
        self.assertTrue(found[0][0] or found[0][1])

    def test_a_word_that_is_begun_is_healed(self):
        """The text is that of `apus run --heal` with the same prompt, at every byte of some lines,
        and so with a draft."""
        info = json.loads(subprocess.run([BUILD / 'apus', 'info', TARGET, '--json'],
                                         capture_output=True, check=True).stdout)
        if info.get('fim'):
            self.skipTest('the pair completes the middle: run has no such prompt')
        client, healed = self.ready(), 0
        text = CODE[:CODE.index('count(names)')]
        for cut in range(len(text) - 60, len(text), 4):
            client.open(URI, text[:cut])
            lines = text[:cut].split('\n')
            items = client.complete(URI, len(lines) - 1, 999)
            ran = json.loads(subprocess.run(
                [BUILD / 'apus', 'run', TARGET, '-p', text[:cut], '--heal', '-n', '128', '--json',
                 '-t', '1'], capture_output=True, check=True).stdout)
            healed += ran['healed_bytes'] > 0
            if items:
                self.assertTrue(ran['text'].startswith(items[0]['insertText']), (items, ran))
        self.assertGreater(healed, 3)

    def test_crlf_is_no_difference(self):
        found = []
        for text in (CODE, CODE.replace('\n', '\r\n')):
            client = self.ready()
            client.open(URI, text)
            found.append(client.complete(URI, 14, 22))
        self.assertEqual(found[0], found[1])

    def test_selected_completion(self):
        client = self.ready()
        text = CODE + '    print(to\n'
        client.open(URI, text)
        line = text.count('\n') - 1
        span = {'start': {'line': line, 'character': 10}, 'end': {'line': line, 'character': 12}}
        items = client.complete(URI, line, 12, selectedCompletionInfo={'text': 'total',
                                                                       'range': span})
        for item in items:
            self.assertTrue(item['insertText'].startswith('total'))
            self.assertGreater(len(item['insertText']), 5)
            self.assertEqual(item['range'], span)
        client.change(URI, (line, 10, line, 12, 'total'))
        self.assertEqual([i['insertText'] for i in client.complete(URI, line, 15)],
                         [i['insertText'][5:] for i in items])
        self.assertTrue(items)
        self.error_of(client.answer(client.ask_completion(URI, line, 12, selectedCompletionInfo={
            'text': 5})), -32602)

    def test_several_documents_without_files(self):
        client = self.ready()
        client.open('untitled:Untitled-1', CODE)
        client.open('inmemory:/b', 'x = 1\n')
        items = client.complete('untitled:Untitled-1', 4, 15)
        self.assertTrue(items)
        client.send('textDocument/didSave', {'textDocument': {'uri': 'inmemory:/b'}})
        client.send('textDocument/didClose', {'textDocument': {'uri': 'untitled:Untitled-1'}})
        self.error_of(client.answer(client.ask_completion('untitled:Untitled-1', 0, 0)), -32602)
        client.complete('inmemory:/b', 0, 5)

    @unittest.skipIf(lsprotocol is None, 'pygls and lsprotocol are not there')
    def test_edits_end_in_the_same_text(self):
        """Random edits, judged by pygls; then the answers are those of the text sent whole."""
        draw = random.Random(5)
        for unit, codec in (('utf-16', types.PositionEncodingKind.Utf16),
                            ('utf-8', types.PositionEncodingKind.Utf8)):
            edited = self.ready(encodings=[unit])
            judge = TextDocument(URI, CODE, position_codec=PositionCodec(codec))
            edited.open(URI, CODE)
            for _ in range(60):
                lines = judge.lines or ['']
                ends = []
                for _ in range(2):
                    line = draw.randrange(len(lines))
                    text = lines[line].rstrip('\r\n') if draw.random() < 0.9 else ''
                    front = text[:draw.randint(0, len(text))]
                    ends.append((line, len(front.encode()) if unit == 'utf-8'
                                 else len(front.encode('utf-16-le')) // 2))
                start, end = sorted(ends)
                if end[0] - start[0] > 2:
                    end = start
                new = ''.join(draw.choice(['a', ' ', '\n', '\u00e4', '\U0001F642', 'name', '\r\n'])
                              for _ in range(draw.randrange(4)))
                edited.change(URI, (*start, *end, new))
                judge.apply_change(types.TextDocumentContentChangePartial(
                    range=types.Range(types.Position(*start), types.Position(*end)), text=new))
            whole = self.ready(encodings=[unit])
            whole.open(URI, judge.source)
            line = len(judge.lines) // 2
            column = 3
            self.assertEqual(edited.complete(URI, line, column), whole.complete(URI, line, column))
            tail = CODE[-80:]  # where there is something to say
            edited.change(URI, tail)
            whole.change(URI, tail)
            last = tail.count('\n')
            self.assertEqual(edited.complete(URI, last - 1, 99), whole.complete(URI, last - 1, 99))


class GivesWay(LspCase):

    def test_cancel(self):
        client = self.ready()
        client.open(URI, CODE * 3)
        asked = client.ask_completion(URI, 44, 0)
        client.send('$/cancelRequest', {'id': asked})
        self.error_of(client.answer(asked), -32800)
        client.send('$/cancelRequest', {'id': asked})  # again, and what never was
        client.send('$/cancelRequest', {'id': 'never'})
        client.send('$/cancelRequest', {})
        client.complete(URI, 4, 15)

    def test_an_edit_makes_what_was_asked_stale(self):
        client = self.ready()
        client.open(URI, CODE * 3)
        asked = client.ask_completion(URI, 44, 0)
        client.change(URI, (0, 0, 0, 0, '# \n'))
        self.error_of(client.answer(asked), -32801)

    def test_a_newer_request_takes_the_place(self):
        client = self.ready()
        client.open(URI, CODE)
        asked = [client.ask_completion(URI, 14, 22, kind=2) for _ in range(20)]
        # who was too late to be stopped has the same answer
        answers = [client.answer(i) for i in asked]
        for answer in answers[:-1]:
            if 'error' in answer:
                self.error_of(answer, -32800)
            else:
                self.assertEqual(answer['result'], answers[-1]['result'])
        self.assertIn('result', answers[-1])

    def test_quick_edits(self):
        """Typing with a request at every key: each request has one answer, and only the last one's
        text can be that of the document as it stands."""
        client = self.ready()
        typed = '    for item in items:\n        total += item\n'
        client.open(URI, CODE[:CODE.rindex('    for')])
        line, column, asked = CODE[:CODE.rindex('    for')].count('\n'), 0, []
        for c in typed:
            client.change(URI, (line, column, line, column, c))
            line, column = (line + 1, 0) if c == '\n' else (line, column + 1)
            asked.append(client.ask_completion(URI, line, column, kind=2))
        last = client.answer(asked[-1])
        answers = [m for m in client.seen if m.get('id') in asked and 'method' not in m]
        self.assertEqual([m['id'] for m in answers], asked)
        for answer in answers:
            if 'error' in answer:
                self.assertIn(answer['error']['code'], (-32800, -32801))
        fresh = self.ready()
        fresh.open(URI, CODE[:CODE.rindex('    for')] + typed)
        self.assertEqual(last['result']['items'], fresh.complete(URI, line, column, kind=2))

    def test_a_closed_document(self):
        client = self.ready()
        client.open(URI, CODE * 3)
        asked = client.ask_completion(URI, 44, 0)
        client.send('textDocument/didClose', {'textDocument': {'uri': URI}})
        self.error_of(client.answer(asked), -32801)

    def test_ends_while_it_works(self):
        client = self.ready()
        client.open(URI, CODE * 3)
        asked = client.ask_completion(URI, 44, 0)
        client.call('shutdown')
        self.assertIn(asked, [m.get('id') for m in client.seen])
        client.send('exit')
        self.assertEqual(client.status(), 0)


class Hostile(LspCase):

    def test_what_is_no_json(self):
        client = self.ready()
        for body in (b'{', b'', b'[1,', b'nonsense', b'{"a": 1} x', b'[' * 5000):
            client.send_bytes(frame(body))
            self.error_of(client.wait(lambda m: 'error' in m), -32700)
        for body in (b'[]', b'{"id": {}, "method": "x"}', b'{"id": null, "method": "x"}'):
            client.send_bytes(frame(body))
            self.error_of(client.wait(lambda m: 'error' in m), -32600)
        client.open(URI, CODE)
        self.assertTrue(client.complete(URI, 4, 15))

    def test_params_of_other_types(self):
        client = self.ready()
        client.open(URI, CODE)
        document, position = {'uri': URI}, {'line': 4, 'character': 15}
        for params in (None, [], 5, {}, {'textDocument': 5}, {'textDocument': {'uri': []}},
                       {'textDocument': document}, {'textDocument': document, 'position': []},
                       {'textDocument': document, 'position': {'line': -1, 'character': 0}},
                       {'textDocument': document, 'position': {'line': 0.5, 'character': 0}},
                       {'textDocument': document, 'position': position},
                       {'textDocument': document, 'position': position, 'context': 3},
                       {'textDocument': document, 'position': position,
                        'context': {'triggerKind': 9}}):
            self.error_of(client.call('textDocument/inlineCompletion', params), -32602)
        for method in ('didOpen', 'didChange', 'didClose', 'didSave'):
            for params in (None, [], {'textDocument': {'uri': 'x'}}, {'textDocument': {}}):
                client.send('textDocument/' + method, params)
                self.assertEqual(client.notified('window/logMessage')['params']['type'], 2)
        # a change that cannot be read: the document is lost until it comes whole
        client.change(URI, (0, 0, 0, -5, 'x'))
        client.notified('window/logMessage')
        self.assertEqual(client.complete(URI, 4, 15), [])
        client.change(URI, (0, 0, 0, 0, 'x'))
        self.assertEqual(client.complete(URI, 4, 15), [])
        client.change(URI, CODE)
        self.assertTrue(client.complete(URI, 4, 15))

    def test_texts_that_are_no_unicode(self):
        client = self.ready()
        found = []
        for text in (b'x = "\\ud83d"\\n', b'x = "\xff"\\n', b'x = "\\u0000"\\n'):
            client.send_bytes(frame(
                b'{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":{"uri":'
                b'"' + URI.encode() + b'","languageId":"python","version":1,"text":"'
                + text.replace(b'"', b"'") + json.dumps(CODE)[1:-1].encode() + b'"}}}'))
            found.append(client.complete(URI, 5, 15))
        self.assertTrue(all(found), found)

    def test_broken_frames_end_it(self):
        for data in (b'Content-Length: x\r\n\r\n', b'\r\n\r\n', b'GET / HTTP/1.1\r\n\r\n',
                     b'a' * 5000):
            client = self.ready()
            client.send_bytes(data)
            self.assertIn('Content-Length', client.wait(
                lambda m: m.get('method') == 'window/logMessage'
                and m['params']['type'] == 1)['params']['message'])
            self.assertEqual(client.status(), 1)

    def test_a_frame_that_is_too_large(self):
        client = self.ready()
        client.open(URI, CODE)
        size = (32 << 20) + 1000
        client.send_bytes(b'Content-Length: %d\r\n\r\n' % size + b' ' * size)
        client.wait(lambda m: m.get('method') == 'window/logMessage'
                    and 'left out' in m['params']['message'])
        self.assertEqual(client.complete(URI, 4, 15), [])  # it may have been a change
        client.change(URI, CODE)
        self.assertTrue(client.complete(URI, 4, 15))

    def test_a_client_that_dies(self):
        for at in (1, 10, 30, 60):
            client = self.ready()
            client.open(URI, CODE * 3)
            client.ask_completion(URI, 44, 0)
            client.send_bytes(frame({'id': 9, 'method': 'shutdown'})[:at])
            self.assertEqual(client.status(), 1)

    def test_says_nothing_of_documents(self):
        client = self.client(TARGET, '-t', 1)
        client.start(options={'model': 7})
        client.loaded()
        client.send('$/setTrace', {'value': 'verbose'})
        client.open(URI, CODE.replace('total', 'sesame'))
        client.complete(URI, 14, 22)
        said = json.dumps([m for m in client.seen if m.get('method', '').startswith(
            ('window/', '$/logTrace'))])
        self.assertIn('completion: ', said)
        self.assertNotIn('sesame', said)
        self.assertNotIn('listdir', said)
        client.call('shutdown')
        client.send('exit')
        printed = client.process.stderr.read()
        self.assertNotIn(b'sesame', printed)
        self.assertNotIn(b'listdir', printed)


@unittest.skipIf(lsprotocol is None, 'pygls and lsprotocol are not there')
class Typed(LspCase):

    def test_every_message_is_of_the_protocol(self):
        convert = converters.get_converter()
        client = self.client('-t', 1, configuration={'model': str(TARGET), 'chunks': -1})
        client.start(window={'workDoneProgress': True}, workspace={
            'configuration': True, 'didChangeConfiguration': {'dynamicRegistration': True}})
        client.loaded()
        client.send('$/setTrace', {'value': 'messages'})
        client.open(URI, CODE)
        client.complete(URI, 4, 15)
        asked = client.ask_completion(URI, 14, 22)
        client.change(URI, (0, 0, 0, 0, '#'))
        client.answer(asked)
        client.call('nonsense')
        known, answers = 0, {1: types.InitializeResponse}
        for message in client.seen:
            if 'method' in message:
                kind = (types.METHOD_TO_TYPES[message['method']])[0]
                again = convert.unstructure(convert.structure(message, kind), kind)
                known += 1
            elif 'error' in message:
                again = convert.unstructure(
                    convert.structure(message['error'], types.ResponseError))
                message = message['error']
            else:
                kind = answers.get(message['id'], types.InlineCompletionResponse)
                again = convert.unstructure(convert.structure(message, kind), kind)
                known += 1
            # what was understood says all that was sent
            self.assertEqual(self.lean(again), self.lean(message))
        self.assertGreater(known, 6)

    def lean(self, value):
        if isinstance(value, dict):
            return {k: self.lean(v) for k, v in value.items() if v is not None}
        return [self.lean(v) for v in value] if isinstance(value, list) else value


if __name__ == '__main__':
    if lsprotocol is None:
        print('of these, two are skipped: %s' % MISSING, file=sys.stderr)
    unittest.main()
