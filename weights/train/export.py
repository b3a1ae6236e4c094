#!/usr/bin/env python3
"""Writes both models as Hugging Face checkpoints, which apus-pack reads: DIRECTORY/target and
DIRECTORY/draft, float32.

    export.py DIRECTORY     from DIRECTORY/state.pt, also while training runs"""
import argparse
import json
import pathlib
import shutil

import torch
from safetensors.torch import save_file

from data import BEGIN_ID, END_ID
from model import Llama, Shape

HERE = pathlib.Path(__file__).resolve().parent


def new_models():
    shapes = json.loads((HERE / 'pair.json').read_text())
    return {n: Llama(Shape(**shapes[n]), seed) for seed, n in enumerate(('target', 'draft'), 1)}


def config(s, begin_id, end_id):
    return {
        'architectures': ['LlamaForCausalLM'],
        'model_type': 'llama',
        'hidden_size': s.dim,
        'intermediate_size': s.ffn,
        'num_hidden_layers': s.layers,
        'num_attention_heads': s.heads,
        'num_key_value_heads': s.kv_heads,
        'head_dim': s.head_dim,
        'vocab_size': s.vocab,
        'max_position_embeddings': s.context,
        'rms_norm_eps': s.eps,
        'rope_theta': s.theta,
        'rope_scaling': None,
        'hidden_act': 'silu',
        'attention_bias': False,
        'mlp_bias': False,
        'tie_word_embeddings': False,
        'bos_token_id': begin_id,
        'eos_token_id': end_id,
        'torch_dtype': 'float32'
    }


def write_checkpoint(model, directory, begin_id=BEGIN_ID, end_id=END_ID):
    directory.mkdir(parents=True, exist_ok=True)
    tensors = {
        n if n.startswith('lm_head') else 'model.' + n: p.detach().float().contiguous().clone()
        for n, p in model.named_parameters()
    }
    save_file(tensors, str(directory / 'model.safetensors'), metadata={'format': 'pt'})
    (directory /
     'config.json').write_text(json.dumps(config(model.shape, begin_id, end_id), indent=1) + '\n')


def write_checkpoints(directory, models):
    for name, model in models.items():
        write_checkpoint(model, directory / name)
        for file in ('tokenizer.json', 'tokenizer_config.json'):
            shutil.copy(directory / file, directory / name / file)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('directory', type=pathlib.Path)
    a = p.parse_args()
    state, models = torch.load(a.directory / 'state.pt', weights_only=False), new_models()
    for n, m in models.items():
        m.load_state_dict(state['models'][n])
    write_checkpoints(a.directory, models)
    print(json.dumps({**state['counters'], **{n: m.parameters_count() for n, m in models.items()}}))


if __name__ == '__main__':
    main()
