#!/usr/bin/env python3
"""Writes a GGUF file of seeded random 4- or 8-bit blocks in the shape of a named model, so that
Apus and its peers time the same weights.

    random_gguf.py SHAPE OUT.gguf [--type q4_0|q8_0] [--seed N]

Shapes, sizes of weights and the tokenizer are those of weights/tools/random_checkpoint.py (Llama
family, SentencePiece). Blocks are written as they are drawn, so that a few MB of memory are enough.
Every weight is uniform over the levels of its block; the values do not change what a pass costs."""
import argparse
import math
import pathlib
import struct
import sys

import numpy as np

TOOLS = pathlib.Path(__file__).resolve().parents[2] / 'weights' / 'tools'
sys.path.insert(0, str(TOOLS))
import random_checkpoint  # noqa: E402

BLOCK = 32  # weights that share a scale
# GGUF's number of the type, bytes of a block, standard deviation of the levels
TYPES = {'q4_0': (2, 18, 15 / math.sqrt(12)), 'q8_0': (8, 34, 255 / math.sqrt(12))}
F32, ALIGNMENT, DRAW = 0, 32, 1 << 17
NAMES = {
    'embed_tokens': 'token_embd',
    'lm_head': 'output',
    'norm': 'output_norm',
    'input_layernorm': 'attn_norm',
    'post_attention_layernorm': 'ffn_norm',
    'q_proj': 'attn_q',
    'k_proj': 'attn_k',
    'v_proj': 'attn_v',
    'o_proj': 'attn_output',
    'gate_proj': 'ffn_gate',
    'up_proj': 'ffn_up',
    'down_proj': 'ffn_down'
}
UINT32, FLOAT, STRING, ARRAY, INT32, BOOL = 4, 6, 8, 9, 5, 7
PACK = {UINT32: '<I', INT32: '<i', FLOAT: '<f', BOOL: '<?'}


def string(text):
    data = text.encode()
    return struct.pack('<Q', len(data)) + data


def value(kind, x):
    return string(x) if kind == STRING else struct.pack(PACK[kind], x)


def entry(key, kind, x):
    return string(key) + struct.pack('<I', kind) + value(kind, x)


def array(key, kind, xs):
    return string(key) + struct.pack('<IIQ', ARRAY, kind, len(xs)) + b''.join(
        value(kind, x) for x in xs)


def gguf_name(name):
    parts = name.split('.')
    layer = f'blk.{parts[2]}.' if parts[1] == 'layers' else ''
    return layer + NAMES[parts[-2]] + '.weight'


def pieces(s):
    """(text, score, type) of every token, read from the SentencePiece model."""
    import sentencepiece
    spm = random_checkpoint.installed_spm()
    if spm is None:
        sys.exit(
            'random_gguf: mistral-common is missing: it carries the SentencePiece vocabulary of '
            '32000 pieces'
        )
    p = sentencepiece.SentencePieceProcessor(model_proto=spm)
    kind = [
        2 if p.IsUnknown(i) else 3 if p.IsControl(i) else 6 if p.IsByte(i) else 1
        for i in range(p.vocab_size())
    ]
    rows = [(p.IdToPiece(i), p.GetScore(i), kind[i]) for i in range(p.vocab_size())]
    return rows + [(f'▁<FILL{i}>', -32000.0, 1) for i in range(len(rows), s['vocab'])]


def metadata(name, s, tokens):
    kv = s['kv']
    llama = [('context_length', UINT32, s['context']), ('embedding_length', UINT32, s['dim']),
             ('block_count', UINT32, s['layers']), ('feed_forward_length', UINT32, s['ffn']),
             ('attention.head_count', UINT32, s['heads']), ('attention.head_count_kv', UINT32, kv),
             ('attention.layer_norm_rms_epsilon', FLOAT, s['eps']),
             ('rope.dimension_count', UINT32, s['head_dim']), ('rope.freq_base', FLOAT, s['theta']),
             ('vocab_size', UINT32, s['vocab'])]
    t = 'tokenizer.ggml.'
    return ([
        entry('general.architecture', STRING, 'llama'),
        entry('general.name', STRING, name),
        entry('general.alignment', UINT32, ALIGNMENT)
    ] + [entry('llama.' + k, kind, x) for k, kind, x in llama] + [
        entry(t + 'model', STRING, 'llama'),
        array(t + 'tokens', STRING, [x[0] for x in tokens]),
        array(t + 'scores', FLOAT, [x[1] for x in tokens]),
        array(t + 'token_type', INT32, [x[2] for x in tokens]),
        entry(t + 'bos_token_id', UINT32, 1),
        entry(t + 'eos_token_id', UINT32, 2),
        entry(t + 'add_bos_token', BOOL, True),
        entry(t + 'add_eos_token', BOOL, False)
    ])


def write_blocks(f, rng, count, deviation, width):
    scale = np.float16(deviation / TYPES['q4_0' if width == 18 else 'q8_0'][2]).tobytes()
    for at in range(0, count, DRAW):
        n = min(DRAW, count - at)
        blocks = np.frombuffer(rng.bytes(n * width), np.uint8).reshape(n, width).copy()
        blocks[:, :2] = np.frombuffer(scale, np.uint8)
        blocks.tofile(f)


def write(name, out, kind, seed):
    s = random_checkpoint.SHAPES[name]
    number, width, _ = TYPES[kind]
    tensors = [(gguf_name(n), dims, deviation)
               for n, dims, deviation in random_checkpoint.tensors(s)]
    size = lambda dims, deviation: math.prod(dims) // BLOCK * width if deviation else 4 * math.prod(
        dims)
    head, offset, keys = [], 0, metadata(name, s, pieces(s))
    for n, dims, deviation in tensors:
        head.append(
            string(n) + struct.pack('<I', len(dims)) +
            b''.join(struct.pack('<Q', d) for d in reversed(dims)) +
            struct.pack('<IQ', number if deviation else F32, offset))
        offset += -(-size(dims, deviation) // ALIGNMENT) * ALIGNMENT
    with open(out, 'wb') as f:
        f.write(b'GGUF' + struct.pack('<IQQ', 3, len(tensors), len(keys)) + b''.join(keys) +
                b''.join(head))
        for i, (n, dims, deviation) in enumerate(tensors):
            f.write(b'\0' * (-f.tell() % ALIGNMENT))
            rng = np.random.Generator(np.random.SFC64([seed, i]))
            if deviation:
                write_blocks(f, rng, math.prod(dims) // BLOCK, deviation, width)
            else:
                random_checkpoint.gains(rng, dims[0]).astype(np.float32).tofile(f)
        f.write(b'\0' * (-f.tell() % ALIGNMENT))


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    shapes = [
        n for n, s in random_checkpoint.SHAPES.items() if s['tokenizer'] == 'spm'
        and s['vocab'] >= 32000 and s['dim'] >= 768 and not isinstance(s['kv'], list)
    ]
    p.add_argument('shape', choices=shapes)
    p.add_argument('out', type=pathlib.Path)
    p.add_argument('--type', choices=TYPES, default='q4_0')
    p.add_argument('--seed', type=int, default=1)
    a = p.parse_args()
    write(a.shape, a.out, a.type, a.seed)


if __name__ == '__main__':
    main()
