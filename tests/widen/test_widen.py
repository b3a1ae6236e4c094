#!/usr/bin/env python3
"""weights/tools/widen.py: logits of narrow and wide models in float32 over the original weights,
refusals, and the tokenizer's way through."""
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT / 'tests' / 'oracle'), str(ROOT / 'weights' / 'tools')]
import runner  # noqa: E402

runner.need('numpy')
import numpy as np  # noqa: E402
import float_reference  # noqa: E402
import random_checkpoint  # noqa: E402

POSITIONS = 50
WIDEN = ROOT / 'weights' / 'tools' / 'widen.py'

# Source shape, arguments, largest difference over the largest logit. Stored as float32 only the
# order of sums differs.
CASES = [
    # tied head, one key/value head for three, copied for each
    ('tiny-tied', '--dim 320 --ffn 704 --layers 6 --heads 8 --head-dim 128 --dtype f32', 1e-4),
    # groups of two where three shared: two copies; float16 and shards
    ('tiny-tied', '--dim 192 --ffn 512 --layers 4 --heads 8 --kv-heads 4 --head-dim 64 --shards 3',
     1e-3),
    # one wide group holds the whole narrow one, and three times the head size
    ('tiny-tied',
     '--dim 256 --ffn 576 --layers 5 --heads 8 --kv-heads 2 --head-dim 192 --dtype f32', 1e-4),
    # biases
    ('tiny-qwen2',
     '--dim 256 --ffn 512 --layers 4 --heads 8 --kv-heads 4 --head-dim 64 --dtype f32', 1e-4),
    # RoPE scalings, which are functions of the frequency
    ('tiny-llama3', '--dim 320 --ffn 576 --layers 3 --heads 5 --head-dim 128 --dtype f32', 1e-4),
    ('tiny-linear',
     '--dim 192 --ffn 256 --layers 2 --heads 4 --kv-heads 2 --head-dim 64 --dtype f32', 1e-4),
    # a source of float16 in shards, SentencePiece, bfloat16 out
    ('tiny-llama2', '--dim 192 --ffn 384 --layers 4 --heads 6 --head-dim 64 --dtype bf16', 5e-2),
]
REFUSALS = [
    ('--dim 256 --ffn 512 --layers 4 --heads 4 --head-dim 96', 1, 'no multiple'),
    ('--dim 128 --ffn 512 --layers 4 --heads 4 --head-dim 64', 1, 'dim of 128'),
    ('--dim 256 --ffn 448 --layers 4 --heads 4 --head-dim 64', 1, 'ffn of 448'),
    ('--dim 256 --ffn 512 --layers 3 --heads 4 --head-dim 64', 1, 'layers of 3'),
    ('--dim 256 --ffn 512 --layers 4 --heads 2 --head-dim 64', 1, 'heads of 2'),
    ('--dim 256 --ffn 512 --layers 4 --heads 6 --kv-heads 4 --head-dim 64', 1, 'do not divide'),
    ('--dim 256 --ffn 512 --layers 4 --heads 4 --kv-heads 0 --head-dim 64', 2, '1 or more'),
    ('--dim 256 --ffn 512 --layers 4 --heads 4', 2, '--head-dim'),
    ('--like tiny-decilm', 2, 'invalid choice'),
]


def widen(source, out, args):
    r = subprocess.run(
        [sys.executable, str(WIDEN),
         str(source), str(out), *args.split()],
        capture_output=True,
        text=True)
    return r.returncode, r.stderr


def difference(narrow, wide):
    ids = np.random.default_rng(7).integers(0, len(narrow.embedding), POSITIONS)
    a, b = narrow.logits(ids), wide.logits(ids)
    return float(np.abs(a - b).max() / np.abs(a).max())


def write_gguf(directory, path):
    """A Hugging Face directory of the tiny tied model as converters write it: interleaved Q and K,
    tokens by name."""
    import gguf
    c, t = json.loads(
        (directory / 'config.json').read_text()), float_reference.SafeTensors(directory)
    doc = json.loads((directory / 'tokenizer.json').read_text())
    w = gguf.GGUFWriter(str(path), 'llama')
    w.add_block_count(c['num_hidden_layers'])
    w.add_context_length(c['max_position_embeddings'])
    w.add_embedding_length(c['hidden_size'])
    w.add_feed_forward_length(c['intermediate_size'])
    w.add_head_count(c['num_attention_heads'])
    w.add_head_count_kv(c['num_key_value_heads'])
    w.add_rope_freq_base(c['rope_theta'])
    w.add_layer_norm_rms_eps(c['rms_norm_eps'])
    special = {e['id']: e['content'] for e in doc['added_tokens']}
    tokens = {**{i: s for s, i in doc['model']['vocab'].items()}, **special}
    w.add_tokenizer_model('gpt2')
    w.add_tokenizer_pre('smollm')
    w.add_token_list([tokens[i] for i in range(len(tokens))])
    w.add_token_types([3 if i in special else 1 for i in range(len(tokens))])
    w.add_token_merges(doc['model']['merges'])
    w.add_bos_token_id(c['bos_token_id'])
    w.add_eos_token_id(c['eos_token_id'])
    w.add_add_bos_token(False)
    half = c['head_dim'] // 2 if 'head_dim' in c else c['hidden_size'] // c[
        'num_attention_heads'] // 2
    names = {
        'input_layernorm': 'attn_norm',
        'post_attention_layernorm': 'ffn_norm',
        'self_attn.q_proj': 'attn_q',
        'self_attn.k_proj': 'attn_k',
        'self_attn.v_proj': 'attn_v',
        'self_attn.o_proj': 'attn_output',
        'mlp.gate_proj': 'ffn_gate',
        'mlp.up_proj': 'ffn_up',
        'mlp.down_proj': 'ffn_down'
    }
    w.add_tensor('token_embd.weight', t['model.embed_tokens.weight'])
    w.add_tensor('output_norm.weight', t['model.norm.weight'])
    for i in range(c['num_hidden_layers']):
        for key, name in names.items():
            x = t[f'model.layers.{i}.{key}.weight']
            if name in ('attn_q', 'attn_k'):
                x = np.ascontiguousarray(
                    x.reshape(-1, 2, half, x.shape[1]).swapaxes(1, 2).reshape(x.shape))
            w.add_tensor(f'blk.{i}.{name}.weight', x)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def check_gguf(tmp, directory):
    """Through a GGUF file: the same function, and the tokenizer that is written is the one that was
    read."""
    try:
        import gguf  # noqa: F401
    except ImportError as e:
        print(f'not checked: GGUF sources ({e})')
        return
    write_gguf(directory, tmp / 'tied.gguf')
    code, error = widen(tmp / 'tied.gguf', tmp / 'from-gguf', CASES[0][1])
    assert code == 0, error
    d = difference(float_reference.load(tmp / 'tied.gguf'), float_reference.load(tmp / 'from-gguf'))
    print(f'tiny-tied as GGUF: difference {d:.2g} of the largest logit')
    assert d < 1e-4
    if not ((runner.BUILD / 'apus-pack').exists() and (runner.BUILD / 'apus').exists()):
        print(
            'not checked: ids through the packed tokenizers (no apus-pack and apus in '
            f'{runner.BUILD})'
        )
        return
    text = tmp / 'text'
    text.write_text(
        "def f(x1):\n    return 'the thing' + str(12345)  # über, 日本\n<|im_start|>self.x "
        "<|im_end|>",
        encoding='utf-8')
    ids = [
        runner.tokenize(
            runner.pack(source, tmp / (source.name + '.apus'), 'int8', '--no-calibrate'), text)
        for source in (tmp / 'tied.gguf', tmp / 'from-gguf', directory)
    ]
    assert ids[0] == ids[1] == ids[2] and len(ids[0]) > 20, ids
    print(f'the same {len(ids[0])} ids through the packed tokenizers')


def check_refusals(tmp, directory):
    for args, status, why in REFUSALS:
        code, error = widen(directory, tmp / 'refused', args)
        assert code == status and why in error and 'Traceback' not in error, (args, code, error)
        assert not (tmp / 'refused').exists(), args
    good = '--dim 192 --ffn 512 --layers 4 --heads 4 --head-dim 64'
    for source, why in ((tmp / 'nowhere', 'does not exist'), (tmp, 'no config.json'),
                        (directory / 'config.json', 'GGUF')):
        code, error = widen(source, tmp / 'refused', good)
        assert code == 1 and why in error and 'Traceback' not in error, (source, code, error)
    code, error = widen(directory, directory, good)
    assert code == 1 and 'not empty' in error, error


def main():
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        for i, (shape, args, limit) in enumerate(CASES):
            source = tmp / shape
            if not source.exists():
                random_checkpoint.write_checkpoint(shape, source)
            code, error = widen(source, tmp / f'wide{i}', args)
            assert code == 0, error
            d = difference(float_reference.load(source), float_reference.load(tmp / f'wide{i}'))
            print(f'{shape} {args}: difference {d:.2g} of the largest logit')
            assert d < limit, (shape, args, d)
            for name in ('tokenizer.json', 'tokenizer.model', 'tokenizer_config.json',
                         'generation_config.json'):
                if (source / name).exists():
                    assert (source / name).read_bytes() == (tmp / f'wide{i}' /
                                                            name).read_bytes(), name
        assert len(list((tmp / 'wide1').glob('*.safetensors'))) == 3
        check_gguf(tmp, tmp / 'tiny-tied')
        check_refusals(tmp, tmp / 'tiny-tied')


if __name__ == '__main__':
    main()
