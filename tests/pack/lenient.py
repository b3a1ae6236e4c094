#!/usr/bin/env python3
"""Small checkpoints with the quirks that published ones have: each is packed, or refused
by name, as transformers and llama.cpp take it.

lenient.py APUS_PACK APUS"""

import array
import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

DIM, FFN, HEADS, KV, ROWS = 64, 64, 4, 2, 320
CONFIG = {
    'architectures': ['LlamaForCausalLM'],
    'hidden_size': DIM,
    'num_hidden_layers': 1,
    'num_attention_heads': HEADS,
    'num_key_value_heads': KV,
    'intermediate_size': FFN,
    'vocab_size': ROWS,
    'max_position_embeddings': 128,
    'rms_norm_eps': 1e-5,
    'tie_word_embeddings': False,
}
LAYER = {
    'input_layernorm': (DIM,),
    'self_attn.q_proj': (DIM, DIM),
    'self_attn.k_proj': (DIM // 2, DIM),
    'self_attn.v_proj': (DIM // 2, DIM),
    'self_attn.o_proj': (DIM, DIM),
    'post_attention_layernorm': (DIM,),
    'mlp.gate_proj': (FFN, DIM),
    'mlp.up_proj': (FFN, DIM),
    'mlp.down_proj': (DIM, FFN),
}
PACK, APUS = sys.argv[1:]


def tensors():
    shapes = {
        'model.embed_tokens.weight': (ROWS, DIM),
        'model.norm.weight': (DIM,),
        'lm_head.weight': (ROWS, DIM),
    }
    shapes |= {f'model.layers.0.{name}.weight': s for name, s in LAYER.items()}
    rng = random.Random(1)
    return {
        n: (
            s,
            array.array(
                'f',
                [
                    rng.uniform(-0.1, 0.1) if len(s) > 1 else 1.0
                    for _ in range(s[0] * (s[1] if len(s) > 1 else 1))
                ],
            ),
        )
        for n, s in shapes.items()
    }


def byte_names():
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(256 - len(plain))]


VOCAB = {c: i for i, c in enumerate(byte_names())}
PRE = {'type': 'ByteLevel', 'add_prefix_space': False, 'trim_offsets': True, 'use_regex': True}
TOKENIZER = {
    'added_tokens': [],
    'normalizer': None,
    'pre_tokenizer': PRE,
    'post_processor': None,
    'decoder': PRE,
    'model': {'type': 'BPE', 'vocab': VOCAB, 'merges': []},
}


def added(*names, special=False):
    return [
        {
            'id': 256 + i,
            'content': n,
            'single_word': False,
            'lstrip': False,
            'rstrip': False,
            'normalized': False,
            'special': special,
        }
        for i, n in enumerate(names)
    ]


def write(folder, weights, files):
    header, data = {}, b''
    for name, (shape, values) in weights.items():
        header[name] = {
            'dtype': 'F32',
            'shape': shape,
            'data_offsets': [len(data), len(data) + 4 * len(values)],
        }
        data += values.tobytes()
    text = json.dumps(header).encode()
    (folder / 'model.safetensors').write_bytes(struct.pack('<Q', len(text)) + text + data)
    for name, content in files.items():
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))


class Case:
    """Packs what `change` makes of the checkpoint. told: a part of the sentence it is refused with;
    None: it is packed."""

    def __init__(self, change=lambda weights: None, told=None, options=(), config={}, **files):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            weights = tensors()
            change(weights)
            files = {k.replace('__', '.'): v for k, v in files.items()}
            write(
                folder,
                weights,
                {
                    'config.json': config if isinstance(config, str) else CONFIG | config,
                    'tokenizer.json': TOKENIZER,
                }
                | files,
            )
            self.out = folder / 'out.apus'
            r = subprocess.run(
                [PACK, folder, '-o', self.out, '--weights', 'int8', '--no-calibrate', *options],
                capture_output=True,
                text=True,
            )
            assert (r.returncode != 0) == (told is not None) and (told or '') in r.stderr, (
                config,
                files.keys(),
                told,
                r,
            )
            self.provenance = '' if told else self.apus('info', self.out, '--json')['provenance']
            self.tokens = (
                {}
                if told
                else {
                    t: self.apus('tokenize', '-m', self.out, '-p', t, '--special', '--json')['ids']
                    for t in self.texts
                }
            )

    texts = ()

    def apus(self, *arguments):
        return json.loads(
            subprocess.run([APUS, *arguments], capture_output=True, text=True, check=True).stdout
        )

    def notes(self, part):
        assert part in self.provenance, (part, self.provenance)
        return self


def tie(weights):
    weights['lm_head.weight'] = weights['model.embed_tokens.weight']


def drop_embedding(weights):
    del weights['model.embed_tokens.weight']


def bias(name, value=0.0, rows=DIM):
    def change(weights):
        values = array.array('f', [0.0] * rows)
        values[-1] = value
        weights[f'model.layers.0.{name}.bias'] = ((rows,), values)

    return change


def biases(weights):
    for name, rows in (
        ('q_proj', DIM),
        ('k_proj', DIM // 2),
        ('v_proj', DIM // 2),
        ('o_proj', DIM),
    ):
        bias('self_attn.' + name, rows=rows)(weights)


Case()
# The head
assert 'lm_head' not in Case(tie, config={'tie_word_embeddings': True}).provenance
Case(config={'tie_word_embeddings': True}).notes(
    'lm_head.weight differs from the embedding and is kept'
)
Case(drop_embedding, config={'tie_word_embeddings': True})
Case(drop_embedding, told='model.embed_tokens.weight is missing')
# Biases
Case(biases, config={'attention_bias': True}).notes('biases of zeros are left out')
Case(bias('self_attn.o_proj')).notes('biases of zeros')
Case(bias('mlp.down_proj'), config={'mlp_bias': True}).notes('biases of zeros')
Case(
    bias('self_attn.o_proj', 0.5),
    told='model.layers.0.self_attn.o_proj.bias is 0.5 where only zeros are supported',
)
Case(bias('mlp.up_proj', -1), told='mlp.up_proj.bias is -1')
# Numbers and keys
Case(tokenizer_config__json=
     '{"model_max_length": 1000000000000000019884624838656, "a": NaN, "a": -Infinity}')
Case(generation_config__json=
     '{"max_length": 1e999, "eos_token_id": [300, -1, 4294967295], "eos_token_ids": [299]}').notes(
         'eos_token_id -1 is no token')
Case(
    config=json.dumps(CONFIG)[:-1] + ', "x": 99999999999999999999999, "y": NaN, "z": 1, "z": 2}'
).notes('without a meaning here: x, y, z')
Case(
    config=json.dumps(CONFIG)[:-1] + ', "hidden_size": 128}',
    told='hidden_size is there several times with different values',
)
Case(config={'pad_token_id': ROWS, 'bos_token_id': ROWS, 'eos_token_id': -1}).notes(
    'bos_token_id 320 is no token'
)
Case(config={'max_position_embeddings': 10**30}, told='max_position_embeddings is 1e+30, outside')
Case(config={'embedding_multiplier': 12.0}, told='embedding_multiplier is 12.0')
# Tokens
Case.texts = ['<x>a', 'a<|file_sep|>']
case = Case(tokenizer_config__json={'added_tokens_decoder': {'257': added('<x>')[0]}})
assert case.notes('token "<x>" has the id 256, not 257').tokens['<x>a'] == [
    256,
    VOCAB['a'],
], case.tokens
case = Case(tokenizer__json=TOKENIZER | {'added_tokens': added('<x>', '<|file_sep|>')})
assert case.tokens['a<|file_sep|>'] == [VOCAB['a'], 257], case.tokens
assert Case(added_tokens__json={'<x>': 256}).tokens['<x>a'] == [256, VOCAB['a']]
assert Case(special_tokens_map__json={'pad_token': '<x>'}).tokens['<x>a'] == [256, VOCAB['a']]
Case.texts = ['12345 x']
full = TOKENIZER | {'added_tokens': added(*(f'<{i}>' for i in range(ROWS - 256)))}
Case(tokenizer__json=full, tokenizer_config__json={'pad_token': '[PAD]'}).notes(
    '"[PAD]" is left out: the model has no row 320'
)
# Pre-tokenizers
odd = TOKENIZER | {
    'pre_tokenizer': {
        'type': 'Split',
        'pattern': {'Regex': r'\w+'},
        'behavior': 'Isolated',
        'invert': False,
    }
}
Case(tokenizer__json=odd, told='if you know which one it is like, --pre NAME')
assert Case(tokenizer__json=odd, options=['--pre', 'qwen2']).tokens['12345 x']
Case(options=['--pre', 'nothing'], told='--pre is "nothing"')
print('all as expected')
