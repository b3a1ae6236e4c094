#!/usr/bin/env python3
"""The model as its authors meant it: a float32 forward pass over the ORIGINAL weights of a Hugging
Face directory or a GGUF file.

    float_reference.py MODEL --ids 1,2,3 | --ids-file IDS.txt  -o OUT.f32 [--window N]

OUT is float32 [positions][vocab]. With --window the ids are cut into independent windows, position
0 each. numpy only; GGUF needs the `gguf` package, whose block formats are the dequantisation that
counts."""
import argparse
import json
import math
import pathlib
import struct

import numpy as np

f32 = np.float32


# --------------------------------------------------------------------------------------------------
# safetensors
class SafeTensors:
    """name -> float32 array, over one file or the shards of a directory; nothing is read before it
    is asked for."""

    def __init__(self, directory):
        self.where = {}
        for path in sorted(pathlib.Path(directory).glob('*.safetensors')):
            with open(path, 'rb') as f:
                n = struct.unpack('<Q', f.read(8))[0]
                header = json.loads(f.read(n))
            header.pop('__metadata__', None)
            self.where.update({name: (path, 8 + n, h) for name, h in header.items()})

    def __contains__(self, name):
        return name in self.where

    def __getitem__(self, name):
        path, base, h = self.where[name]
        kind = {'BF16': np.uint16, 'F16': np.float16, 'F32': f32}[h['dtype']]
        raw = np.fromfile(path, kind, math.prod(h['shape']), offset=base + h['data_offsets'][0])
        if h['dtype'] == 'BF16':
            raw = (raw.astype(np.uint32) << 16).view(f32)
        return raw.astype(f32).reshape(h['shape'])


# --------------------------------------------------------------------------------------------------
# model
class Layer:
    pass


class Model:
    """layers[i]: attn_norm, q, k, v, o, ffn_norm, gate, up, down as [out][in]; bq, bk, bv or None;
    heads, kv. frequency: [head_dim / 2]."""

    def linear(self, x, w):
        return x @ w.T

    def rope(self, x, cos, sin):
        """x [n][heads][head_dim], rotated by position. Pairs are (i, i + half), or (2i, 2i + 1)
        where the file interleaves them."""
        half = self.head_dim // 2
        y = np.empty_like(x)
        a, b = (slice(0, None, 2), slice(1, None, 2)) if self.interleaved else (slice(0, half),
                                                                                slice(half, None))
        y[..., a] = x[..., a] * cos - x[..., b] * sin
        y[..., b] = x[..., b] * cos + x[..., a] * sin
        return y

    def norm(self, x, gain):
        return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + f32(self.eps)) * gain

    def attention(self, q, k, v):
        n, heads, _ = q.shape
        group, mask = heads // k.shape[1], np.triu(np.full((n, n), -np.inf, f32), 1)
        out = np.empty_like(q)
        for h in range(heads):
            s = q[:, h] @ k[:, h // group].T * f32(1 / math.sqrt(self.head_dim)) + mask
            s = np.exp(s - s.max(axis=1, keepdims=True))
            out[:, h] = s / s.sum(axis=1, keepdims=True) @ v[:, h // group]
        return out

    def logits(self, ids):
        """float32 [positions][vocab] of one window."""
        ids = np.asarray(ids)
        n, d = len(ids), self.head_dim
        angle = np.arange(n)[:, None] * self.frequency[None, :]
        cos, sin = np.cos(angle).astype(f32)[:, None], np.sin(angle).astype(f32)[:, None]
        x = self.embedding[ids]
        for y in self.layers:
            h = self.norm(x, y.attn_norm)
            q, k, v = (self.linear(h, w) + (b if b is not None else f32(0))
                       for w, b in ((y.q, y.bq), (y.k, y.bk), (y.v, y.bv)))
            q, k = self.rope(q.reshape(n, -1, d), cos,
                             sin), self.rope(k.reshape(n, -1, d), cos, sin)
            x = x + self.linear(self.attention(q, k, v.reshape(n, -1, d)).reshape(n, -1), y.o)
            h = self.norm(x, y.ffn_norm)
            gate = self.linear(h, y.gate)
            x = x + self.linear(gate / (1 + np.exp(-gate)) * self.linear(h, y.up), y.down)
        return self.linear(self.norm(x, self.out_norm), self.head)

    def windows(self, ids, window):
        return np.concatenate([self.logits(ids[i:i + window]) for i in range(0, len(ids), window)])


def frequencies(head_dim, theta, scaling):
    """Of a Hugging Face rope_scaling record. Dynamic NTK changes nothing up to the trained length,
    and nothing beyond it is run."""
    f = theta ** (-np.arange(0, head_dim, 2) / head_dim)
    kind = (scaling or {}).get('rope_type', (scaling or {}).get('type', 'default'))
    if kind == 'linear':
        return f / scaling['factor']
    if kind == 'llama3':
        low, high = scaling['low_freq_factor'], scaling['high_freq_factor']
        turns = scaling['original_max_position_embeddings'] * f / (2 * math.pi)
        smooth = np.clip((turns - low) / (high - low), 0, 1)
        return f * smooth + f / scaling['factor'] * (1 - smooth)
    assert kind in ('default', 'dynamic'), kind
    return f


def load_directory(path):
    path = pathlib.Path(path)
    c, t, m = json.loads((path / 'config.json').read_text()), SafeTensors(path), Model()
    m.head_dim = c.get('head_dim') or c['hidden_size'] // c['num_attention_heads']
    m.eps, m.interleaved = c['rms_norm_eps'], False
    m.frequency = frequencies(m.head_dim, c.get('rope_theta', 1e4), c.get('rope_scaling'))
    m.embedding, m.out_norm = t['model.embed_tokens.weight'], t['model.norm.weight']
    m.head = m.embedding if c.get('tie_word_embeddings') else t['lm_head.weight']
    m.layers = []
    for i in range(c['num_hidden_layers']):
        y, p = Layer(), f'model.layers.{i}.'
        for name, key in dict(attn_norm='input_layernorm',
                              ffn_norm='post_attention_layernorm',
                              q='self_attn.q_proj',
                              k='self_attn.k_proj',
                              v='self_attn.v_proj',
                              o='self_attn.o_proj',
                              gate='mlp.gate_proj',
                              up='mlp.up_proj',
                              down='mlp.down_proj').items():
            setattr(y, name, t[p + key + '.weight'])
        for n in 'qkv':
            key = f'{p}self_attn.{n}_proj.bias'
            setattr(y, 'b' + n, t[key] if key in t else None)
        m.layers.append(y)
    return m


def load_gguf(path):
    from gguf import GGUFReader, dequantize
    r, m = GGUFReader(path), Model()
    # noqa: E731
    get = lambda key, default=None: r.fields[key].contents() if key in r.fields else default
    arch = get('general.architecture')
    at = {t.name: t for t in r.tensors}

    def tensor(name):
        return np.ascontiguousarray(dequantize(at[name].data, at[name].tensor_type),
                                    f32) if name in at else None

    heads = get(arch + '.attention.head_count')
    m.head_dim = get(arch + '.attention.key_length') or get(arch + '.embedding_length') // (
        heads if isinstance(heads, int) else max(heads))
    m.eps = get(arch + '.attention.layer_norm_rms_epsilon')
    m.interleaved = arch in ('llama', 'deci', 'mistral')
    m.frequency = frequencies(m.head_dim, get(arch + '.rope.freq_base', 1e4), None)
    if get(arch + '.rope.scaling.type') == 'linear':
        m.frequency = m.frequency / get(arch + '.rope.scaling.factor')
    if 'rope_freqs.weight' in at:
        m.frequency = m.frequency / tensor('rope_freqs.weight')
    m.embedding, m.out_norm = tensor('token_embd.weight'), tensor('output_norm.weight')
    m.head = tensor('output.weight') if 'output.weight' in at else m.embedding
    m.layers = []
    for i in range(get(arch + '.block_count')):
        y, p = Layer(), f'blk.{i}.'
        for name, key in dict(attn_norm='attn_norm',
                              ffn_norm='ffn_norm',
                              q='attn_q',
                              k='attn_k',
                              v='attn_v',
                              o='attn_output',
                              gate='ffn_gate',
                              up='ffn_up',
                              down='ffn_down').items():
            setattr(y, name, tensor(p + key + '.weight'))
        for n in 'qkv':
            setattr(y, 'b' + n, tensor(f'{p}attn_{n}.bias'))
        m.layers.append(y)
    return m


def load(path):
    return load_directory(path) if pathlib.Path(path).is_dir() else load_gguf(path)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('model')
    p.add_argument('--ids')
    p.add_argument('--ids-file', type=pathlib.Path)
    p.add_argument('-o', '--out', required=True)
    p.add_argument('--window', type=int, default=1 << 30)
    a = p.parse_args()
    ids = [int(i) for i in (a.ids or a.ids_file.read_text()).replace(',', ' ').split()]
    out = load(a.model).windows(ids, a.window)
    out.astype('<f4').tofile(a.out)
    print(json.dumps({'positions': out.shape[0], 'vocab': out.shape[1]}))


if __name__ == '__main__':
    main()
