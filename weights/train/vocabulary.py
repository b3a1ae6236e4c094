#!/usr/bin/env python3
"""Trains the byte-level BPE of the shipped pair and turns the text into ids.

    vocabulary.py DIRECTORY [--size N | --tokenizer FILE]
        reads DIRECTORY/{train,held}.txt; writes tokenizer.json, train.ids and held.ids (uint16)

Words are cut as in Qwen2, which suits code: digits one by one, a sign together with the letters
after it, runs of spaces and of line ends by themselves. In the ids every file ends with <|end|>.
The ids after the pieces are the markers of fill-in-the-middle, under the names that Qwen2.5-Coder
gave them; they are added to a tokenizer that lacks them."""
import argparse
import json
import pathlib

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from corpus import SEPARATOR
from data import BEGIN_ID, END_ID, MARKERS

PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| "
    r"?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BEGIN, END = '<|begin|>', '<|end|>'
SAMPLE = 4  # every fourth file is enough to count words


def train(texts, size):
    t = Tokenizer(models.BPE(byte_fallback=False))
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), 'isolated'),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    ])
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(
        texts,
        trainers.BpeTrainer(vocab_size=size,
                            special_tokens=[BEGIN, END],
                            max_token_length=24,
                            show_progress=False,
                            initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    t.post_processor = processors.TemplateProcessing(single=f'{BEGIN} $A',
                                                     special_tokens=[(BEGIN, BEGIN_ID)])
    return t


def with_markers(tokenizer):
    """Adds the markers that are missing. A marker in the text of a file is read as ordinary
    text."""
    tokenizer.add_special_tokens(list(MARKERS))
    tokenizer.encode_special_tokens = True
    return tokenizer


def ids_of(tokenizer, texts):
    rows = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    return np.concatenate([np.array(r.ids + [END_ID], np.uint16) for r in rows])


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('directory', type=pathlib.Path)
    p.add_argument('--size', type=int, default=3072, help='without the markers')
    p.add_argument('--tokenizer', help='one that is there already')
    a = p.parse_args()
    texts = {
        s: (a.directory / f'{s}.txt').read_text(encoding='utf-8').split(SEPARATOR)
        for s in ('train', 'held')
    }
    tokenizer = with_markers(
        Tokenizer.from_file(a.tokenizer) if a.tokenizer else train(texts['train'][::SAMPLE],
                                                                   a.size))
    tokenizer.save(str(a.directory / 'tokenizer.json'), pretty=False)
    (a.directory / 'tokenizer_config.json').write_text(
        json.dumps(
            {
                'tokenizer_class': 'PreTrainedTokenizerFast',
                'add_bos_token': True,
                'bos_token': BEGIN,
                'eos_token': END
            },
            indent=1))
    for split, rows in texts.items():
        ids = ids_of(tokenizer, rows)
        ids.tofile(a.directory / f'{split}.ids')
        size = sum(len(t.encode()) for t in rows)
        print(f'{split}: {size} bytes, {len(ids)} ids, {size / len(ids):.3f} bytes an id')


if __name__ == '__main__':
    main()
