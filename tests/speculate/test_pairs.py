#!/usr/bin/env python3
"""Speculation with the vocabularies and shapes of AMD-Llama-135m-code and CodeLlama-7b, reduced in
depth, through the Hugging Face path.

    test_pairs.py PROGRAM [--full-width]

The target has 32016 rows, the four fill-in-the-middle tokens and RoPE of 1e6; the draft 32000 rows,
none of the tokens and 1e4. Both are made of one random model, the target by widening it, so that
they agree now and then as a trained pair does. PROGRAM (real_pair.c) then runs both. Other pairs
are refused with a reason. The vocabulary is Llama-2's size and kind, from mistral-common where that
is installed."""
import argparse
import json
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT / 'tests' / 'oracle'), str(ROOT / 'weights' / 'tools')]
import runner  # noqa: E402

runner.need('numpy')
import random_checkpoint  # noqa: E402
import tiny_tokenizers as tok  # noqa: E402
import widen  # noqa: E402

NARROW = {
    False: dict(dim=192, ffn=512, layers=2, heads=6, kv_heads=6, head_dim=32),
    True: dict(dim=768, ffn=2048, layers=2, heads=12, kv_heads=12, head_dim=64)
}
WIDE = {
    False: dict(dim=320, ffn=704, layers=3, heads=8, kv_heads=8, head_dim=64),
    True: dict(dim=4096, ffn=11008, layers=2, heads=32, kv_heads=32, head_dim=128)
}
ROWS, INFILL_ROWS = 32000, 32016
LAYERS = 0.2


class Changed(widen.Directory):
    """A model with its first rows only, another RoPE, and layers that add less."""

    def __init__(self, path, rows, theta, positions, layers):
        super().__init__(path)
        self.vocab, self.factor = rows, layers
        self.config.update(rope_theta=theta, max_position_embeddings=positions, vocab_size=rows)

    def tensor(self, role, layer=None):
        t = super().tensor(role, layer)
        return t[:self.vocab] if role in ('embed',
                                          'head') else t * self.factor if role in ('o',
                                                                                   'down') else t

    def write(self, out):
        out.mkdir()
        widen.write_weights(out, self, widen.Placement(self.sizes, self.sizes), 'bf16', 1)
        widen.write_json(out / 'config.json', self.config)
        self.write_tokenizer(out)
        return out


def write_random(out, s, spm):
    random_checkpoint.SHAPES['pair'] = s
    random_checkpoint.write_checkpoint('pair', out, spm=spm)
    return out


def write_draft(source, out, spm):
    Changed(source, ROWS, 1e4, 2048, 1).write(out)
    (out / 'tokenizer.model').write_bytes(spm)
    widen.write_json(
        out / 'tokenizer_config.json', {
            'tokenizer_class': 'LlamaTokenizer',
            'add_bos_token': True,
            'add_eos_token': False,
            'bos_token': '<s>',
            'eos_token': '</s>',
            'unk_token': '<unk>'
        })
    return out


def refused(target, draft, why):
    r = runner.run('apus',
                   'run',
                   '-m',
                   target,
                   '-d',
                   draft,
                   '-p',
                   'x',
                   '-n',
                   1,
                   '--json',
                   may_be=(1, 2))
    assert why in r.stderr and not r.stdout, r.stderr
    print(r.stderr.strip())


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('program')
    p.add_argument('--full-width', action='store_true')
    a = p.parse_args()
    spm = random_checkpoint.installed_spm()
    print('vocabulary:', 'of mistral-common' if spm else 'made here')
    spm = spm or tok.spm_model(ROWS)
    n = NARROW[a.full_width]
    with tempfile.TemporaryDirectory(dir='/var/tmp' if a.full_width else None) as tmp:
        tmp = pathlib.Path(tmp)
        s = dict(n, kv=n['kv_heads'], vocab=INFILL_ROWS, theta=1e6, context=16384)
        drawn = write_random(
            tmp / 'drawn', random_checkpoint.shape(**{
                k: v
                for k, v in s.items() if k != 'kv_heads'
            }), spm)
        # random layers alone would leave nothing to agree on
        source = Changed(drawn, INFILL_ROWS, 1e6, 16384, LAYERS).write(tmp / 'source')
        widen.widen(source, tmp / 'wide', WIDE[a.full_width], 'bf16')
        target = runner.pack(tmp / 'wide', tmp / 'target.apus', 'int4')
        draft = runner.pack(write_draft(source, tmp / 'narrow', spm), tmp / 'draft.apus', 'int8')
        r = runner.subprocess.run([a.program, str(target), str(draft)])
        if r.returncode:
            sys.exit(r.returncode)
        if a.full_width:
            return
        other = write_random(tmp / 'other', random_checkpoint.shape(64,
                                                                    128,
                                                                    1,
                                                                    2,
                                                                    2,
                                                                    32,
                                                                    vocab=ROWS),
                             tok.spm_model(ROWS))
        if spm != tok.spm_model(ROWS):
            refused(target, runner.pack(other, tmp / 'other.apus', 'int8'),
                    'different texts for the same token id')
        bytewise = write_random(tmp / 'bytewise',
                                random_checkpoint.shape(64, 128, 1, 2, 2, 32, tokenizer='llama3'),
                                None)
        refused(target, runner.pack(bytewise, tmp / 'bytewise.apus', 'int8'),
                'tokenizer is of another kind')
        short = json.loads((tmp / 'narrow' / 'config.json').read_text())
        (tmp / 'narrow' / 'config.json').write_text(
            json.dumps({
                **short, 'max_position_embeddings': 48
            }))
        refused(target, runner.pack(tmp / 'narrow', tmp / 'short.apus', 'int8'),
                'max_positions is 48, must be 64')


if __name__ == '__main__':
    main()
