"""A client of `apus lsp` that speaks raw frames: what it sends is what a test says, byte for byte,
and everything that comes back is kept in order."""
import json
import os
import pathlib
import queue
import subprocess
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get('APUS_BUILD', ROOT / 'build/release'))
PAIR = ROOT / 'weights/models/pair'
SECONDS = 60


def frame(message):
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return b'Content-Length: %d\r\n\r\n' % len(body) + body


class Client:
    """The server as a child. Answers to its own requests are given by `configuration`."""

    def __init__(self, *arguments, configuration=None):
        self.process = subprocess.Popen([BUILD / 'apus', 'lsp', *map(str, arguments)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        self.came = queue.Queue()
        self.seen = []  # every message, in order
        self.configuration = configuration
        self.next_id = 0
        self.version = {}
        threading.Thread(target=self.read_all, daemon=True).start()

    def read_all(self):
        while True:
            length = None
            while True:
                line = self.process.stdout.readline()
                if not line:
                    self.came.put(None)
                    return
                if line == b'\r\n':
                    break
                name, value = line.split(b':')
                assert name == b'Content-Length', line
                length = int(value)
            self.came.put(json.loads(self.process.stdout.read(length)))

    def send_bytes(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, method, params=None, **more):
        message = {'jsonrpc': '2.0', 'method': method, **more}
        if params is not None:
            message['params'] = params
        self.send_bytes(frame(message))

    def ask(self, method, params=None):
        """Sends a request and gives its id."""
        self.next_id += 1
        self.send(method, params, id=self.next_id)
        return self.next_id

    def wait(self, wanted):
        """The next message for which wanted() holds; what the server asks meanwhile is answered."""
        while True:
            message = self.came.get(timeout=SECONDS)
            if message is None:
                raise EOFError('the server has closed its output')
            self.seen.append(message)
            if 'method' in message and 'id' in message:
                result = None
                if message['method'] == 'workspace/configuration':
                    result = [self.configuration for _ in message['params']['items']]
                self.send_bytes(frame({'jsonrpc': '2.0', 'id': message['id'], 'result': result}))
            if wanted(message):
                return message

    def answer(self, ident):
        return self.wait(lambda m: m.get('id') == ident and 'method' not in m)

    def call(self, method, params=None):
        return self.answer(self.ask(method, params))

    def notified(self, method):
        return self.wait(lambda m: m.get('method') == method)

    # ---- usual ways

    def start(self, encodings=('utf-16',), options=None, **capabilities):
        got = self.call('initialize', {
            'processId': os.getpid(), 'rootUri': 'file:///project',
            'capabilities': {'general': {'positionEncodings': list(encodings)}, **capabilities},
            'initializationOptions': options})
        self.send('initialized', {})
        return got['result']

    def loaded(self):
        return self.wait(lambda m: m.get('method') == 'window/logMessage'
                         and 'the model' in m['params']['message'])

    def open(self, uri, text, language='python'):
        self.version[uri] = 1
        self.send('textDocument/didOpen', {'textDocument': {
            'uri': uri, 'languageId': language, 'version': 1, 'text': text}})

    def change(self, uri, *changes):
        """Changes: a whole text, or (start line, start column, end line, end column, text)."""
        self.version[uri] += 1
        listed = []
        for c in changes:
            if isinstance(c, str):
                listed.append({'text': c})
            else:
                listed.append({'range': {'start': {'line': c[0], 'character': c[1]},
                                         'end': {'line': c[2], 'character': c[3]}}, 'text': c[4]})
        self.send('textDocument/didChange', {
            'textDocument': {'uri': uri, 'version': self.version[uri]}, 'contentChanges': listed})

    def ask_completion(self, uri, line, column, kind=1, **context):
        return self.ask('textDocument/inlineCompletion', {
            'textDocument': {'uri': uri}, 'position': {'line': line, 'character': column},
            'context': {'triggerKind': kind, **context}})

    def complete(self, uri, line, column, kind=1, **context):
        got = self.answer(self.ask_completion(uri, line, column, kind, **context))
        if 'error' in got:
            raise RuntimeError(got['error'])
        return got['result']['items']

    def end(self):
        """In order; gives the exit status."""
        assert self.call('shutdown')['result'] is None
        self.send('exit')
        return self.status()

    def status(self):
        self.process.stdin.close()
        status = self.process.wait(SECONDS)
        self.process.stdout.close()
        self.process.stderr.close()
        return status

    def kill(self):
        self.process.kill()
        self.status()
