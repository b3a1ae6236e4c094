#!/usr/bin/env python3
"""Makes a draft that never agrees: random weights with another model's tokenizer, as a Hugging Face
directory.

    stranger.py MODEL.gguf OUT [--dim 576] [--ffn 1536] [--layers 30] [--heads 9] [--kv-heads 3]
    [--head-dim 64]"""
import argparse
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / 'weights' / 'tools'))
import random_checkpoint  # noqa: E402
import widen  # noqa: E402


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('gguf', type=pathlib.Path)
    p.add_argument('out', type=pathlib.Path)
    for name, size in dict(dim=576, ffn=1536, layers=30, heads=9, kv_heads=3, head_dim=64).items():
        p.add_argument('--' + name.replace('_', '-'), type=int, default=size)
    a = p.parse_args()
    source = widen.Gguf(a.gguf)
    c = source.config
    s = random_checkpoint.shape(a.dim,
                                a.ffn,
                                a.layers,
                                a.heads,
                                a.kv_heads,
                                a.head_dim,
                                vocab=source.vocab,
                                context=c['max_position_embeddings'])
    a.out.mkdir(parents=True)
    source.write_tokenizer(a.out)
    random_checkpoint.write_config(a.out, s, c['bos_token_id'], [c['eos_token_id']])
    random_checkpoint.write_weights(a.out, s, 1)


main()
