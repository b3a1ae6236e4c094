"""`apus serve` from outside: every endpoint and field, what is refused and how, and that what is
written is what `apus run` writes."""
import json
import re
import signal
import threading
import time
import unittest

from serve_client import DRAFT, Server, run_text

CODE = 'def add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n    return '
FIM = {  # what llama.vim sends for a key
    'id_slot': 0, 'input_prefix': 'import os\n\n\ndef read(path):\n',
    'input_suffix': '\n\nprint(1)\n',
    'input_extra': [{'text': CODE, 'time': [1, 2], 'filename': 'sums.py'}],
    'prompt': '    with open(', 'n_predict': 16, 'stop': ['\n\n\n'], 'n_indent': 4, 'top_k': 40,
    'top_p': 0.9, 'samplers': ['top_k', 'top_p', 'infill'], 'stream': False, 'cache_prompt': True,
    't_max_prompt_ms': 500, 't_max_predict_ms': 1000,
    'response_fields': ['content', 'timings/prompt_n', 'timings/prompt_ms',
                        'timings/prompt_per_token_ms', 'timings/prompt_per_second',
                        'timings/predicted_n', 'timings/predicted_ms',
                        'timings/predicted_per_token_ms', 'timings/predicted_per_second',
                        'truncated', 'tokens_cached']}


class Serve(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server('--slots', '2', '--special')

    @classmethod
    def tearDownClass(cls):
        status, errors = cls.server.close()
        assert status == 143, (status, errors)
        assert CODE not in errors and 'def add' not in errors, errors

    def same_as_run(self, options, fields, server=None, more=()):
        body = dict({'prompt': CODE, 'temperature': 0, 'top_k': 0, 'top_p': 1, 'min_p': 0,
                     'n_predict': 40}, **fields)
        got = (server or self.server).post('/completion', body)
        ran = run_text(CODE, '-n', '40', *options, *more)
        self.assertEqual(got['content'], ran['text'])
        return got

    def test_same_text_as_run(self):
        self.same_as_run([], {})
        for seed in range(3):
            self.same_as_run(['--temp', '0.8', '--top-k', '40', '--top-p', '0.95', '--min-p',
                              '0.05', '--seed', str(seed)],
                             {'temperature': 0.8, 'top_k': 40, 'top_p': 0.95, 'min_p': 0.05,
                              'seed': seed})
        self.same_as_run(['--repeat-penalty', '1.3'], {'repeat_penalty': 1.3})
        got = self.same_as_run(['--stop', 'b'], {'stop': ['zzz', 'b']})
        self.assertIn((got['stop_type'], got['stopping_word']), (('word', 'b'), ('limit', '')))

    def test_same_text_with_draft(self):
        with Server('-d', DRAFT, '--draft-tokens', '4') as server:
            got = self.same_as_run([], {}, server)
            self.assertGreater(got['timings']['draft_n'], 0)
            self.same_as_run(['--temp', '0.8', '--seed', '4'], {'temperature': 0.8, 'seed': 4},
                             server)

    def test_completion_fields(self):
        got = self.server.post('/completion', {
            'prompt': CODE, 'n_predict': 8, 'temperature': 0, 'n_probs': 3, 'return_tokens': True,
            'unknown_field': {'x': 1}})
        self.assertEqual(got['tokens_predicted'], 8)
        self.assertEqual(len(got['tokens']), 8)
        self.assertEqual(got['stop_type'], 'limit')
        self.assertIs(got['stop'], True)
        self.assertEqual(got['timings']['predicted_n'], 8)
        self.assertEqual(got['timings']['cache_n'] + got['timings']['prompt_n'],
                         got['tokens_evaluated'])
        probs = got['completion_probabilities']
        self.assertEqual(len(probs), 8)
        for one, token in zip(probs, got['tokens']):
            self.assertEqual(one['id'], token)
            self.assertEqual(len(one['top_logprobs']), 3)
            self.assertEqual(one['top_logprobs'][0]['logprob'], one['logprob'])  # greedy
        self.assertEqual(b''.join(bytes(one['bytes']) for one in probs).decode(), got['content'])
        # the same prompt as ids, and mixed
        ids = self.server.post('/tokenize', {'content': CODE, 'add_special': True})['tokens']
        for prompt in (ids, [CODE[:0] or ids[0], *ids[1:]]):
            again = self.server.post('/completion',
                                     {'prompt': prompt, 'n_predict': 8, 'temperature': 0})
            self.assertEqual(again['content'], got['content'])
        several = self.server.post('/completion', {'prompt': [CODE, 'import '], 'n_predict': 4,
                                                   'temperature': 0, 'n_cmpl': 2})
        self.assertEqual([one['index'] for one in several], [0, 1, 2, 3])
        self.assertEqual(several[0]['content'], several[1]['content'])

    def test_stream_is_the_same(self):
        body = {'prompt': CODE, 'n_predict': 24, 'temperature': 0.7, 'seed': 3}
        whole = self.server.post('/completion', body)
        events, done = self.server.events('/completion', body)
        self.assertFalse(done)
        self.assertGreater(len(events), 2)
        self.assertEqual(''.join(e['content'] for e in events), whole['content'])
        self.assertEqual([e['stop'] for e in events], [False] * (len(events) - 1) + [True])
        self.assertEqual(events[-1]['generation_settings']['seed'], 3)

    def test_infill_as_llama_vim(self):
        got = self.server.post('/infill', FIM)
        self.assertEqual(sorted(got), sorted(FIM['response_fields']))
        self.assertIsInstance(got['content'], str)
        self.assertGreater(got['timings/predicted_n'], 0)
        self.assertIs(got['truncated'], False)
        # the next key evaluates what is new, and a repeated one nothing but the last id
        again = self.server.post('/infill', FIM)
        self.assertEqual(again['content'], got['content'])
        self.assertLessEqual(again['timings/prompt_n'], 1)
        typed = self.server.post('/infill', dict(FIM, prompt='    with open(p'))
        self.assertGreater(typed['tokens_cached'], 0)
        # its ring of chunks: warmed with no text, no field of the answer, and 1 ms
        warm = dict(FIM, n_predict=0, samplers=[], t_max_prompt_ms=1, t_max_predict_ms=1,
                    response_fields=[''], prompt='', input_prefix='', input_suffix='',
                    input_extra=[{'text': CODE * 3, 'filename': 'other.py'}])
        self.assertEqual(self.server.post('/infill', warm), {})

    def test_infill_as_llama_vscode(self):
        body = {key: value for key, value in FIM.items() if key != 'response_fields'}
        body.update(n_cmpl=3, lora=[{'id': 0, 'scale': 0.5}], model='x', temperature=0.8, seed=1)
        got = self.server.post('/infill', body)
        self.assertEqual(len(got), 3)
        for one in got:
            for name in ('content', 'generation_settings', 'timings', 'tokens_cached',
                         'truncated', 'stop', 'model'):
                self.assertIn(name, one)

    def test_warm_then_reuse(self):
        prompt = 'class Warm:\n' + '    value = 1234\n' * 20
        self.server.post('/completion', {'prompt': prompt, 'n_predict': 0})
        got = self.server.post('/completion', {'prompt': prompt, 'n_predict': 2})
        self.assertLessEqual(got['timings']['prompt_n'], 1)
        fresh = self.server.post('/completion', {'prompt': prompt, 'n_predict': 2,
                                                 'cache_prompt': False})
        self.assertEqual(fresh['tokens_cached'], 0)

    def test_slots_keep_two_texts(self):
        texts = ['first = %d\n' % i * 30 for i in (11, 77)]
        for text in texts:
            self.server.post('/completion', {'prompt': text, 'n_predict': 1})
        got = [self.server.post('/completion', {'prompt': t + 'x', 'n_predict': 1}) for t in texts]
        self.assertNotEqual(got[0]['id_slot'], got[1]['id_slot'])
        for one in got:
            self.assertLessEqual(one['timings']['prompt_n'], 4)
        slots = self.server.get('/slots')
        self.assertEqual([s['id'] for s in slots], [0, 1])

    def test_openai_text(self):
        got = self.server.post('/v1/completions', {
            'model': 'any', 'prompt': CODE, 'suffix': '\n\nprint(add(1, 2))\n', 'max_tokens': 6,
            'temperature': 0})
        self.assertEqual(got['model'], 'any')
        self.assertEqual(got['object'], 'text_completion')
        self.assertEqual(got['usage']['completion_tokens'], 6)
        got = self.server.post('/v1/completions', {
            'prompt': CODE, 'max_tokens': 5, 'temperature': 0, 'logprobs': 2, 'n': 2, 'best_of': 2})
        for choice in got['choices']:
            self.assertEqual(choice['finish_reason'], 'length')
            logs = choice['logprobs']
            self.assertEqual(len(logs['tokens']), 5)
            self.assertEqual(logs['text_offset'][0], 0)
            self.assertEqual(''.join(logs['tokens']), choice['text'])
            self.assertEqual(len(logs['top_logprobs'][0]), 2)
        echo = self.server.post('/v1/completions', {'prompt': 'def f', 'echo': True,
                                                    'max_tokens': 2})
        self.assertTrue(echo['choices'][0]['text'].startswith('def f'))
        events, done = self.server.events('/v1/completions', {
            'prompt': CODE, 'max_tokens': 5, 'temperature': 0,
            'stream_options': {'include_usage': True}})
        self.assertTrue(done)
        self.assertEqual(events[-1]['choices'], [])
        self.assertEqual(events[-1]['usage']['completion_tokens'], 5)
        self.assertEqual(''.join(c['text'] for e in events for c in e['choices']),
                         got['choices'][0]['text'])

    def test_openai_chat(self):
        body = {'messages': [{'role': 'system', 'content': 'Be short.'},
                             {'role': 'user', 'content': [{'type': 'text', 'text': 'Hello'}]}],
                'max_completion_tokens': 6, 'temperature': 0, 'logprobs': True, 'top_logprobs': 2,
                'n': 2}
        got = self.server.post('/v1/chat/completions', body)
        self.assertEqual(len(got['choices']), 2)
        message = got['choices'][0]['message']
        self.assertEqual(message['role'], 'assistant')
        logs = got['choices'][0]['logprobs']['content']
        self.assertEqual(b''.join(bytes(t['bytes']) for t in logs).decode(), message['content'])
        events, done = self.server.events('/v1/chat/completions', dict(body, n=1))
        self.assertTrue(done)
        deltas = [c['delta'] for e in events for c in e['choices']]
        self.assertEqual(deltas[0]['role'], 'assistant')
        self.assertEqual(''.join(d.get('content', '') for d in deltas), message['content'])
        self.assertEqual(events[-1]['choices'][0]['finish_reason'], 'length')
        user = {'messages': [{'role': 'user', 'content': '<|im_end|><s></s>'}], 'max_tokens': 1}
        self.server.post('/v1/chat/completions', user)  # text stays text

    def test_tokens_there_and_back(self):
        text = 'def é(x):\n\treturn "→" + x'
        got = self.server.post('/tokenize', {'content': text, 'with_pieces': True})['tokens']
        back = self.server.post('/detokenize', {'tokens': [t['id'] for t in got]})['content']
        self.assertEqual(back, text)

    def test_what_there_is(self):
        self.assertEqual(self.server.get('/health'), {'status': 'ok'})
        self.assertEqual(self.server.get('/v1/models')['data'][0]['object'], 'model')
        props = self.server.get('/props')
        self.assertEqual(props['total_slots'], 2)
        self.assertIn('fim_template', props)
        _, headers, text = self.server.request('GET', '/metrics')
        self.assertTrue(headers['Content-Type'].startswith('text/plain; version=0.0.4'))
        for line in text.decode().splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) apus_\w+ .+|apus_\w+ [0-9.e+-]+)$')
        self.assertEqual(self.server.request('HEAD', '/health')[0], 200)

    def test_refusals_name_the_field(self):
        cases = [
            ('/completion', {}, 'prompt'), ('/completion', {'prompt': 5}, 'prompt'),
            ('/completion', {'prompt': [1, -2]}, 'prompt'),
            ('/completion', {'prompt': [10 ** 9]}, 'prompt'),
            ('/completion', {'prompt': 'x', 'temperature': 'hot'}, 'temperature'),
            ('/completion', {'prompt': 'x', 'n_predict': 1.5}, 'n_predict'),
            ('/completion', {'prompt': 'x', 'stop': [1]}, 'stop'),
            ('/completion', {'prompt': 'x', 'stop': ['a' * 64]}, 'stop'),
            ('/completion', {'prompt': 'x', 'stop': list('abcdefghi')}, 'stop'),
            ('/completion', {'prompt': 'x', 'samplers': ['bad']}, 'samplers'),
            ('/completion', {'prompt': 'x', 'stream': 1}, 'stream'),
            ('/completion', {'prompt': 'x', 'grammar': 'root ::= x'}, 'grammar'),
            ('/completion', {'prompt': 'x', 'response_fields': 'content'}, 'response_fields'),
            ('/completion', {'prompt': 'x', 'top_p': 2}, 'top_p'),
            ('/completion', {'prompt': ['a'] * 17}, 'prompt'),
            ('/infill', {'input_prefix': 1}, 'input_prefix'),
            ('/infill', {'input_suffix': []}, 'input_suffix'),
            ('/infill', {'input_extra': [1]}, 'input_extra'),
            ('/infill', {'input_extra': [{'text': 1}]}, 'input_extra'),
            ('/v1/completions', {'prompt': 'x', 'logprobs': 50}, 'logprobs'),
            ('/v1/completions', {'prompt': 'x', 'n': 0}, 'n'),
            ('/v1/completions', {'prompt': 'x', 'best_of': 3}, 'best_of'),
            ('/v1/completions', {'prompt': 'x', 'logit_bias': {'1': 2}}, 'logit_bias'),
            ('/v1/chat/completions', {}, 'messages'),
            ('/v1/chat/completions', {'messages': [{'role': 'x', 'content': ''}]}, 'messages'),
            ('/v1/chat/completions', {'messages': [{'role': 'user', 'content': 3}]}, 'messages'),
            ('/v1/chat/completions', {'messages': [{'role': 'user', 'content': ''}],
                                      'tools': [{}]}, 'tools'),
            ('/tokenize', {}, 'content'), ('/detokenize', {'tokens': ['x']}, 'tokens')]
        for path, body, field in cases:
            error = self.server.post(path, body, expected=400)['error']
            self.assertEqual((error['code'], error['type']), (400, 'invalid_request_error'))
            self.assertIn("'%s'" % field, error['message'])
        for body in (b'', b'{', b'[]', b'{"prompt": "\xff"}', b'1', b'[' * 100000):
            self.assertEqual(self.server.request('POST', '/completion', body)[0], 400)
        long = self.server.post('/completion', {'prompt': 'word ' * 5000}, expected=400)
        self.assertIn('tokens, but the context holds 1024', long['error']['message'])
        self.assertEqual(self.server.request('GET', '/nothing')[0], 404)
        self.assertEqual(self.server.request('GET', '/infill')[0], 405)

    def test_a_model_without_markers(self):
        """/infill then completes from the prefix alone, which is said once."""
        with Server('--fim', 'none') as server:
            self.assertEqual(server.get('/props')['fim_template'], 'none')
            wish = {'n_predict': 4, 'temperature': 0}
            front = CODE.rstrip(' ')
            alone = server.post('/completion', dict(wish, prompt=front))['content']
            for more in ({}, {'input_suffix': '\n\nprint(sub(1, 2))\n'}):
                got = server.post('/infill', dict(wish, input_prefix=front, **more))
                # of its ids some write the healed word again
                self.assertTrue(got['content'] and alone.startswith(got['content']), got)
            _, errors = server.close()
            self.assertEqual(errors.count('completes from the text before the cursor only'), 1)

    def test_loops_are_cut_for_editors_alone(self):
        """A small model that takes the likeliest id of each loops soon: /infill does not show it,
        /completion gives the model's own text."""
        def loops(text):
            lines = [line for line in text.split('\n')[1:] if line.strip()]
            return any(a == b and sum(map(str.isalpha, a)) > 4 for a, b in zip(lines, lines[1:]))

        raw = streamed = 0
        for front in ('def add(a, b):\n    total = 0\n    ', 'import os\nimport ', CODE,
                      'class A:\n    def __init__(self, a):\n        self.a = a\n        '):
            wish = {'n_predict': 300, 'temperature': 0, 'ignore_eos': True}
            text = self.server.post('/completion', dict(wish, prompt=front))['content']
            raw += loops(text)
            got = self.server.post('/infill', dict(wish, input_prefix=front))
            self.assertFalse(loops(front.rsplit('\n', 1)[1] + got['content']), got)
            events, _ = self.server.events('/infill', dict(wish, input_prefix=front))
            told = ''.join(e['content'] for e in events)
            self.assertTrue(told.startswith(got['content']))
            streamed += events[-1]['tokens_predicted'] < 300
        self.assertGreater(raw, 0)
        self.assertGreater(streamed, 0)

    def test_long_middle_is_cut(self):
        body = dict(FIM, t_max_prompt_ms=0, input_prefix='value = 12345\n' * 900,
                    input_suffix='other = 1\n' * 500)
        got = self.server.post('/infill', body)
        self.assertIs(got['truncated'], True)
        typed = self.server.post('/infill', dict(body, prompt=body['prompt'] + 'pa'))
        self.assertGreater(typed['tokens_cached'], 300)  # the front stays where it is

    def test_pages_of_the_web_stay_out(self):
        for headers, expected in (({'Origin': 'http://evil.example'}, 403),
                                  ({'Origin': 'null'}, 403), ({'Host': 'evil.example'}, 421),
                                  ({'Host': 'evil.example:8012'}, 421),
                                  ({'Host': 'localhost'}, 200), ({'Host': '127.0.0.1:1'}, 200),
                                  ({'Host': '[::1]:8012'}, 200)):
            self.assertEqual(self.server.request('GET', '/health', headers=headers)[0], expected,
                             headers)
        self.assertEqual(self.server.raw(b'GET /health HTTP/1.0\r\n\r\n')[8:12], b' 200')
        with Server('--allow-origin', 'https://good.example', '--allow-host', 'box') as server:
            origin = {'Origin': 'https://good.example', 'Host': 'box'}
            status, headers, _ = server.request('OPTIONS', '/infill', headers=origin)
            self.assertEqual((status, headers['Access-Control-Allow-Origin']),
                             (204, 'https://good.example'))
            self.assertEqual(server.request('GET', '/health', headers=origin)[0], 200)

    def test_key(self):
        with Server(environment={'APUS_API_KEY': 'secret'}) as server:
            for headers, expected in (({}, 401), ({'Authorization': 'Bearer secre'}, 401),
                                      ({'Authorization': 'Bearer secret'}, 200),
                                      ({'X-Api-Key': 'secret'}, 200)):
                self.assertEqual(server.request('GET', '/props', headers=headers)[0], expected)
            self.assertEqual(server.request('GET', '/health')[0], 200)

    def test_hang_up_cancels(self):
        body = json.dumps({'prompt': CODE, 'n_predict': 900, 'ignore_eos': True,
                           'n_cmpl': 16}).encode()
        head = b'POST /completion HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n'
        before = self.server.metric('requests_cancelled_total')
        sock = self.server.socket()
        sock.sendall(head % len(body) + body)
        while not self.server.metric('requests_active'):
            time.sleep(0.002)
        sock.close()
        self.server.wait_idle()
        self.assertEqual(self.server.metric('requests_cancelled_total'), before + 1)

    def test_newer_of_the_same_buffer(self):
        body = dict(FIM, n_predict=900, n_indent=0, stop=[], ignore_eos=True,
                    t_max_predict_ms=0, input_extra=[], n_cmpl=16)
        body.pop('response_fields')
        first = []
        thread = threading.Thread(target=lambda: first.extend(self.server.post('/infill', body)))
        thread.start()
        while not self.server.metric('requests_active'):
            time.sleep(0.002)
        newer = dict(body, n_predict=2, n_cmpl=1, prompt='    with open(x')
        got = self.server.post('/infill', newer)
        thread.join()
        self.assertEqual(got['tokens_predicted'], 2)
        self.assertEqual(first[-1]['stop_reason'], 'superseded')

    def test_deadlines(self):
        begin = time.monotonic()
        got = self.server.post('/completion', {
            'prompt': CODE, 'n_predict': 900, 'ignore_eos': True, 't_max_predict_ms': 40})
        self.assertLess(time.monotonic() - begin, 2)
        self.assertEqual((got['stop_type'], got['stop_reason']), ('limit', 'deadline'))
        prompt, evaluated = 'x = 12\n' * 150, 0
        for _ in range(5000):
            got = self.server.post('/completion', {'prompt': prompt, 'n_predict': 1,
                                                   't_max_prompt_ms': 1})
            evaluated += got['timings']['prompt_n']
            if got['stop_reason'] != 'deadline':
                break
        self.assertLessEqual(abs(evaluated - got['tokens_evaluated']), 2)  # nothing twice

    def test_ends_cleanly_in_the_middle(self):
        with Server() as server:
            answers = []
            thread = threading.Thread(target=lambda: answers.append(server.request(
                'POST', '/completion', {'prompt': CODE, 'n_predict': 900, 'ignore_eos': True,
                                        'n_cmpl': 16})))
            thread.start()
            while not server.metric('requests_active'):
                time.sleep(0.002)
            self.assertEqual(server.close(signal.SIGINT)[0], 130)
            thread.join()
            self.assertEqual(len(answers), 1)

    def test_log_is_asked_for(self):
        with Server('--log-requests') as server:
            server.post('/completion', {'prompt': 'tell me', 'n_predict': 1})
            self.assertIn('tell me', server.close()[1])


if __name__ == '__main__':
    unittest.main()
