"""SmolLM2's file as training needs it, and its vocabulary cut off after the first ROWS ids.

Ids are in the order of the merges, so the first ROWS of them make a tokenizer of their own. A later
id is replaced by the pieces that were merged into it, as speculate/draft.c shows it to a draft."""
import json

import numpy as np
from gguf import GGUFReader, dequantize
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

ROWS, SPECIALS = 8192, 17
BEGIN_ID, END_ID = 1, 2
HELD = 20  # one text in this many, at the end of a file, is never learned from


class Source:

    def __init__(self, gguf):
        self.reader = GGUFReader(gguf)
        self.tokens, merges = (self.reader.fields[f'tokenizer.ggml.{n}'].contents()
                               for n in ('tokens', 'merges'))
        self.merges = [tuple(m.split(' ')) for m in merges]

    def weights(self):
        """Returns float32 arrays by their names in the file."""
        return {
            t.name: np.array(dequantize(t.data, t.tensor_type),
                             np.float32).reshape(tuple(reversed(t.shape.tolist())))
            for t in self.reader.tensors
        }

    def tokenizer(self, rows=None):
        rows = rows or len(self.tokens)
        ids = {t: i for i, t in enumerate(self.tokens[:rows])}
        merges = [(a, b) for a, b in self.merges if a + b in ids]
        t = Tokenizer(models.BPE(ids, merges))
        t.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False)
        ])
        t.decoder = decoders.ByteLevel()
        t.add_special_tokens(
            [AddedToken(x, special=True, normalized=False) for x in self.tokens[:SPECIALS]])
        return t

    def pieces(self, rows=ROWS):
        """Returns for each id the ids below `rows` that stand for it."""
        ids, parts = {t: i for i, t in enumerate(self.tokens)}, {i: [i] for i in range(rows)}
        for a, b in self.merges:  # in this order both halves are known
            whole = ids[a + b]
            if whole not in parts:
                parts[whole] = parts.get(ids[a], []) + parts.get(ids[b], [])
        return [parts.get(i, []) for i in range(len(self.tokens))]


def write_small(source, directory):
    """Writes tokenizer.json and tokenizer_config.json of the first ROWS ids."""
    source.tokenizer(ROWS).save(str(directory / 'tokenizer.json'))
    (directory / 'tokenizer_config.json').write_text(
        json.dumps(
            {
                'add_bos_token': False,
                'add_eos_token': False,
                'bos_token': source.tokens[BEGIN_ID],
                'eos_token': source.tokens[END_ID],
                'tokenizer_class': 'GPT2Tokenizer'
            },
            indent=1) + '\n')
