"""Added tokens: ids against `tokenizers`, with what `transformers` 5 adds from the files beside a
tokenizer.json, in random mixtures that contradict one another: in tokenizer.json or not, pieces
already, under other ids, with other flags, named as special, of older exports.
"""

import json
import os
import random
import sys
import tempfile

from tokenizer_json import added_token, document
from tool import SPECIALS, Tool, compare, need

need("tokenizers")
import tokenizers
from tokenizers import AddedToken

CASES = 150
NAMED = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]
FLAGS = ["lstrip", "rstrip", "normalized", "special", "single_word"]
CONTENTS = [
    "<a>",
    "<b>",
    "<a>b",
    "<|x|>",
    "<|im_end|>",
    "<tool_call>",
    "ab",
    "abc",
    "zq",
    "<pad>",
    "[PAD]",
    "<|fim_pad|>",
    "<s>",
    "日本",
]


def base(rng):
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    # Those that are known by their names would be special tokens here, and are none for the
    # library.
    words = (
        alphabet
        + ["ab", "abc"]
        + rng.sample(
            ["<a>", "<b>", "<a>b", "<|x|>", "<tool_call>", "zq", "<pad>", "<s>"], rng.randrange(4)
        )
    )
    return {w: i for i, w in enumerate(words)}


def entry(rng, content):
    return {"content": content} | {f: rng.random() < 0.3 for f in FLAGS}


def described(rng, vocab):
    listed, n = [], len(vocab)
    for content in rng.sample(CONTENTS, rng.randrange(6)):
        right = vocab.get(content, n)
        n += content not in vocab
        listed.append(
            {"id": right if rng.random() < 0.8 else rng.randrange(2 * len(vocab))}
            | entry(rng, content)
        )
    return document(vocab, ["a b", "ab c"], listed)


def beside(rng, n):
    config, specials, older = {}, None, None
    for key in rng.sample(NAMED, rng.randrange(4)):
        content = rng.choice(CONTENTS)
        config[key] = (
            content if rng.random() < 0.6 else {"__type": "AddedToken"} | entry(rng, content)
        )
    if rng.random() < 0.3:
        config["additional_special_tokens"] = rng.sample(CONTENTS, rng.randrange(3))
    if rng.random() < 0.6:
        config["added_tokens_decoder"] = {
            str(i): entry(rng, c)
            for i, c in zip(rng.sample(range(n + 9), 5), rng.sample(CONTENTS, rng.randrange(5)))
        }
    if rng.random() < 0.5:
        specials = {k: rng.choice(CONTENTS) for k in rng.sample(NAMED, rng.randrange(3))}
        older = {
            c: i
            for i, c in zip(rng.sample(range(n + 9), 5), rng.sample(CONTENTS, rng.randrange(4)))
        }
    return config, specials, older


def token(value, special=None):
    kind = value if isinstance(value, dict) else {"content": value, "special": True}
    kind = {k: v for k, v in kind.items() if k != "__type"}
    return AddedToken(**(kind if special is None else kind | {"special": special}))


def as_transformers(reference, doc, config, specials, older):
    """What PreTrainedTokenizerFast does: tokens by their ids, those that are there with the same
    flags left out; then the named ones."""
    config = dict(config)
    if "added_tokens_decoder" in config:
        decoder = {int(i): token(t) for i, t in config["added_tokens_decoder"].items()}
    else:
        config |= specials or {}
        named = {
            t["content"] if isinstance(t, dict) else t for k in NAMED if (t := config.get(k))
        } | set(config.get("additional_special_tokens", []))
        decoder = {
            i: AddedToken(c, special=c in named, normalized=c not in named)
            for c, i in (older or {}).items()
        }
        decoder |= {
            t["id"]: token({k: v for k, v in t.items() if k != "id"}) for t in doc["added_tokens"]
        }
    have = {repr(t) for t in reference.get_added_tokens_decoder().values()}
    adding = [t for _, t in sorted(decoder.items()) if repr(t) not in have]
    names = {t.content for t in reference.get_added_tokens_decoder().values()} | {
        t.content for t in adding
    }
    for value in [config[k] for k in NAMED if k in config] + config.get(
        "additional_special_tokens", []
    ):
        one = token(value, True)
        if one.content not in names:
            adding.append(one)
    reference.add_tokens(adding)


def text(rng):
    others = ["a", "b", "c", " ", "  ", "abc", "x", "\n", "<", "z", "_", "é", "²"]
    return "".join(
        rng.choice(CONTENTS + others)
        for _ in range(rng.randrange(12))
    )


def case(seed, folder):
    rng = random.Random(seed)
    vocab = base(rng)
    doc = described(rng, vocab)
    config, specials, older = beside(rng, len(vocab))
    for name, content in (
        ("tokenizer.json", doc),
        ("tokenizer_config.json", config),
        ("special_tokens_map.json", specials),
        ("added_tokens.json", older),
    ):
        if os.path.exists(f"{folder}/{name}"):
            os.remove(f"{folder}/{name}")
        if content is not None:
            json.dump(content, open(f"{folder}/{name}", "w"))
    reference = tokenizers.Tokenizer.from_file(folder + "/tokenizer.json")
    as_transformers(reference, doc, config, specials, older)
    texts = [text(rng) for _ in range(60)]
    return (
        texts,
        Tool(folder)(texts, SPECIALS)[0],
        [e.ids for e in reference.encode_batch(texts, add_special_tokens=False)],
    )


def every_character(folder):
    """A token that has to be a word, beside every character: what counts as one."""
    vocab = {w: i for i, w in enumerate(sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()))}
    added = [added_token(len(vocab), "<a>", single_word=True, special=False)]
    for name in os.listdir(folder):
        os.remove(f"{folder}/{name}")
    json.dump(document(vocab, [], added), open(folder + "/tokenizer.json", "w"))
    reference = tokenizers.Tokenizer.from_file(folder + "/tokenizer.json")
    texts = ["".join(f"{c}<a> <a>{c} " for c in map(chr, range(first, first + 512))
                     if not "\ud800" <= c < "\ue000") for first in range(0, 0x20000, 512)]
    expected = [e.ids for e in reference.encode_batch(texts, add_special_tokens=False)]
    compare("a word beside every character", texts, Tool(folder)(texts)[0], expected)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs, given = [], [], []
        for seed in range(CASES):
            texts, a, b = case(seed, folder)
            given += [f"{seed}: {t}" for t in texts]
            ours += a
            theirs += b
        compare(f"{CASES} tokenizers with added tokens", given, ours, theirs)
        every_character(folder)
    sys.exit(0)
