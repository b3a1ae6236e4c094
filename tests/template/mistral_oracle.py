"""The ids of conversations under Mistral's chat templates, against mistral-common, which has the
tokenizers of the models with it. Takes 5 seconds. Exit 77 without it."""
import json
import os
import pathlib
import subprocess
import sys

try:
    import mistral_common
    from mistral_common.protocol.instruct import messages as kinds
    from mistral_common.protocol.instruct.request import ChatCompletionRequest
    from mistral_common.tokens.tokenizers.mistral import MistralTokenizer
except ImportError as e:
    print('skipped: %s' % e)
    sys.exit(77)

DATA = pathlib.Path(mistral_common.__file__).parent / 'data'
# name here, a file that mistral-common has, which says itself how it writes a conversation
FILES = {'mistral-v1': 'tokenizer.model.v1',
         'mistral-v3': 'mistral_instruct_tokenizer_240323.model.v3',
         'mistral-v7': 'mistral_instruct_tokenizer_241114.model.v7',
         'mistral-v3-tekken': 'tekken_240911.json'}
KINDS = {'system': kinds.SystemMessage, 'user': kinds.UserMessage,
         'assistant': kinds.AssistantMessage}
TEXTS = ['Be brief.', 'Who are you?', 'A model.', 'Say [INST] </s> twice\n\nplease', ' spaces ',
         'def f(x):\n    return x\n', 'Gr\u00fc\u00dfe \u4f60\u597d \U0001F642', '1234567', 'a',
         'It is (I think) 3.5 \u2013 or "4"?', '<s>[/INST]', '\ttab']


def conversations():
    """With and without a system message, one to three questions, every text in every place."""
    for i in range(len(TEXTS)):
        texts = (TEXTS * 2)[i:i + 6]
        for system in (0, 1):
            for turns in (1, 3, 5):
                talk = [('user', 'assistant')[k % 2] for k in range(turns)]
                yield [dict(role=role, content=text) for role, text in
                       zip(['system'] * system + talk, texts)]


def agreed(name, talk):
    """Without what mistral-common and the template that comes with a model treat differently: the
    one takes spaces off the ends of answers, the other nothing, or in v3 all white space."""
    white = None if name == 'mistral-v3' else ' '
    return [dict(m, content=m['content'].strip(white)) if m['role'] == 'assistant' else m
            for m in talk]


def theirs(tokenizer, talk):
    messages = [KINDS[m['role']](content=m['content']) for m in talk]
    return tokenizer.encode_chat_completion(ChatCompletionRequest(messages=messages)).tokens


def main():
    failures = compared = 0
    for name, file in FILES.items():
        path = DATA / file
        if not path.exists():
            print('%s: mistral-common has no %s' % (name, file))
            continue
        tokenizer = MistralTokenizer.from_file(str(path))
        talks = [agreed(name, talk) for talk in conversations()]
        done = subprocess.run([os.environ['APUS_CHAT_IDS'], str(path), name], text=True,
                              input=''.join(json.dumps(t) + '\n' for t in talks),
                              capture_output=True)
        if done.returncode:
            print('FAIL %s: %s' % (name, done.stderr))
            failures += 1
            continue
        for talk, line in zip(talks, done.stdout.splitlines(), strict=True):
            expected, got = theirs(tokenizer, talk), json.loads(line)
            compared += 1
            if got != expected:
                failures += 1
                if failures < 8:
                    print('FAIL %s %r\n  expected %r\n  found    %r' % (name, talk, expected, got))
    print('%d conversations compared, %d differ' % (compared, failures))
    return 1 if failures or not compared else 0


sys.exit(main())
