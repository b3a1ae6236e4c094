#!/usr/bin/env python3
"""Makes a model that computes the same function with other numbers: a GGUF file in F32 whose
weights are no longer on the grid that they were rounded to.

    off_grid.py IN.gguf OUT.gguf [--seed N]

The only SmolLM2 at hand is a Q4_1 file. If its weights were rounded again, every format that can
represent the 16 levels of a group (Q4_1's relatives, and Q8_0 for the embedding) would look too
good. So each channel between two matrices is multiplied by a random factor in [2^-1/2, 2^1/2] on
one side and divided by it on the other: norm gains and the columns of the matrices behind them (a
tied head gets its own copy), V's rows and O's columns, UP's rows and DOWN's columns. In exact
arithmetic nothing changes; in float32 the logits change by 1e-5."""
import argparse

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, dequantize


def read(path):
    r = GGUFReader(path)
    return r, {t.name: np.array(dequantize(t.data, t.tensor_type), np.float32) for t in r.tensors}


def shift(w, r, layers, heads, kv_heads):
    """Changes w in place. w: name -> [rows][columns]."""
    factor = lambda n: (2 ** r.uniform(-0.5, 0.5, n)).astype(np.float32)  # noqa: E731
    w.setdefault('output.weight', w['token_embd.weight'].copy())
    pairs = [('output_norm', ['output'])]
    for i in range(layers):
        p = f'blk.{i}.'
        pairs += [(p + 'attn_norm', [p + 'attn_q', p + 'attn_k', p + 'attn_v']),
                  (p + 'ffn_norm', [p + 'ffn_gate', p + 'ffn_up'])]
        v, o = w[p + 'attn_v.weight'], w[p + 'attn_output.weight']
        c = factor(len(v)).reshape(kv_heads, 1, -1)
        v *= c.reshape(-1, 1)
        o /= np.repeat(c, heads // kv_heads, axis=1).reshape(-1)
        c = factor(len(w[p + 'ffn_up.weight']))
        w[p + 'ffn_up.weight'] *= c[:, None]
        w[p + 'ffn_down.weight'] /= c
    for norm, behind in pairs:
        c = factor(len(w[norm + '.weight']))
        w[norm + '.weight'] *= c
        for name in behind:
            w[name + '.weight'] /= c


def write(path, reader, w):
    arch = reader.fields['general.architecture'].contents()
    out = GGUFWriter(path, arch)
    for key, field in reader.fields.items():
        if key.startswith('GGUF.') or key in ('general.architecture', 'general.file_type',
                                              'general.quantization_version'):
            continue
        kind = field.types[0]
        out.add_key_value(key, field.contents(), kind,
                          field.types[-1] if kind == GGUFValueType.ARRAY else None)
    for name, data in w.items():
        out.add_tensor(name, data, raw_dtype=GGMLQuantizationType.F32)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def off_grid(source, target, seed=1):
    reader, w = read(source)
    arch = reader.fields['general.architecture'].contents()
    get = lambda key: int(reader.fields[f'{arch}.{key}'].contents())  # noqa: E731
    shift(w, np.random.default_rng(seed), get('block_count'), get('attention.head_count'),
          get('attention.head_count_kv'))
    write(target, reader, w)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('source')
    p.add_argument('target')
    p.add_argument('--seed', type=int, default=1)
    a = p.parse_args()
    off_grid(a.source, a.target, a.seed)


if __name__ == '__main__':
    main()
