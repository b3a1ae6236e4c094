#!/usr/bin/env python3
"""Takes up the training of a packed pair: writes DIRECTORY/state.pt with the weights of
FOLDER/{target,draft}.apus.

    from_blob.py DIRECTORY [--pair FOLDER] [--window N]     FOLDER is the shipped pair unless given

A packed model is a Llama model too. Its gains are folded into the weights, and the residual stream
and the heads of V are rotated, which does not change the function. Only what the engine adds has to
be undone (docs/numerics.md, section 8): DOWN expects a Hadamard transform of its input, and Q
contains the scale of the softmax and that of the transforms of q and k. What cannot be restored is
what rounding to 8 bits lost, and the optimizer's state."""
import argparse
import math
import pathlib
import sys

import numpy as np
import torch

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / 'tests' / 'oracle'))
from export import new_models  # noqa: E402
from muon import Optimizer  # noqa: E402
from numerics import Blob, hadamard  # noqa: E402
from schedule import SCHEDULES  # noqa: E402
from train import BEGIN, RATES, save_state  # noqa: E402

NAMES = ('self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj', 'self_attn.o_proj',
         'mlp.gate_proj', 'mlp.up_proj', 'mlp.down_proj')


def matrix(tensor, cols):
    return (tensor.w[:, :cols] * tensor.row_scale[:, None]).astype(np.float32)


def weights(blob, shape):
    """Returns the weights by their names in model.py."""
    softmax = math.gcd(shape.head_dim, 64) * math.sqrt(shape.head_dim) / math.log2(math.e)
    widths = {'o_proj': shape.heads * shape.head_dim, 'down_proj': shape.ffn}
    out = {'embed_tokens.weight': matrix(blob.tensor(blob.model['embed']), shape.dim),
           'lm_head.weight': matrix(blob.tensor(blob.model['head']), shape.dim)}
    for i, layer in enumerate(blob.layers):
        for name, index in zip(NAMES, layer['tensor']):
            part = name.split('.')[1]
            w = matrix(blob.tensor(index), widths.get(part, shape.dim))
            if part == 'q_proj':
                w = w * np.float32(softmax)
            if part == 'down_proj':
                w = hadamard(w, 64)
            out[f'layers.{i}.{name}.weight'] = w
    return {n: torch.from_numpy(np.ascontiguousarray(w)) for n, w in out.items()}


def with_new_rows(found, vocab):
    """Embeddings of new ids start like those of any other id, and their rows of the head as the
    mean of all rows."""
    generator = torch.Generator().manual_seed(3)
    embed, head = found['embed_tokens.weight'], found['lm_head.weight']
    new = vocab - len(embed)
    fresh = torch.randn(new, embed.shape[1], generator=generator) * embed.std()
    return {
        **found, 'embed_tokens.weight': torch.cat((embed, fresh)),
        'lm_head.weight': torch.cat((head, head.mean(0).repeat(new, 1)))
    }


def load(model, path):
    found = with_new_rows(weights(Blob(path), model.shape), model.shape.vocab)
    missing, unknown = model.load_state_dict(found, strict=False)
    if unknown or any(not n.endswith('norm.weight') for n in missing):
        raise SystemExit(f'{path} has another shape than pair.json: {missing + unknown}')
    return model


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('directory', type=pathlib.Path)
    p.add_argument('--pair',
                   type=pathlib.Path,
                   default=HERE.parents[1] / 'weights' / 'models' / 'pair')
    p.add_argument('--window', type=int, default=0, help='of the text, where to go on')
    p.add_argument('--schedule', choices=SCHEDULES, default='further')
    a = p.parse_args()
    if (a.directory / 'state.pt').exists():
        raise SystemExit(
            f'{a.directory}/state.pt is there already: a training run that would be lost')
    models = {n: load(m, a.pair / f'{n}.apus') for n, m in new_models().items()}
    save_state(a.directory / 'state.pt', models, {
        n: Optimizer(m, *RATES[n])
        for n, m in models.items()
    }, {
        **BEGIN, 'schedule': a.schedule,
        'window': a.window
    })


if __name__ == '__main__':
    main()
