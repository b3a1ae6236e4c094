"""gpt-oss's experts as 4-bit floats, which its published files have: in a Hugging Face directory
blocks of codes and a scale for each, with outputs as rows; in GGUF files a type."""
import json
import re

import numpy as np
import safetensors.numpy


def is_coded(name):
    return re.search(r'experts\.(gate_up|down)_proj$', name) is not None


def on_grid(weights):
    """The same weights with experts moved to values that the codes have."""
    import gguf
    kind, out = gguf.GGMLQuantizationType.MXFP4, dict(weights)
    for name, x in weights.items():
        if is_coded(name):
            blocks = gguf.quants.quantize(np.ascontiguousarray(x.swapaxes(1, 2)), kind)
            out[name] = np.ascontiguousarray(gguf.quants.dequantize(blocks, kind).swapaxes(1, 2))
    return out


def codes(x):
    """Bytes [...][blocks][16], the first value of two in the low half, and bytes of scales."""
    import gguf
    packed = gguf.quants.quantize(np.ascontiguousarray(x.swapaxes(1, 2)),
                                  gguf.GGMLQuantizationType.MXFP4)
    packed = packed.reshape(*packed.shape[:-1], -1, 17)
    halves = packed[..., 1:]
    nibbles = np.concatenate([halves & 15, halves >> 4], -1)
    return nibbles[..., ::2] | nibbles[..., 1::2] << 4, packed[..., 0].copy()


def directory(folder, like, weights, coded):
    """A directory as `like` with other weights."""
    folder.mkdir()
    config, out = json.loads((like / 'config.json').read_text()), {}
    for name, x in weights.items():
        if coded and is_coded(name):
            out[name + '_blocks'], out[name + '_scales'] = codes(x)
        else:
            out[name] = x
    if coded:
        config['quantization_config'] = dict(quant_method='mxfp4',
                                             modules_to_not_convert=['lm_head'])
    safetensors.numpy.save_file(out, folder / 'model.safetensors')
    (folder / 'config.json').write_text(json.dumps(config))
    (folder / 'tokenizer.json').symlink_to(like / 'tokenizer.json')
    return folder
