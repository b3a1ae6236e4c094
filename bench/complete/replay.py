"""Replays an editing session with completion servers in turns, and prints JSON.

  replay.py MODEL.apus [--apus build/release/apus] [--draft FILE] [--peer URL] [--keys N]
            [--threads N] [--package click --old 8.0.4 --new 8.1.7] [--work build/complete]
            [--front]

--peer: a server with the same model that understands llama.cpp's /infill and /completion and was
started before. Each request goes to one server and then to the other. --front: sends only the text
before the cursor, to /completion, for models without markers, which llama.cpp's /infill
refuses."""
import argparse
import http.client
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import editing  # noqa: E402  (beside this file)


class Client:
    def __init__(self, url):
        self.host, port = url.rstrip('/')[len('http://'):].rsplit(':', 1)
        self.port = int(port)

    def ask(self, path, body):
        """Sends a request. Returns (seconds to the first text, seconds to the end, last object,
        text)."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=600)
        begin = time.perf_counter()
        connection.request('POST', path, json.dumps(dict(body, stream=True)),
                           {'Content-Type': 'application/json'})
        answer, first, last, text = connection.getresponse(), None, {}, ''
        for line in answer:
            if not line.startswith(b'data: {'):
                continue
            last = json.loads(line[6:])
            text += last.get('content', '')
            if first is None and last.get('content'):
                first = time.perf_counter() - begin
        connection.close()
        return first, time.perf_counter() - begin, last, text

    def count(self, text):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        connection.request('POST', '/tokenize', json.dumps({'content': text}))
        got = len(json.loads(connection.getresponse().read())['tokens'])
        connection.close()
        return got


def quantile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else None


def request_of(before, behind, lines_before=256, lines_behind=64):
    """The request that llama.vim would make."""
    above, _, line = before.rpartition('\n')
    above = above.splitlines(True)[-lines_before:]
    return {'id_slot': 0, 'input_prefix': ''.join(above) + '\n' * bool(above), 'prompt': line,
            'input_suffix': ''.join(('\n' + behind).splitlines(True)[:lines_behind]),
            'n_predict': 8, 'top_k': 40, 'top_p': 0.99, 'samplers': ['top_k', 'top_p', 'infill'],
            'cache_prompt': True, 'temperature': 0, 't_max_predict_ms': 0}


def front_of(body):
    """The same request without the text behind the cursor."""
    text = ''.join(e['text'] for e in body['input_extra']) + body['input_prefix'] + body['prompt']
    return dict({k: v for k, v in body.items() if not k.startswith('input_')},
                samplers=['top_k', 'top_p'], prompt=text)


def replay(clients, steps, extra, front):
    rows = {name: [] for name in clients}
    for _, before, behind in steps:
        body = dict(request_of(before, behind), input_extra=extra)
        path, sent = ('/completion', front_of(body)) if front else ('/infill', body)
        for name, client in clients.items():
            first, whole, last, _ = client.ask(path, sent)
            timings = last.get('timings', {})
            rows[name].append({
                'first': first, 'whole': whole, 'prompt_n': timings.get('prompt_n', 0),
                'library': (timings.get('prompt_ms', 0) + timings.get('predicted_ms', 0)) / 1e3,
                'line': client.count(body['prompt'])})
    return rows


def figures(rows):
    rows = rows[1:]  # without the first one, which finds nothing in the cache
    first = [r['first'] for r in rows if r['first'] is not None]
    return {
        'requests': len(rows), 'with_text': len(first),
        'first_text_ms': {'p50': 1e3 * quantile(first, .5), 'p95': 1e3 * quantile(first, .95)},
        'evaluated_beyond_line': {
            'p50': quantile([max(0, r['prompt_n'] - r['line']) for r in rows], .5),
            'p95': quantile([max(0, r['prompt_n'] - r['line']) for r in rows], .95)},
        'own_ms': {'p50': 1e3 * quantile([r['whole'] - r['library'] for r in rows], .5),
                   'p95': 1e3 * quantile([r['whole'] - r['library'] for r in rows], .95)}}


def long_prompt(client, text, tokens):
    """The first `tokens` ids of the text, which is repeated if it is too short."""
    connection = http.client.HTTPConnection(client.host, client.port, timeout=60)
    connection.request('POST', '/tokenize', json.dumps({'content': text}))
    ids = json.loads(connection.getresponse().read())['tokens']
    connection.close()
    while len(ids) < tokens:
        ids = ids + ids
    return ids[:tokens]


def rates(client, ids):
    """Tokens per second of a prompt that is not in the cache, and of the text that is generated
    behind it."""
    _, _, last, _ = client.ask('/completion', {'prompt': ids, 'n_predict': 48, 'temperature': 0,
                                               'cache_prompt': False, 'ignore_eos': True})
    timings = last['timings']
    return {'prompt_tokens': timings['prompt_n'], 'prompt_per_s': timings['prompt_per_second'],
            'text_per_s': timings['predicted_per_second']}


def deadline(client, ids):
    begin = time.perf_counter()
    client.ask('/completion', {'prompt': ids, 'n_predict': 4, 'cache_prompt': False,
                               't_max_prompt_ms': 100})
    return 1e3 * (time.perf_counter() - begin)


def metric(client, name):
    """A figure that only Apus has."""
    connection = http.client.HTTPConnection(client.host, client.port, timeout=60)
    connection.request('GET', '/metrics')
    values = dict(line.split() for line in connection.getresponse().read().decode().splitlines()
                  if not line.startswith('#'))
    connection.close()
    return float(values['apus_' + name])


def thread_own(client):
    """Milliseconds that the engine's thread spent outside the library for a request; Apus alone."""
    return 1e3 * metric(client, 'own_seconds_total') / metric(client, 'requests_total')


def is_idle(client):
    connection = http.client.HTTPConnection(client.host, client.port, timeout=60)
    connection.request('GET', '/slots')
    slots = json.loads(connection.getresponse().read())
    connection.close()
    return not any(s['is_processing'] for s in slots)


def until(condition, seconds=20):
    """Waits until condition() is true. Returns False if it is not after so many seconds."""
    end = time.perf_counter() + seconds
    while not condition():
        if time.perf_counter() > end:
            return False
    return True


def hang_up(client, body):
    """Milliseconds from closing the connection until the engine is idle; None if the server was
    never seen at work, or did not become idle within 20 seconds."""
    data = json.dumps(body).encode()
    sock = socket.create_connection((client.host, client.port))
    sock.sendall(b'POST /completion HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n'
                 % len(data) + data)
    seen = until(lambda: not is_idle(client))
    time.sleep(0.15)
    begin = time.perf_counter()
    sock.close()
    return 1e3 * (time.perf_counter() - begin) if until(lambda: is_idle(client)) and seen else None


def middle_of(values):
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('model')
    parser.add_argument('--apus', default='build/release/apus')
    parser.add_argument('--draft')
    parser.add_argument('--peer')
    parser.add_argument('--keys', type=int, default=120)
    parser.add_argument('--threads', default='2')
    parser.add_argument('--package', default='click')
    parser.add_argument('--old', default='8.0.4')
    parser.add_argument('--new', default='8.1.7')
    parser.add_argument('--work', default='build/complete')
    parser.add_argument('--front', action='store_true')
    a = parser.parse_args()
    old, new = (editing.fetch(a.package, v, a.work) for v in (a.old, a.new))
    steps = list(editing.session(old, new, a.keys))
    source = '\n'.join(p.read_text() for p in sorted(new.rglob('*.py')))
    # other open files, so that the context has about 5,000 tokens
    extra = [{'filename': 'context.py', 'text': source[20000:30000]}]

    server = subprocess.Popen([a.apus, 'serve', a.model, '--port', '0', '-q', '-t', a.threads,
                               '--ctx', '8192', '--slots', '3',
                               *(['-d', a.draft] if a.draft else [])],
                              stdout=subprocess.PIPE, text=True)
    url = server.stdout.readline().strip()
    clients = {'apus': Client(url)}
    if a.peer:
        clients['peer'] = Client(a.peer)
    try:
        rows = replay(clients, steps, extra, a.front)
        report = {'model': os.path.basename(a.model), 'threads': int(a.threads),
                  'session': '%s %s to %s, %d keys' % (a.package, a.old, a.new, len(steps))}
        for name, client in clients.items():
            report[name] = figures(rows[name])
            if name == 'apus':
                report[name]['thread_own_ms'] = thread_own(client)
            ids = long_prompt(client, source, 7900)
            # A peer that does not stop takes the whole prompt's time in each turn.
            turns = range(5 if name == 'apus' else 1)
            report[name].update(rates(client, ids[:5000]))
            report[name]['deadline_100_ms'] = statistics.median(
                deadline(client, ids) for _ in turns)
            report[name]['hang_up_ms'] = {
                'prompt': middle_of(hang_up(client, {
                    'prompt': ids[:4000], 'n_predict': 1, 'cache_prompt': False})
                    for _ in turns),
                'text': middle_of(hang_up(client, {
                    'prompt': ids[:40], 'n_predict': 4000, 'ignore_eos': True})
                    for _ in turns)}
        print(json.dumps(report, indent=1))
    finally:
        server.terminate()
        server.wait()


if __name__ == '__main__':
    main()
