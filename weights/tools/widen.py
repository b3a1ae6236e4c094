#!/usr/bin/env python3
"""Widens a Llama model into a larger Llama shape without changing its function, and writes it as a
Hugging Face directory.

    widen.py SOURCE OUT --like codellama-7b widen.py SOURCE OUT --dim N --ffn N --layers N --heads N
    [--kv-heads N] --head-dim N [--dtype f16|bf16|f32] [--shards N]

SOURCE is a Hugging Face directory (Llama, Mistral or Qwen2) or a GGUF file of the llama
architecture with a byte-level BPE. The result costs what a model of its shape costs and writes what
the source writes: for measuring speculation where no large model is at hand.

- New residual dimensions are 0 everywhere. RMSNorm's mean then runs over more of them, so with n of
  N alive gains become g * sqrt(n / N) and eps becomes eps * n / N.
- A head of d dimensions becomes one of D = r * d. RoPE's pair i turns by theta^(-2 i / d), which is
  pair r * i of D; the rest of Q and K is 0. Q carries sqrt(D / d), because scores are divided by
  sqrt(D). V takes the first d dimensions.
- Query heads of a group share a key/value head as before, or each has a copy of it where the wide
  groups are smaller.
- New heads and feed-forward rows are 0. New layers stand behind the others; their O and DOWN are 0,
  so that they add nothing.
- A tied head is written out.

Live dimensions stand together at the front: a Hadamard rotation of the stream then repeats itself
rather than spread over all dimensions, so that quantization errors do not average away as they
would in a model that is mostly room. Matrices are stored as --dtype, gains and biases as float32;
float16 rounds a weight by up to 2^-11 of it. Blocks of zeros are left to the file system as holes.
Memory: one source matrix as float32, and some 50 MB."""
import argparse
import json
import math
import pathlib
import shutil
import struct
import sys

import numpy as np

import random_checkpoint
import tiny_tokenizers

BLOCK = 1 << 22  # elements written at a time
CARRIED = ('tokenizer.json', 'tokenizer.model', 'tekken.json', 'tokenizer_config.json',
           'generation_config.json', 'added_tokens.json', 'special_tokens_map.json',
           'chat_template.jinja')
FAMILIES = ('LlamaForCausalLM', 'MistralForCausalLM', 'Qwen2ForCausalLM')
PRE = {
    'smollm': 'smollm',
    'starcoder': 'smollm',
    'llama3': 'llama3',
    'llama-v3': 'llama3',
    'llama-bpe': 'llama3',
    'qwen2': 'qwen2'
}
SIZES = ('dim', 'ffn', 'layers', 'heads', 'kv_heads', 'head_dim')


class Refused(Exception):
    pass


# --------------------------------------------------------------------------------------------------
# sources
NAMES = {
    'embed': 'model.embed_tokens.weight',
    'final_norm': 'model.norm.weight',
    'head': 'lm_head.weight',
    'attn_norm': 'input_layernorm.weight',
    'ffn_norm': 'post_attention_layernorm.weight',
    'gate': 'mlp.gate_proj.weight',
    'up': 'mlp.up_proj.weight',
    'down': 'mlp.down_proj.weight',
    'o': 'self_attn.o_proj.weight',
    **{
        n: f'self_attn.{n}_proj.weight'
        for n in 'qkv'
    },
    **{
        'b' + n: f'self_attn.{n}_proj.bias'
        for n in 'qkv'
    }
}
GGUF_NAMES = {
    'embed': 'token_embd.weight',
    'final_norm': 'output_norm.weight',
    'head': 'output.weight',
    'attn_norm': 'attn_norm.weight',
    'ffn_norm': 'ffn_norm.weight',
    'gate': 'ffn_gate.weight',
    'up': 'ffn_up.weight',
    'down': 'ffn_down.weight',
    'o': 'attn_output.weight',
    **{
        n: f'attn_{n}.weight'
        for n in 'qkv'
    },
    **{
        'b' + n: f'attn_{n}.bias'
        for n in 'qkv'
    }
}


def full_name(role, layer):
    return NAMES[role] if layer is None else f'model.layers.{layer}.{NAMES[role]}'


class Directory:
    """config, sizes, has_bias; tensor(role, layer) -> float32; write_tokenizer(out)."""

    def __init__(self, path):
        self.path, file = path, path / 'config.json'
        if not file.exists():
            raise Refused(f'{path} has no config.json')
        self.config = c = json.loads(file.read_text())
        if c.get('architectures', [None])[0] not in FAMILIES:
            raise Refused(f'{file}: architectures is none of {", ".join(FAMILIES)}')
        if c.get('attention_bias') and c['architectures'][0] != 'Qwen2ForCausalLM' or c.get(
                'mlp_bias'):
            raise Refused(f'{file}: biases are carried for Qwen2 only')
        self.where = {}
        for part in sorted(path.glob('*.safetensors')):
            with open(part, 'rb') as f:
                n = struct.unpack('<Q', f.read(8))[0]
                header = json.loads(f.read(n))
            header.pop('__metadata__', None)
            self.where.update({name: (part, 8 + n, h) for name, h in header.items()})
        heads = c['num_attention_heads']
        self.sizes = dict(dim=c['hidden_size'],
                          ffn=c['intermediate_size'],
                          layers=c['num_hidden_layers'],
                          heads=heads,
                          kv_heads=c.get('num_key_value_heads') or heads,
                          head_dim=c.get('head_dim') or c['hidden_size'] // heads)
        self.vocab, self.tied = c['vocab_size'], bool(c.get('tie_word_embeddings'))
        self.has_bias = full_name('bq', 0) in self.where

    def tensor(self, role, layer=None):
        name = full_name(role, layer)
        if name not in self.where:
            raise Refused(f'{self.path}: tensor {name} is missing')
        part, base, h = self.where[name]
        kind = {'BF16': np.uint16, 'F16': np.float16, 'F32': np.float32}.get(h['dtype'])
        if kind is None:
            raise Refused(f'{part}: tensor {name} is {h["dtype"]}, not BF16, F16 or F32')
        raw = np.fromfile(part, kind, math.prod(h['shape']), offset=base + h['data_offsets'][0])
        return ((raw.astype(np.uint32) << 16).view(np.float32)
                if h['dtype'] == 'BF16' else raw.astype(np.float32)).reshape(h['shape'])

    def write_tokenizer(self, out):
        for name in CARRIED:
            if (self.path / name).exists():
                shutil.copyfile(self.path / name, out / name)


class Gguf:
    """The same over a GGUF file, whose Q and K rows go back from interleaved pairs to halves."""

    def __init__(self, path):
        try:
            from gguf import GGUFReader
        except ImportError as e:
            raise Refused(f'reading a GGUF file needs the gguf package ({e})') from e
        self.path = path
        try:
            self.reader = GGUFReader(path)
        except (ValueError, IndexError, KeyError) as e:
            raise Refused(f'{path} is no directory and no GGUF file ({e})') from e
        arch, self.tensors = self.get('general.architecture'), {
            t.name: t
            for t in self.reader.tensors
        }
        if arch != 'llama':
            raise Refused(f'{path}: architecture {arch} is not llama')
        g = lambda key, default=None: self.get('llama.' + key, default)  # noqa: E731
        if 'rope_freqs.weight' in self.tensors or g('rope.scaling.type',
                                                    'none') not in ('none', 'linear'):
            raise Refused(f'{path}: this RoPE scaling cannot be carried over')
        heads, dim = g('attention.head_count'), g('embedding_length')
        kv, ffn = g('attention.head_count_kv', heads), g('feed_forward_length')
        if not all(isinstance(n, int) for n in (heads, kv, ffn)):
            raise Refused(f'{path}: layers of different shapes are not supported')
        self.sizes = dict(dim=dim,
                          ffn=ffn,
                          layers=g('block_count'),
                          heads=heads,
                          kv_heads=kv,
                          head_dim=g('attention.key_length', dim // heads))
        if g('rope.dimension_count', self.sizes['head_dim']) != self.sizes['head_dim']:
            raise Refused(f'{path}: RoPE over a part of a head is not supported')
        self.vocab, self.tied = int(
            self.tensors['token_embd.weight'].shape[1]), 'output.weight' not in self.tensors
        self.has_bias = 'blk.0.attn_q.bias' in self.tensors
        if self.has_bias:
            raise Refused(f'{path}: biases in a GGUF file are not supported')
        scaling = {
            'type': 'linear',
            'factor': g('rope.scaling.factor')
        } if g('rope.scaling.type', 'none') == 'linear' else None
        self.config = {
            'architectures': ['LlamaForCausalLM'],
            'model_type': 'llama',
            'hidden_act': 'silu',
            'max_position_embeddings': g('context_length'),
            'rms_norm_eps': float(f'{g("attention.layer_norm_rms_epsilon"):.7g}'),
            'rope_theta': g('rope.freq_base', 1e4),
            'rope_scaling': scaling,
            'attention_bias': False,
            'bos_token_id': self.get('tokenizer.ggml.bos_token_id'),
            'eos_token_id': self.get('tokenizer.ggml.eos_token_id')
        }

    def get(self, key, default=None):
        return self.reader.fields[key].contents() if key in self.reader.fields else default

    def tensor(self, role, layer=None):
        from gguf import dequantize
        name = GGUF_NAMES[role] if layer is None else f'blk.{layer}.{GGUF_NAMES[role]}'
        if name not in self.tensors:
            raise Refused(f'{self.path}: tensor {name} is missing')
        t = self.tensors[name]
        w = np.ascontiguousarray(dequantize(t.data, t.tensor_type), np.float32)
        if role in ('q', 'k'):
            w = w.reshape(-1, self.sizes['head_dim'] // 2, 2,
                          w.shape[1]).swapaxes(1, 2).reshape(w.shape)
        return w

    def write_tokenizer(self, out):
        """tokenizer.json out of the GGUF's tokens and merges, with the pre-tokenizer its name
        stands for."""
        g = lambda key, default=None: self.get('tokenizer.ggml.' + key, default)  # noqa: E731
        pre, normal, control, user = g('pre'), 1, 3, 4
        if g('model') != 'gpt2' or pre not in PRE:
            raise Refused(
                f'{self.path}: tokenizer {g("model")} with pre-tokenizer {pre} is not written '
                f'here (gpt2 with {", ".join(PRE)} is)'
            )
        tokens, types, kind = g('tokens'), g('token_type'), PRE[pre]
        added = [
            tiny_tokenizers.added_token(i, t, types[i] == control) for i, t in enumerate(tokens)
            if types[i] in (control, user)
        ]
        vocab = {t: i for i, t in enumerate(tokens) if types[i] in (normal, control, user)}
        write_json(out / 'tokenizer.json',
                   tiny_tokenizers.bpe_document(kind, vocab, g('merges'), added))
        bos, eos = g('bos_token_id'), g('eos_token_id')
        ends = list(
            dict.fromkeys(i for i in (eos, g('eot_token_id'), g('eom_token_id')) if i is not None))
        config = {
            'tokenizer_class': 'PreTrainedTokenizerFast',
            'add_bos_token': bool(g('add_bos_token', kind == 'llama3')),
            'bos_token': None if bos is None else tokens[bos],
            'eos_token': None if eos is None else tokens[eos]
        }
        if self.get('tokenizer.chat_template'):
            config['chat_template'] = self.get('tokenizer.chat_template')
        write_json(out / 'tokenizer_config.json', config)
        write_json(out / 'generation_config.json', {
            'bos_token_id': bos,
            'eos_token_id': ends[0] if len(ends) == 1 else ends
        })


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding='utf-8')


# --------------------------------------------------------------------------------------------------
# placement
class Placement:
    """Where everything goes. Rows as `from_`: for every wide row its source row or -1. Columns as
    `to`: for every source column its wide one."""

    def __init__(self, n, w):
        """n, w: sizes narrow and wide."""
        for key in SIZES:
            if w[key] < n[key] and key != 'kv_heads':
                raise Refused(f'{key} of {w[key]} is less than the source\'s {n[key]}')
        if w['head_dim'] % n['head_dim'] or n['head_dim'] % 2:
            raise Refused(
                f'head_dim of {w["head_dim"]} is no multiple of the source\'s {n["head_dim"]}: '
                'RoPE\'s frequencies would not be there'
            )
        if w['kv_heads'] < 1 or w['heads'] % w['kv_heads']:
            raise Refused(f'{w["kv_heads"]} key/value heads do not divide {w["heads"]} heads')
        group, wide_group = n['heads'] // n['kv_heads'], w['heads'] // w['kv_heads']
        copies = -(-group // wide_group)
        if n['kv_heads'] * copies > w['kv_heads']:
            raise Refused(
                f'{n["kv_heads"]} groups of {group} heads need {n["kv_heads"] * copies} key/value '
                f'heads in groups of {wide_group}, '
                f'and {w["kv_heads"]} are asked for')
        self.n, self.w = n, w
        self.kv_of = [
            k // copies if k < n['kv_heads'] * copies else -1 for k in range(w['kv_heads'])
        ]
        self.head_to = [
            (h // group * copies + h % group // wide_group) * wide_group + h % group % wide_group
            for h in range(n['heads'])
        ]
        d, half, wide_half, r = n[
            'head_dim'], n['head_dim'] // 2, w['head_dim'] // 2, w['head_dim'] // n['head_dim']
        self.pairs = [r * i if i < half else wide_half + r * (i - half) for i in range(d)]

    def head_rows(self, wide_heads, inside):
        """wide_heads: for every wide head its source head or -1; inside: for every dimension of a
        head its wide one."""
        d, wide_d = self.n['head_dim'], self.w['head_dim']
        from_ = np.full(len(wide_heads) * wide_d, -1)
        for at, head in enumerate(wide_heads):
            if head >= 0:
                from_[at * wide_d + np.array(inside)] = head * d + np.arange(d)
        return from_

    def rows(self, role):
        n, w = self.n, self.w
        if role in ('q', 'bq'):
            heads = [-1] * w['heads']
            for h, at in enumerate(self.head_to):
                heads[at] = h
            return self.head_rows(heads, self.pairs)
        if role in ('k', 'bk'):
            return self.head_rows(self.kv_of, self.pairs)
        if role in ('v', 'bv'):
            return self.head_rows(self.kv_of, range(n['head_dim']))
        # O, DOWN and the norms end in the residual stream
        key = 'ffn' if role in ('gate', 'up') else 'dim'
        return np.where(np.arange(w[key]) < n[key], np.arange(w[key]), -1)

    def columns(self, role):
        if role == 'o':
            d = self.n['head_dim']
            return np.concatenate([at * self.w['head_dim'] + np.arange(d) for at in self.head_to])
        return np.arange(self.n['ffn' if role == 'down' else 'dim'])

    def shape(self, role, vocab):
        w = self.w
        if role in ('embed', 'head'):
            return vocab, w['dim']
        rows = len(self.rows(role))
        if role.startswith('b') or role.endswith('norm'):
            return (rows,)
        return rows, {'o': w['heads'] * w['head_dim'], 'down': w['ffn']}.get(role, w['dim'])

    def factor(self, role):
        if role.endswith('norm'):
            return math.sqrt(self.n['dim'] / self.w['dim'])
        return math.sqrt(self.w['head_dim'] / self.n['head_dim']) if role in ('q', 'bq') else 1.0


# --------------------------------------------------------------------------------------------------
# writing
def stored(x, dtype, name):
    if dtype == 'f16' and np.abs(x).max(initial=0) > 65504:
        raise Refused(f'{name} has a value beyond float16: use --dtype bf16 or f32')
    return random_checkpoint.stored(x, dtype)


def entries(p, source, dtype):
    """(name, role, layer, shape, dtype) of every tensor, in file order."""
    roles = ['attn_norm', 'q', 'k', 'v', 'o', 'ffn_norm', 'gate', 'up', 'down'
             ] + ['bq', 'bk', 'bv'] * source.has_bias
    for layer, role in [(None, 'embed')] + [(i, r) for i in range(p.w['layers'])
                                            for r in roles] + [(None, 'final_norm'),
                                                               (None, 'head')]:
        shape = p.shape(role, source.vocab)
        yield full_name(role, layer), role, layer, shape, 'f32' if len(shape) == 1 else dtype


def write_tensor(f, source, p, entry):
    name, role, layer, shape, dtype = entry
    start, width = f.tell(), random_checkpoint.DTYPES[dtype][1]
    if layer is None or layer < source.sizes['layers']:
        narrow = source.tensor('embed' if role == 'head' and source.tied else role,
                               layer) * np.float32(p.factor(role))
        from_ = np.arange(shape[0]) if role in ('embed', 'head') else p.rows(role)
        if len(shape) == 1:
            f.write(stored(np.where(from_ >= 0, narrow[from_], 0), dtype, name))
        else:
            columns, step = p.columns(role), max(1, BLOCK // shape[1])
            for at in range(0, shape[0], step):
                rows = from_[at:at + step]
                live = np.flatnonzero(rows >= 0)
                if len(live):
                    wide = np.zeros((len(rows), shape[1]), np.float32)
                    wide[live[:, None], columns] = narrow[rows[live]]
                    f.seek(start + at * shape[1] * width)
                    f.write(stored(wide, dtype, name))
    elif role.endswith('norm'):
        f.write(stored(np.ones(shape, np.float32), dtype, name))
    f.seek(start + math.prod(shape) * width)


def write_shard(path, part, source, p):
    header, offset = {'__metadata__': {'format': 'pt'}}, 0
    for name, _, _, shape, dtype in part:
        code, width = random_checkpoint.DTYPES[dtype]
        header[name] = {
            'dtype': code,
            'shape': list(shape),
            'data_offsets': [offset, offset + math.prod(shape) * width]
        }
        offset += math.prod(shape) * width
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as f:
        f.write(struct.pack('<Q', len(text)) + text)
        for entry in part:
            write_tensor(f, source, p, entry)
        f.truncate()


def write_weights(out, source, p, dtype, shards):
    every = list(entries(p, source, dtype))
    total, done, parts, where = sum(math.prod(e[3])
                                    for e in every), 0, [[] for _ in range(shards)], {}
    for e in every:
        parts[min(shards - 1, done * shards // total)].append(e)
        done += math.prod(e[3])
    parts = [part for part in parts if part]
    for i, part in enumerate(parts):
        name = 'model.safetensors' if len(
            parts) == 1 else f'model-{i + 1:05}-of-{len(parts):05}.safetensors'
        write_shard(out / name, part, source, p)
        where.update({e[0]: name for e in part})
    if len(parts) > 1:
        size = sum(math.prod(e[3]) * random_checkpoint.DTYPES[e[4]][1] for e in every)
        write_json(out / 'model.safetensors.index.json', {
            'metadata': {
                'total_size': size
            },
            'weight_map': where
        })
    return total


def widen(source, out, sizes, dtype='f16', shards=1):
    source, out = pathlib.Path(source), pathlib.Path(out)
    if not source.exists():
        raise Refused(f'{source} does not exist')
    if out.exists() and any(out.iterdir()):
        raise Refused(f'{out} is not empty')
    source = Directory(source) if source.is_dir() else Gguf(source)
    p = Placement(source.sizes, sizes)
    out.mkdir(parents=True, exist_ok=True)
    source.write_tokenizer(out)
    c, n, w = dict(source.config), source.sizes, sizes
    c.update(hidden_size=w['dim'],
             intermediate_size=w['ffn'],
             num_hidden_layers=w['layers'],
             num_attention_heads=w['heads'],
             num_key_value_heads=w['kv_heads'],
             head_dim=w['head_dim'],
             vocab_size=source.vocab,
             tie_word_embeddings=False,
             rms_norm_eps=c['rms_norm_eps'] * n['dim'] / w['dim'],
             torch_dtype={
                 'bf16': 'bfloat16',
                 'f16': 'float16',
                 'f32': 'float32'
             }[dtype])
    if c.get('layer_types'):
        c['layer_types'] = c['layer_types'] + ['full_attention'] * (w['layers'] - n['layers'])
    total = write_weights(out, source, p, dtype, shards)
    write_json(out / 'config.json', c)
    return total


def main():
    q = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    q.add_argument('source', type=pathlib.Path)
    q.add_argument('out', type=pathlib.Path)
    q.add_argument(
        '--like',
        choices=[k for k, s in random_checkpoint.SHAPES.items() if not isinstance(s['kv'], list)],
        metavar='SHAPE',
        help='a shape of random_checkpoint.py; single sizes may still be given')
    for key in SIZES:
        q.add_argument('--' + key.replace('_', '-'), type=int, metavar='N')
    q.add_argument('--dtype', choices=random_checkpoint.DTYPES, default='f16')
    q.add_argument('--shards', type=int, default=1, metavar='N')
    a = q.parse_args()
    sizes = dict(
        zip(
            SIZES,
            map(random_checkpoint.SHAPES[a.like].get,
                ('dim', 'ffn', 'layers', 'heads', 'kv', 'head_dim')))) if a.like else {}
    sizes.update({key: getattr(a, key) for key in SIZES if getattr(a, key) is not None})
    sizes.setdefault('kv_heads', sizes.get('heads'))
    missing = ['--' + key.replace('_', '-') for key in SIZES if sizes.get(key) is None]
    if missing:
        q.error('give --like, or ' + ', '.join(missing))
    if min(sizes.values()) < 1 or a.shards < 1:
        q.error('sizes and shards are 1 or more')
    try:
        total = widen(a.source, a.out, sizes, a.dtype, a.shards)
    except (Refused, OSError) as e:
        sys.exit(f'widen.py: {e}')
    print(json.dumps({'directory': str(a.out), 'parameters': total, **sizes}))


if __name__ == '__main__':
    main()
