"""An `apus serve` to talk to: started on a free port, ended by a signal, its requests made with the
standard library."""
import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get('APUS_BUILD', ROOT / 'build' / 'release'))
APUS = BUILD / 'apus'
PAIR = ROOT / 'weights' / 'models' / 'pair'
TARGET, DRAFT = str(PAIR / 'target.apus'), str(PAIR / 'draft.apus')


class Server:
    def __init__(self, *options, model=TARGET, environment=None):
        self.process = subprocess.Popen(
            [str(APUS), 'serve', model, '--port', '0', *options], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=dict(os.environ, **(environment or {})), text=True)
        line = self.process.stdout.readline().strip()
        if not line.startswith('http://'):
            raise AssertionError('the server did not start: %s%s' %
                                 (line, self.process.communicate()[1]))
        self.url = line
        self.host, port = line[len('http://'):].rsplit(':', 1)
        self.port = int(port)

    def socket(self, timeout=20):
        sock = socket.create_connection((self.host, self.port), timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def raw(self, data, timeout=20):
        """Everything that comes back for these bytes until the server closes."""
        with self.socket(timeout) as sock:
            with contextlib.suppress(OSError):
                sock.sendall(data)
            got = b''
            with contextlib.suppress(OSError):
                while True:
                    more = sock.recv(65536)
                    if not more:
                        break
                    got += more
            return got

    def request(self, method, path, body=None, headers=None, timeout=60):
        """(status, headers, bytes)."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            data = None if body is None else (body if isinstance(body, bytes) else
                                              json.dumps(body).encode())
            connection.request(method, path, data, headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def get(self, path, **more):
        status, _, text = self.request('GET', path, **more)
        if status != 200:
            raise AssertionError('%s gave %d: %s' % (path, status, text))
        return json.loads(text)

    def post(self, path, body, expected=200, **more):
        status, _, text = self.request('POST', path, body, **more)
        if status != expected:
            raise AssertionError('%s gave %d for %s: %s' % (path, status, body, text))
        return json.loads(text)

    def events(self, path, body):
        """The objects of a stream, and whether [DONE] ended it."""
        status, headers, text = self.request('POST', path, dict(body, stream=True))
        assert status == 200 and headers['Content-Type'].startswith('text/event-stream'), text
        lines = [line[6:] for line in text.decode().split('\n\n') if line]
        done = lines and lines[-1] == '[DONE]'
        return [json.loads(line) for line in lines[:len(lines) - bool(done)]], bool(done)

    def metric(self, name):
        _, _, text = self.request('GET', '/metrics')
        for line in text.decode().splitlines():
            if line.startswith('apus_%s ' % name):
                return float(line.split()[1])
        raise AssertionError('no metric ' + name)

    def wait_idle(self, seconds=20):
        end = time.monotonic() + seconds
        while self.metric('requests_active') or self.metric('requests_waiting'):
            if time.monotonic() > end:
                raise AssertionError('requests are still at work')
            time.sleep(0.005)

    def resident(self):
        """Bytes of memory that are not a file's."""
        with open('/proc/%d/status' % self.process.pid) as status:
            for line in status:
                if line.startswith('RssAnon:'):
                    return int(line.split()[1]) * 1024
        return 0

    def close(self, number=signal.SIGTERM):
        """Gives the exit status and standard error."""
        self.process.send_signal(number)
        try:
            _, errors = self.process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise AssertionError('the server did not end')
        return self.process.returncode, errors

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.close()


def run_text(prompt, *options, model=TARGET):
    """What `apus run` writes."""
    out = subprocess.run([str(APUS), 'run', model, '-p', prompt, '--json', '-q', *options],
                         capture_output=True, text=True, check=True)
    return json.loads(out.stdout)
