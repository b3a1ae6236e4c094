"""`apus serve` under clients that do not behave: too much, too slow, gone at any byte, too many at
once; and that meanwhile what others get is right, and memory stays what it is."""
import concurrent.futures
import http.client
import json
import os
import random
import socket
import struct
import threading
import time
import unittest

from serve_client import APUS, Server, run_text

CODE = 'def add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n    return '
LONG = os.environ.get('APUS_LONG') == '1'  # the long forms: toolchain/test-long.sh


def post(body, path='/completion', more=''):
    data = json.dumps(body).encode()
    return ('POST %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n'
            % (path, more, len(data))).encode() + data


def code_of(answer):
    return int(answer[9:12]) if answer.startswith(b'HTTP/1.') else 0


def reset(sock):
    """Closes so that the other side gets a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    sock.close()


class Hard(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server('--slots', '2', '--body', '20000', '--queue', '4')
        cls.expected = run_text(CODE, '-n', '12')['text']

    @classmethod
    def tearDownClass(cls):
        cls.server.wait_idle()
        assert cls.server.close()[0] == 143

    def right_text(self):
        got = self.server.post('/completion', {'prompt': CODE, 'n_predict': 12, 'temperature': 0})
        self.assertEqual(got['content'], self.expected)

    def test_limits(self):
        answer = self.server.raw(b'GET /health HTTP/1.1\r\nX: ' + b'a' * 20000 + b'\r\n\r\n')
        self.assertEqual(code_of(answer), 431, answer[:200])
        self.assertIn(b'headers are longer than the 16384 bytes', answer)
        answer = self.server.raw(b'GET /' + b'a' * 20000 + b' HTTP/1.1\r\n\r\n')
        self.assertEqual(code_of(answer), 431)
        answer = self.server.raw(post({'prompt': 'a' * 30000}))
        self.assertEqual(code_of(answer), 413)
        self.assertIn(b"body is longer than the 20000 bytes", answer)
        chunked = b'POST /completion HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n' + \
            b'1000\r\n' + b'a' * 4096 + b'\r\n'
        chunked += (b'1000\r\n' + b'a' * 4096 + b'\r\n') * 8
        self.assertEqual(code_of(self.server.raw(chunked)), 413)
        data = json.dumps({'prompt': CODE, 'n_predict': 12, 'temperature': 0}).encode()
        small = b''.join(b'5\r\n%s\r\n' % data[i:i + 5] if len(data[i:i + 5]) == 5 else
                         b'%x\r\n%s\r\n' % (len(data[i:]), data[i:])
                         for i in range(0, len(data), 5))
        answer = self.server.raw(b'POST /completion HTTP/1.1\r\nConnection: close\r\n'
                                 b'Transfer-Encoding: chunked\r\n\r\n' + small + b'0\r\n\r\n')
        self.assertEqual(code_of(answer), 200, answer)
        self.right_text()

    def test_queue_is_bounded(self):
        slow = {'prompt': CODE, 'n_predict': 800, 'ignore_eos': True, 'n_cmpl': 16}
        socks = []
        for name, count in (('active', 2), ('waiting', 4)):
            for _ in range(count):
                sock = self.server.socket()
                sock.sendall(post(slow))
                socks.append(sock)
            end = time.monotonic() + 20
            while self.server.metric('requests_' + name) < count:
                self.assertLess(time.monotonic(), end)
                time.sleep(0.002)
        error = self.server.post('/completion', slow, expected=503)['error']
        self.assertEqual(error['type'], 'unavailable_error')
        for sock in socks:
            sock.close()
        self.server.wait_idle()
        self.right_text()

    def test_gone_at_every_byte(self):
        request = post({'prompt': CODE, 'n_predict': 3, 'stream': True})
        for i in range(0, len(request) + 1, 1 if LONG else 7):
            sock = self.server.socket()
            sock.sendall(request[:i])
            (reset if i % 2 else socket.socket.close)(sock)
        whole = self.server.socket()  # and at bytes of the answer
        for i in range(0, 400, 1 if LONG else 40):
            with self.server.socket() as sock:
                sock.sendall(request)
                left = i
                while left and (got := sock.recv(left)):
                    left -= len(got)
                reset(sock)
        whole.close()
        self.right_text()

    def test_bytes_one_by_one(self):
        request = post({'prompt': CODE, 'n_predict': 12, 'temperature': 0},
                       more='Connection: close\r\n')
        with self.server.socket() as sock:
            for i in range(len(request)):
                sock.sendall(request[i:i + 1])
            got = b''
            while more := sock.recv(65536):
                got += more
        self.assertEqual(json.loads(got.split(b'\r\n\r\n', 1)[1])['content'], self.expected)

    def test_two_on_one_connection(self):
        request = post({'prompt': CODE, 'n_predict': 12, 'temperature': 0})
        connection = http.client.HTTPConnection(self.server.host, self.server.port)
        for _ in range(3):  # kept alive
            connection.request('POST', '/completion', json.dumps(
                {'prompt': CODE, 'n_predict': 12, 'temperature': 0}))
            self.assertEqual(json.loads(connection.getresponse().read())['content'], self.expected)
        connection.close()
        last = request.replace(b'Host: localhost', b'Connection: close\r\nHost: localhost')
        answer = self.server.raw(request + last)  # the second before the first is answered
        self.assertEqual(answer.count(b'HTTP/1.1 200'), 2, answer)

    def test_garbage(self):
        random.seed(5)
        for i in range(300 if LONG else 60):
            data = bytes(random.randrange(256) for _ in range(random.randrange(400)))
            if i % 3 == 0:
                data = b'POST /infill HTTP/1.1\r\nContent-Length: 30\r\n\r\n' + data
            with self.server.socket() as sock:
                sock.sendall(data + b'\r\n\r\n')
                sock.shutdown(socket.SHUT_WR)
                sock.settimeout(20)
                try:
                    while sock.recv(65536):
                        pass
                except ConnectionError:
                    pass
        for first in (b'GET / HTTP/9.9\r\n\r\n', b'BREW / HTTP/1.1\r\n\r\n', b'GET\r\n\r\n',
                      b'POST /infill HTTP/1.1\r\nContent-Length: -1\r\n\r\n',
                      b'POST /infill HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n',
                      b'GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n'):
            with self.server.socket() as sock:
                sock.sendall(first)
                sock.shutdown(socket.SHUT_WR)
                sock.recv(65536)
        self.right_text()

    def test_many_at_once_half_of_them_broken(self):
        count = 200 if LONG else 60
        barrier = threading.Barrier(count, timeout=60)

        def one(i):
            barrier.wait()
            if i % 2:
                try:
                    return code_of(self.server.raw(post(
                        {'prompt': CODE, 'n_predict': 2}, more='Connection: close\r\n')))
                except OSError:
                    return 0
            with self.server.socket() as sock:
                request = post({'prompt': CODE, 'n_predict': 50})
                sock.sendall(request[:random.randrange(len(request))])
                time.sleep(0.2)
                (reset if i % 4 else socket.socket.close)(sock)
            return -1

        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            codes = list(pool.map(one, range(count)))
        self.assertLessEqual(set(codes), {-1, 200, 503}, codes)
        self.assertIn(200, codes)
        self.server.wait_idle()
        self.right_text()

    def test_too_many_connections(self):
        with Server('--connections', '8') as server:
            socks = [server.socket() for _ in range(8)]
            for sock in socks:
                sock.sendall(b'GET /')
            time.sleep(0.1)
            answer = server.raw(b'GET /health HTTP/1.1\r\n\r\n')
            self.assertEqual(code_of(answer), 503, answer)
            self.assertIn(b'8 connections already', answer)
            for sock in socks:
                sock.close()
            time.sleep(0.1)
            self.assertEqual(server.get('/health'), {'status': 'ok'})

    def test_random_requests_with_cancels(self):
        """While one text is asked for again and again, others come and go."""
        stop = threading.Event()
        failures = []

        def disturb(seed):
            rng = random.Random(seed)
            while not stop.is_set():
                body = {'prompt': CODE[:rng.randrange(1, len(CODE))] * rng.randrange(1, 4),
                        'n_predict': rng.choice([0, 1, 5, 200]), 'seed': rng.randrange(9),
                        'temperature': rng.choice([0, 0.8]), 'n_cmpl': rng.choice([1, 1, 2]),
                        'stream': rng.random() < 0.5, 'ignore_eos': rng.random() < 0.3,
                        'cache_prompt': rng.random() < 0.8, 'id_slot': rng.choice([-1, 0, 1])}
                try:
                    with self.server.socket() as sock:
                        sock.sendall(post(body, rng.choice(['/completion', '/infill'])))
                        if rng.random() < 0.6:
                            time.sleep(rng.random() * 0.01)
                            (reset if rng.random() < 0.5 else socket.socket.close)(sock)
                        else:
                            sock.settimeout(30)
                            sock.recv(100)
                except OSError as error:
                    failures.append(error)

        threads = [threading.Thread(target=disturb, args=(i,)) for i in range(3)]
        for thread in threads:
            thread.start()
        try:
            end = time.monotonic() + (120 if LONG else 4)
            count = 0
            # A busy machine takes longer to get as many answers.
            while time.monotonic() < end or (count <= 10 and time.monotonic() < end + 60):
                status, _, text = self.server.request('POST', '/completion', {
                    'prompt': CODE, 'n_predict': 12, 'temperature': 0})
                self.assertIn(status, (200, 503), text)
                if status == 200:
                    self.assertEqual(json.loads(text)['content'], self.expected)
                    count += 1
            self.assertGreater(count, 10)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(failures, [])

    @unittest.skipIf(b'__asan_init' in APUS.read_bytes(), 'the sanitizer keeps what is freed')
    def test_memory_is_flat(self):
        def many(count):
            connection = http.client.HTTPConnection(self.server.host, self.server.port)
            for i in range(count):
                connection.request('POST', '/completion', json.dumps(
                    {'prompt': CODE + 'x' * (i % 50), 'n_predict': 1, 'n_probs': i % 3}))
                connection.getresponse().read()
            connection.close()

        # the slots' memory is the system's until it is first used: all of it is, before one counts
        slots, context = (int(self.server.metric(name)) for name in ('slots', 'context'))
        ids = self.server.post('/tokenize', {'content': CODE})['tokens']
        ids = (ids * context)[:context]
        for slot in range(slots):
            self.server.post('/completion', {'prompt': ids[slot + 1:-16], 'n_predict': -1,
                                             'ignore_eos': True, 'id_slot': slot})
        many(100)
        before = self.server.resident()
        many(10000 if LONG else 500)
        after = self.server.resident()
        self.assertLess(after - before, 1 << 20)
        page = 2 << 20  # a slot has whole large pages
        slot_bytes = (int(self.server.metric('slot_bytes')) + page - 1) // page * page
        self.assertLess(after - slots * slot_bytes, 8 << 20)


class Slow(unittest.TestCase):
    def test_slow_clients_are_ended(self):
        if not LONG:
            self.skipTest('waits for the limits of 15 and 30 seconds: among the long tests')
        with Server() as server:
            begin = time.monotonic()
            with server.socket(60) as silent, server.socket(60) as drips:
                drips.sendall(b'GET /health HTTP/1.1\r\nX: ')
                got = b''
                drips.settimeout(2)
                while time.monotonic() - begin < 60:
                    try:
                        drips.sendall(b'a')
                        if more := drips.recv(4096):
                            got += more
                            continue
                        break
                    except TimeoutError:
                        continue
                    except OSError:
                        break
                self.assertEqual(code_of(got), 408, got)
                self.assertEqual(silent.recv(10), b'')
            self.assertLess(time.monotonic() - begin, 45)


if __name__ == '__main__':
    unittest.main()
