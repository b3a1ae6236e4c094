#!/usr/bin/env python3
"""Writes a Hugging Face directory with seeded random weights in the shape of a named model.

    random_checkpoint.py SHAPE DIRECTORY [--seed N] [--layers N] [--spm tokenizer.model]
    random_checkpoint.py --list

Tiny shapes carry one quirk each and make their own tokenizer; full-size ones use the SentencePiece
model of mistral-common where that package is installed. Memory stays at a few MB: tensors are
written in blocks. Activations look like a real model's: gains near 1 with a few outlier channels,
residual parts of similar size, attention that is neither flat nor one-hot, logits a few units
wide."""
import argparse
import json
import math
import pathlib
import statistics
import struct
import sys
import zlib

import numpy as np

import tiny_tokenizers as tok

BLOCK = 1 << 22  # elements written at a time
DTYPES = {'bf16': ('BF16', 2), 'f16': ('F16', 2), 'f32': ('F32', 4)}


def shape(dim,
          ffn,
          layers,
          heads,
          kv,
          head_dim,
          vocab=0,
          arch='LlamaForCausalLM',
          model_type='llama',
          theta=1e4,
          eps=1e-5,
          context=2048,
          tied=False,
          bias=False,
          dtype='bf16',
          shards=1,
          tokenizer='spm',
          config=None,
          padding=0,
          experts=0,
          active=0,
          sparse=False):
    return dict(locals())


TINY_BPE = 309  # pieces of the tokenizer that is made here


def gpt_oss(experts, active, window, original):
    return {
        'num_local_experts': experts,
        'num_experts_per_tok': active,
        'sliding_window': window,
        'swiglu_limit': 7.0,
        'attention_bias': True,
        'rope_scaling': {
            'rope_type': 'yarn',
            'factor': 32.0,
            'beta_fast': 32.0,
            'beta_slow': 1.0,
            'original_max_position_embeddings': original,
            'truncate': False
        },
        'quantization_config': {
            'quant_method': 'mxfp4'
        }
    }


DECI = [4] + [2] * 9 + [1] * 20 + [4] * 2  # DeciLM-6b's KV heads by layer
SHAPES = {
    # quirk of each: MHA, ffn no multiple of 64 (nor of 16), three shards of float16
    'tiny-llama2':
    shape(128, 344, 3, 4, 4, 32, vocab=400, dtype='f16', shards=3),
    # 32016 rows, infill tokens, theta 1e6
    'tiny-codellama':
    shape(128, 256, 2, 2, 2, 64, vocab=32016, theta=1e6, context=16384),
    # a list of KV heads with a misleading number beside it, dynamic NTK
    'tiny-decilm':
    shape(192,
          320,
          5,
          6, [2, 1, 1, 6, 3],
          32,
          vocab=400,
          arch='DeciLMForCausalLM',
          model_type='deci',
          context=4096,
          config={
              'num_key_value_heads': 6,
              'rope_scaling': {
                  'type': 'dynamic',
                  'factor': 2.0
              }
          }),
    # head_dim 128 although dim / heads = 160
    'tiny-mistral':
    shape(1280,
          640,
          2,
          8,
          2,
          128,
          arch='MistralForCausalLM',
          model_type='mistral',
          theta=1e8,
          context=32768,
          tokenizer='llama3',
          config={'sliding_window': None}),
    # biases of Q, K and V, tied embeddings, eps 1e-6, rows behind the tokenizer's last id
    'tiny-qwen2':
    shape(192,
          448,
          3,
          6,
          2,
          32,
          arch='Qwen2ForCausalLM',
          model_type='qwen2',
          theta=1e6,
          eps=1e-6,
          context=32768,
          tied=True,
          bias=True,
          tokenizer='qwen2',
          padding=11,
          config={
              'use_sliding_window': False,
              'sliding_window': 32768,
              'max_window_layers': 3
          }),
    # Llama-3 RoPE scaling over a short original context, several end tokens, float32
    'tiny-llama3':
    shape(256,
          512,
          2,
          4,
          2,
          64,
          theta=5e5,
          context=1024,
          dtype='f32',
          tokenizer='llama3',
          config={
              'rope_scaling': {
                  'rope_type': 'llama3',
                  'factor': 8.0,
                  'low_freq_factor': 1.0,
                  'high_freq_factor': 4.0,
                  'original_max_position_embeddings': 128
              }
          }),
    # linear RoPE scaling
    'tiny-linear':
    shape(128,
          192,
          2,
          4,
          2,
          32,
          theta=1e5,
          context=4096,
          dtype='f16',
          tokenizer='smollm',
          config={'rope_scaling': {
              'type': 'linear',
              'factor': 4.0
          }}),
    # tied embeddings, SmolLM2's proportions
    'tiny-tied':
    shape(192, 512, 4, 3, 1, 64, theta=1e5, context=8192, tied=True, tokenizer='smollm'),
    # nothing a power of two: dim 5 * 32, head_dim 5 * 16, ffn 100
    'tiny-odd':
    shape(160, 100, 2, 2, 1, 80, vocab=400, dtype='f32'),
    # open_llama_3b's head of 100, which the packer fills up to 112
    'tiny-head-100':
    shape(200, 320, 2, 2, 2, 100, vocab=400, dtype='f16'),
    # a head of 20 with biases, one KV head, one layer
    'tiny-head-20':
    shape(140,
          108,
          1,
          7,
          1,
          20,
          arch='Qwen2ForCausalLM',
          model_type='qwen2',
          theta=1e6,
          bias=True,
          tokenizer='qwen2',
          config={'use_sliding_window': False}),
    # experts, two of five, alone in their tensors
    'tiny-mixtral':
    shape(128,
          192,
          3,
          4,
          2,
          32,
          vocab=400,
          arch='MixtralForCausalLM',
          model_type='mixtral',
          theta=1e6,
          experts=5,
          active=2,
          config={
              'num_local_experts': 5,
              'num_experts_per_tok': 2,
              'sliding_window': None
          }),
    # two of four inputs of every row of a layer's matrices are 0; heads are filled up
    'tiny-sparse':
    shape(192, 344, 2, 4, 2, 40, vocab=400, sparse=True),
    # experts of 4-bit floats in tensors of all, sinks, windows by turns, a clamped activation
    'tiny-gpt-oss':
    shape(128,
          192,
          4,
          4,
          2,
          48,
          arch='GptOssForCausalLM',
          model_type='gpt_oss',
          theta=150000.0,
          bias=True,
          tokenizer='qwen2',
          experts=6,
          active=2,
          config=gpt_oss(6, 2, 20, 64)),
    'gpt-oss-20b':
    shape(2880,
          2880,
          24,
          64,
          8,
          64,
          arch='GptOssForCausalLM',
          model_type='gpt_oss',
          theta=150000.0,
          context=131072,
          bias=True,
          shards=3,
          tokenizer='qwen2',
          padding=201088 - TINY_BPE,
          experts=32,
          active=4,
          config=gpt_oss(32, 4, 128, 4096)),
    'qwen3-coder-30b-a3b':
    shape(2048,
          768,
          48,
          32,
          4,
          128,
          vocab=151936,
          arch='Qwen3MoeForCausalLM',
          model_type='qwen3_moe',
          theta=1e7,
          eps=1e-6,
          context=262144,
          experts=128,
          active=8),
    'amd-llama-135m':
    shape(768, 2048, 12, 12, 12, 64, vocab=32000),
    'codellama-7b':
    shape(4096, 11008, 32, 32, 32, 128, vocab=32016, theta=1e6, context=16384, shards=2),
    'decilm-6b':
    shape(4096,
          11008,
          32,
          32,
          DECI,
          128,
          vocab=32000,
          arch='DeciLMForCausalLM',
          model_type='deci',
          context=4096,
          shards=2,
          config={
              'num_key_value_heads': 32,
              'rope_scaling': {
                  'type': 'dynamic',
                  'factor': 2.0
              }
          }),
}


def coded_experts(s, m, size):
    """gpt-oss's: 4-bit floats with their scales, gate and up by turns, and biases."""
    experts, dim, ffn = s['experts'], s['dim'], s['ffn']
    yield m + 'router.weight', (experts, dim), 2 / math.sqrt(dim)
    yield m + 'router.bias', (experts,), 0.5
    for name, rows, cols, deviation in (('gate_up', 2 * ffn, dim, 1.2 / math.sqrt(dim)),
                                        ('down', dim, ffn, size / math.sqrt(ffn))):
        tensor = f'{m}experts.{name}_proj'
        yield tensor + '_blocks', (experts, rows, cols // 32, 16), deviation
        yield tensor + '_scales', (experts, rows, cols // 32), deviation
        yield tensor + '_bias', (experts, rows), 0.5 if name == 'gate_up' else size


def feed_forward(s, p, size):
    """The tensors of a layer's feed-forward part: one, or as many as there are experts, named as
    Mixtral's or as Qwen's. Routers prefer some experts, as trained ones do."""
    dim, mixtral = s['dim'], s['model_type'] == 'mixtral'
    m = p + ('block_sparse_moe.' if mixtral else 'mlp.')
    if s['model_type'] == 'gpt_oss':
        yield from coded_experts(s, m, size)
        return
    names = ('w1', 'w3', 'w2') if mixtral else ('gate_proj', 'up_proj', 'down_proj')
    if s['experts']:
        yield m + 'gate.weight', (s['experts'], dim), 2 / math.sqrt(dim)
    for e in range(s['experts'] or 1):
        to = f'{m}experts.{e}.' if s['experts'] else m
        yield f'{to}{names[0]}.weight', (s['ffn'], dim), 1.4 / math.sqrt(dim)
        yield f'{to}{names[1]}.weight', (s['ffn'], dim), 1 / math.sqrt(dim)
        yield f'{to}{names[2]}.weight', (dim, s['ffn']), 2 * size / math.sqrt(s['ffn'])


def tensors(s):
    """Yields (name, shape, standard deviation); 0 for gains."""
    dim, q, part = s['dim'], s['heads'] * s['head_dim'], 1 / math.sqrt(2 * s['layers'])
    # logits about 2.5 wide; the residual stream starts at the same size
    width = 2.5 / math.sqrt(dim)
    part *= 3 if s['tied'] else 1  # or a tied head would only repeat the token it was given
    yield 'model.embed_tokens.weight', (s['vocab'], dim), width
    for i in range(s['layers']):
        kv = (s['kv'][i] if isinstance(s['kv'], list) else s['kv']) * s['head_dim']
        p, a, m = f'model.layers.{i}.', f'model.layers.{i}.self_attn.', f'model.layers.{i}.mlp.'
        yield p + 'input_layernorm.weight', (dim,), 0
        for n, rows, scale in (('q', q, 1.4), ('k', kv, 1.4), ('v', kv, 1.0)):
            yield a + n + '_proj.weight', (rows, dim), scale / math.sqrt(dim)
            if s['bias']:
                yield a + n + '_proj.bias', (rows,), 2.0 if n == 'k' else 0.5
        if s['model_type'] == 'qwen3_moe':
            yield a + 'q_norm.weight', (s['head_dim'],), 0
            yield a + 'k_norm.weight', (s['head_dim'],), 0
        # attention averages: v is about a third when it arrives
        yield a + 'o_proj.weight', (dim, q), 3 * width * part / math.sqrt(q)
        if s['model_type'] == 'gpt_oss':
            yield a + 'o_proj.bias', (dim,), width * part
            yield a + 'sinks', (s['heads'],), 1.0
        yield p + 'post_attention_layernorm.weight', (dim,), 0
        yield from feed_forward(s, p, width * part)
    yield 'model.norm.weight', (dim,), 0
    if not s['tied']:
        yield 'lm_head.weight', (s['vocab'], dim), width


def stored(x, dtype):
    """float array -> bit patterns of dtype, rounded half to even."""
    x = np.asarray(x, np.float32)
    if dtype == 'bf16':
        u = x.view(np.uint32)
        return ((u + 0x7fff + (u >> 16 & 1)) >> 16).astype(np.uint16)
    return x.astype(np.float16).view(np.uint16) if dtype == 'f16' else x.view(np.uint32)


class Normal:
    """Normal deviates as a lookup of 16 random bits among the 65536 quantiles: as fast as memory,
    and exact moments."""

    def __init__(self):
        inv = statistics.NormalDist().inv_cdf
        self.quantiles = np.array([inv((i + 0.5) / 65536) for i in range(65536)], np.float64)

    def write(self, file, rng, count, deviation, dtype):
        table = stored(self.quantiles * deviation, dtype)
        for at in range(0, count, BLOCK):
            n = min(BLOCK, count - at)
            table[np.frombuffer(rng.bytes(2 * n), np.uint16)].tofile(file)


class Coded:
    """Normal deviates as codes of 4-bit floats, whose largest in a block of 32 is mostly 4 or 6
    times the scale."""

    def __init__(self, normal):
        grid = np.array([0, .5, 1, 1.5, 2, 3, 4, 6])
        z = 2 * normal.quantiles[128::256]
        near = np.abs(np.abs(z)[:, None] - grid).argmin(axis=1)
        half = (near | (z < 0) << 3).astype(np.uint8)
        self.codes = (half[:, None] | half[None, :] << 4).reshape(-1)

    def blocks(self, file, rng, count):
        for at in range(0, count, BLOCK):
            n = min(BLOCK, count - at)
            self.codes[np.frombuffer(rng.bytes(2 * n), np.uint16)].tofile(file)

    def scales(self, file, rng, count, deviation):
        middle = round(math.log2(deviation / 2)) + 127
        for at in range(0, count, BLOCK):
            n = min(BLOCK, count - at)
            (middle + rng.integers(-1, 2, n)).astype(np.uint8).tofile(file)


def stored_as(name, dtype):
    """A tensor's type in the file and the bytes of an element."""
    return ('U8', 1) if name.endswith(('_blocks', '_scales')) else DTYPES[dtype]


def gains(rng, dim):
    g = 1 + 0.15 * rng.standard_normal(dim)
    # outlier channels, as trained models have
    g[rng.choice(dim, max(1, dim // 200), replace=False)] *= 6
    return g


def prune(file, at, dims, dtype, rng):
    """Sets two random ones of every four values of a row to 0, in what was written from `at` on."""
    width = DTYPES[dtype][1]
    values = np.fromfile(file.name, f'u{width}', math.prod(dims), offset=at).reshape(dims)
    rank = rng.random((dims[0], dims[1] // 4, 4)).argsort(axis=2).reshape(dims)
    file.seek(at)
    np.where(rank < 2, values, 0).astype(values.dtype).tofile(file)


def write_shard(path, entries, seed, dtype, normal, sparse=False):
    header, offset, coded = {'__metadata__': {'format': 'pt'}}, 0, Coded(normal)
    for name, dims, _ in entries:
        code, width = stored_as(name, dtype)
        size = math.prod(dims) * width
        header[name] = {'dtype': code, 'shape': list(dims), 'data_offsets': [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as f:
        f.write(struct.pack('<Q', len(text)) + text)
        for name, dims, deviation in entries:
            rng = np.random.Generator(np.random.SFC64([seed, zlib.crc32(name.encode())]))
            if name.endswith('_blocks'):
                coded.blocks(f, rng, math.prod(dims))
            elif name.endswith('_scales'):
                coded.scales(f, rng, math.prod(dims), deviation)
            elif deviation:
                at = f.tell()
                normal.write(f, rng, math.prod(dims), deviation, dtype)
                if sparse and '_proj.weight' in name:
                    f.flush()
                    prune(f, at, dims, dtype, rng)
            else:
                stored(gains(rng, dims[0]), dtype).tofile(f)
    return offset


def write_weights(out, s, seed):
    """Entries are dealt to the shards by size, in order."""
    entries, shards = list(tensors(s)), [[] for _ in range(s['shards'])]
    sizes = [math.prod(dims) * stored_as(name, s['dtype'])[1] for name, dims, _ in entries]
    total, done = sum(sizes), 0
    for e, size in zip(entries, sizes):
        shards[min(len(shards) - 1, done * len(shards) // total)].append(e)
        done += size
    normal, where = Normal(), {}
    for i, part in enumerate(shards):
        name = 'model.safetensors' if len(
            shards) == 1 else f'model-{i + 1:05}-of-{len(shards):05}.safetensors'
        write_shard(out / name, part, seed, s['dtype'], normal, s['sparse'])
        where.update({n: name for n, _, _ in part})
    if len(shards) > 1:
        index = {'metadata': {'total_size': total}, 'weight_map': where}
        (out / 'model.safetensors.index.json').write_text(json.dumps(index, indent=1))
    return sum(math.prod(dims) * (2 if name.endswith('_blocks') else 1)
               for name, dims, _ in entries if not name.endswith('_scales'))


def installed_spm():
    try:
        import importlib.util
        found = importlib.util.find_spec('mistral_common')
        path = pathlib.Path(found.origin).parent / 'data' / 'tokenizer.model.v1'
        return path.read_bytes() if path.exists() else None
    except (ImportError, AttributeError):
        return None


def write_tokenizer(out, s, spm):
    """Returns (rows of the embedding, bos, end tokens)."""
    if s['tokenizer'] == 'spm':
        infill = s['vocab'] == 32016
        base = s['vocab'] - 16 * infill
        model = spm or (installed_spm() if s['dim'] >= 768 else None) or tok.spm_model(base)
        (out / 'tokenizer.model').write_bytes(model + (tok.spm_infill(base) if infill else b''))
        config = {
            'tokenizer_class': 'CodeLlamaTokenizer' if infill else 'LlamaTokenizer',
            'add_bos_token': True,
            'add_eos_token': False,
            'bos_token': '<s>',
            'eos_token': '</s>',
            'unk_token': '<unk>'
        }
        if infill:
            config.update(prefix_token='▁<PRE>',
                          suffix_token='▁<SUF>',
                          middle_token='▁<MID>',
                          eot_token='▁<EOT>')
        rows, bos, ends = s['vocab'], 1, [2]
    else:
        specials = {
            'llama3': ['<|begin_of_text|>', '<|end_of_text|>', '<|eot_id|>'],
            'qwen2': ['<|endoftext|>', '<|im_start|>', '<|im_end|>']
        }.get(s['tokenizer'], ['<|endoftext|>', '<|im_start|>', '<|im_end|>'])
        text, count = tok.bpe_json(s['tokenizer'], specials)
        (out / 'tokenizer.json').write_text(text, encoding='utf-8')
        first, llama3 = count - len(specials), s['tokenizer'] == 'llama3'
        bos, ends = first, [first + 1, first + 2] if llama3 else [first + 2]
        config = {
            'tokenizer_class': 'PreTrainedTokenizerFast',
            'add_bos_token': llama3,
            'bos_token': specials[0] if s['tokenizer'] != 'qwen2' else None,
            'eos_token': specials[ends[0] - first]
        }
        rows = count + s['padding']
    (out / 'tokenizer_config.json').write_text(json.dumps(config, indent=1, ensure_ascii=False))
    return rows, bos, ends


def write_config(out, s, bos, ends):
    eos = ends[0] if len(ends) == 1 else ends
    c = {
        'architectures': [s['arch']],
        'model_type': s['model_type'],
        'hidden_size': s['dim'],
        'intermediate_size': s['ffn'],
        'num_hidden_layers': s['layers'],
        'num_attention_heads': s['heads'],
        'vocab_size': s['vocab'],
        'max_position_embeddings': s['context'],
        'rms_norm_eps': s['eps'],
        'rope_theta': s['theta'],
        'rope_scaling': None,
        'hidden_act': 'silu',
        'tie_word_embeddings': s['tied'],
        'bos_token_id': bos,
        'eos_token_id': eos,
        'torch_dtype': {
            'bf16': 'bfloat16',
            'f16': 'float16',
            'f32': 'float32'
        }[s['dtype']]
    }
    if s['arch'] == 'LlamaForCausalLM':
        c['attention_bias'] = False
    if isinstance(s['kv'], list):
        c['num_key_value_heads_per_layer'] = s['kv']
    else:
        c['num_key_value_heads'] = s['kv']
    if s['head_dim'] * s['heads'] != s['dim']:
        c['head_dim'] = s['head_dim']
    c.update(s['config'] or {})
    (out / 'config.json').write_text(json.dumps(c, indent=1))
    (out / 'generation_config.json').write_text(
        json.dumps({
            'bos_token_id': bos,
            'eos_token_id': eos
        }))


def write_checkpoint(name, out, seed=1, spm=None, layers=None):
    s, out = dict(SHAPES[name]), pathlib.Path(out)
    s['layers'] = min(layers or s['layers'], s['layers'])
    s['kv'] = s['kv'][:s['layers']] if isinstance(s['kv'], list) else s['kv']
    out.mkdir(parents=True, exist_ok=True)
    s['vocab'], bos, ends = write_tokenizer(out, s, spm)
    write_config(out, s, bos, ends)
    return write_weights(out, s, seed)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('shape', nargs='?', choices=SHAPES)
    p.add_argument('directory', nargs='?')
    p.add_argument('--seed', type=int, default=1)
    p.add_argument('--layers', type=int, help='only the first N')
    p.add_argument('--spm', type=pathlib.Path, help='SentencePiece model to use, of 32000 pieces')
    p.add_argument('--list', action='store_true')
    a = p.parse_args()
    if a.list or not a.directory:
        print('\n'.join(SHAPES))
        sys.exit(0 if a.list else 2)
    total = write_checkpoint(a.shape, a.directory, a.seed, a.spm and a.spm.read_bytes(), a.layers)
    print(json.dumps({'shape': a.shape, 'directory': a.directory, 'parameters': total}))


if __name__ == '__main__':
    main()
