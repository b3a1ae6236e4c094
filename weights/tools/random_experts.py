#!/usr/bin/env python3
"""Writes a random model of one of random_checkpoint.py's shapes with experts as a GGUF file of Q4_0
matrices, a quarter of the bytes that the checkpoint would have.

    random_experts.py SHAPE FILE.gguf [--layers N] [--seed N]

It has no tokenizer: its ids are numbers. Blocks come from a pool that is smaller than a large
tensor, so blocks repeat; their scales are set so that the weights have the deviations of
random_checkpoint.py. Needs numpy and gguf."""
import argparse
import json
import pathlib
import re

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter

import random_checkpoint

Q4_0 = np.dtype([('scale', '<f2'), ('nibbles', 'u1', 16)])  # of 32 weights (n - 8) * scale
UNIT = np.sqrt(np.mean((np.arange(16) - 8.0)**2))  # the deviation of uniform nibbles at scale 1
POOL = 1 << 21  # blocks
NAMES = {
    'model.embed_tokens': 'token_embd', 'model.norm': 'output_norm', 'lm_head': 'output',
    'input_layernorm': 'attn_norm', 'post_attention_layernorm': 'ffn_norm',
    'self_attn.q_proj': 'attn_q', 'self_attn.k_proj': 'attn_k', 'self_attn.v_proj': 'attn_v',
    'self_attn.o_proj': 'attn_output', 'self_attn.q_norm': 'attn_q_norm',
    'self_attn.k_norm': 'attn_k_norm', 'mlp.gate': 'ffn_gate_inp',
    'mlp.experts.gate_proj': 'ffn_gate_exps', 'mlp.experts.up_proj': 'ffn_up_exps',
    'mlp.experts.down_proj': 'ffn_down_exps'
}


def named(shape):
    """Yields (name, shape, deviation) as llama.cpp's converter names tensors: those of a layer's
    experts are one."""
    for name, size, deviation in random_checkpoint.tensors(shape):
        expert = re.search(r'experts\.(\d+)\.', name)
        if expert and int(expert[1]):
            continue
        if expert:
            name, size = name.replace(expert[0], 'experts.'), (shape['experts'], *size)
        layer = re.match(r'model\.layers\.(\d+)\.', name)
        role = name.removeprefix(layer[0] if layer else '').removesuffix('.weight')
        yield (f'blk.{layer[1]}.' if layer else '') + NAMES[role] + '.weight', size, deviation


def write_keys(w, s):
    w.add_context_length(s['context'])
    w.add_embedding_length(s['dim'])
    w.add_block_count(s['layers'])
    w.add_feed_forward_length(s['ffn'])
    w.add_expert_feed_forward_length(s['ffn'])
    w.add_expert_count(s['experts'])
    w.add_expert_used_count(s['active'])
    w.add_head_count(s['heads'])
    w.add_head_count_kv(s['kv'])
    w.add_key_length(s['head_dim'])
    w.add_value_length(s['head_dim'])
    w.add_rope_freq_base(s['theta'])
    w.add_layer_norm_rms_eps(s['eps'])


def values(rng, pool, size, deviation):
    """Yields pieces of a tensor: gains and routers as float32, other matrices in Q4_0."""
    count = int(np.prod(size))
    if not is_coded(size):
        yield (rng.standard_normal(count, np.float32) * np.float32(deviation) if deviation else
               rng.uniform(0.5, 1.5, count).astype(np.float32))
        return
    pool['scale'] = rng.uniform(0.8, 1.2, POOL) * deviation / UNIT
    for at in range(0, count // 32, POOL):
        yield pool[:min(POOL, count // 32 - at)]


def is_coded(size):
    return len(size) > 1 and np.prod(size) >= 1 << 19


def write(path, s, seed):
    rng = np.random.default_rng(seed)
    pool = np.empty(POOL, Q4_0)
    pool['nibbles'] = rng.integers(0, 256, (POOL, 16), np.uint8)
    w = GGUFWriter(path, 'qwen3moe')
    write_keys(w, s)
    all_of = list(named(s))
    for name, size, _ in all_of:
        if is_coded(size):
            count = int(np.prod(size)) // 32 * Q4_0.itemsize
            row = (*size[:-1], size[-1] // 32 * Q4_0.itemsize)
            w.add_tensor_info(name, row, np.dtype(np.uint8), count, GGMLQuantizationType.Q4_0)
        else:
            w.add_tensor_info(name, size, np.dtype(np.float32), 4 * int(np.prod(size)))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_ti_data_to_file()
    out = w.fout[0]
    for _, size, deviation in all_of:
        w.write_padding(out, out.tell())
        for piece in values(rng, pool, size, deviation):
            out.write(piece.tobytes())
    w.write_padding(out, out.tell())
    w.close()


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('shape', choices=[
        n for n, s in random_checkpoint.SHAPES.items() if s['model_type'] == 'qwen3_moe'
    ])
    p.add_argument('file', type=pathlib.Path)
    p.add_argument('--layers', type=int, help='only the first N')
    p.add_argument('--seed', type=int, default=1)
    a = p.parse_args()
    s = dict(random_checkpoint.SHAPES[a.shape])
    s['layers'] = min(a.layers or s['layers'], s['layers'])
    write(a.file, s, a.seed)
    print(json.dumps({
        'shape': a.shape,
        'file': str(a.file),
        'parameters': sum(int(np.prod(size)) for _, size, _ in named(s))
    }))


if __name__ == '__main__':
    main()
