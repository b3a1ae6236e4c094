"""OpenAI's own Python client against `apus serve`: its types read every answer. Skips where the
client is not installed."""
import sys

try:
    import openai
except ImportError:
    print('skipped: this Python has no package openai')
    sys.exit(77)

from serve_client import DRAFT, Server

CODE = 'def add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n    return '


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def texts(client):
    whole = client.completions.create(model='apus', prompt=CODE, max_tokens=8, temperature=0,
                                      logprobs=2, n=2)
    check(len(whole.choices) == 2, whole)
    logs = whole.choices[0].logprobs
    check(''.join(logs.tokens) == whole.choices[0].text, whole)
    check(max(logs.top_logprobs[0].values()) == logs.token_logprobs[0], logs)
    check(whole.usage.total_tokens == whole.usage.prompt_tokens + 16, whole.usage)
    stream = list(client.completions.create(model='apus', prompt=CODE, max_tokens=8, temperature=0,
                                            stream=True, stream_options={'include_usage': True}))
    check(''.join(c.text for e in stream for c in e.choices) == whole.choices[0].text, stream)
    check(stream[-1].usage.completion_tokens == 8, stream[-1])
    middle = client.completions.create(model='apus', prompt=CODE, suffix='\n\nprint(1)\n',
                                       max_tokens=4, temperature=0)
    check(middle.choices[0].finish_reason in ('stop', 'length'), middle)


def chats(client):
    messages = [{'role': 'system', 'content': 'Be short.'}, {'role': 'user', 'content': 'Hello'}]
    whole = client.chat.completions.create(model='apus', messages=messages, max_tokens=8,
                                           temperature=0, logprobs=True, top_logprobs=3, n=2,
                                           stop=['zzz'])
    check([c.index for c in whole.choices] == [0, 1], whole)
    logs = whole.choices[0].logprobs.content
    check(b''.join(bytes(t.bytes) for t in logs).decode() == whole.choices[0].message.content, logs)
    check(all(len(t.top_logprobs) == 3 for t in logs), logs)
    stream = list(client.chat.completions.create(
        model='apus', messages=messages, max_tokens=8, temperature=0, stream=True, logprobs=True,
        stream_options={'include_usage': True}))
    check(''.join(c.delta.content or '' for e in stream for c in e.choices)
          == whole.choices[0].message.content, stream)
    check(stream[-1].usage.prompt_tokens == whole.usage.prompt_tokens, stream[-1])
    with client.chat.completions.create(model='apus', messages=messages, max_tokens=300,
                                        stream=True) as left:
        next(iter(left))  # and hangs up


def errors(client):
    try:
        client.completions.create(model='apus', prompt=CODE, temperature='hot')
        raise AssertionError('a wrong type went through')
    except openai.BadRequestError as error:
        check("'temperature' expects" in error.message, error.message)


def main():
    with Server('-d', DRAFT, environment={'APUS_API_KEY': 'k'}) as server:
        client = openai.OpenAI(base_url=server.url + '/v1', api_key='k', max_retries=0)
        check(client.models.list().data[0].object == 'model', 'models')
        texts(client)
        chats(client)
        errors(client)
        try:
            openai.OpenAI(base_url=server.url + '/v1', api_key='x', max_retries=0).models.list()
            raise AssertionError('a wrong key went through')
        except openai.AuthenticationError:
            pass
    print('openai %s reads every answer' % openai.__version__)


if __name__ == '__main__':
    main()
