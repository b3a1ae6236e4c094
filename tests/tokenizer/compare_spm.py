"""SentencePiece vocabularies: ids against `sentencepiece`, and against `tokenizers` for the same
vocabulary as converted for Llama."""
import json
import os
import sys
import tempfile

from tool import NO_PREFIX, SPECIALS, Tool, compare, gguf, need, read_gguf

need("sentencepiece", "tokenizers", "mistral_common")
import mistral_common
import sentencepiece
import tokenizers

from texts import documents, random_bytes

SIZE = 10_000_000 if os.environ.get("APUS_LONG") else 1_000_000
DATA = os.path.join(os.path.dirname(mistral_common.__file__), "data")
T = "tokenizer.ggml."
texts = list(documents(SIZE))
raw = list(random_bytes(SIZE // 10))


def llama_json(sp):
    """The same vocabulary as tokenizer.json, with merges in the order the converters write: by
    score, then by the halves' ids."""
    vocab = {sp.id_to_piece(i): i for i in range(sp.vocab_size())}
    normal = {
        p: i
        for p, i in vocab.items() if not (sp.is_control(i) or sp.is_byte(i) or sp.is_unknown(i))
    }
    merges = []
    for piece, i in normal.items():
        cuts = [(piece[:k], piece[k:]) for k in range(1, len(piece))
                if piece[:k] in normal and piece[k:] in normal]
        merges += [(a, b, sp.get_score(i))
                   for a, b in sorted(cuts, key=lambda c: (vocab[c[0]], vocab[c[1]]))]
    merges = [(a, b) for a, b, s in sorted(merges, key=lambda m: m[2], reverse=True)]
    return {
        "version":
        "1.0",
        "added_tokens": [{
            "id": i,
            "content": sp.id_to_piece(i),
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True
        } for i in range(3)],
        "normalizer": {
            "type":
            "Sequence",
            "normalizers": [{
                "type": "Prepend",
                "prepend": "▁"
            }, {
                "type": "Replace",
                "pattern": {
                    "String": " "
                },
                "content": "▁"
            }]
        },
        "pre_tokenizer":
        None,
        "post_processor": {
            "type":
            "TemplateProcessing",
            "single": [{
                "SpecialToken": {
                    "id": "<s>",
                    "type_id": 0
                }
            }, {
                "Sequence": {
                    "id": "A",
                    "type_id": 0
                }
            }],
            "pair": [{
                "Sequence": {
                    "id": "A",
                    "type_id": 0
                }
            }, {
                "Sequence": {
                    "id": "B",
                    "type_id": 1
                }
            }],
            "special_tokens": {
                "<s>": {
                    "id": "<s>",
                    "ids": [1],
                    "tokens": ["<s>"]
                }
            }
        },
        "decoder": {
            "type":
            "Sequence",
            "decoders": [{
                "type": "Replace",
                "pattern": {
                    "String": "▁"
                },
                "content": " "
            }, {
                "type": "ByteFallback"
            }, {
                "type": "Fuse"
            }, {
                "type": "Strip",
                "content": " ",
                "start": 1,
                "stop": 0
            }]
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "vocab": vocab,
            "merges": [f"{a} {b}" for a, b in merges]
        }
    }


with tempfile.TemporaryDirectory() as folder:
    for name in ("tokenizer.model.v1", "mistral_instruct_tokenizer_240323.model.v3",
                 "mistral_instruct_tokenizer_241114.model.v7"):
        path = os.path.join(DATA, name)
        sp = sentencepiece.SentencePieceProcessor(model_file=path)
        tool = Tool(path)
        ids, back = tool(texts)
        compare(name, texts, ids, sp.encode(texts))
        compare(name + " back", texts, back,
                [t.encode().replace("▁".encode(), b" ") for t in texts])
        ids, _ = tool(raw)
        compare(name + " bytes", raw, ids, [sp.encode(t) for t in raw])
        assert (tool.rows, tool.bos, tool.eos, tool.ends) == (sp.vocab_size(), 1, 2, [2])

        if "v1" not in name:
            continue
        types = [
            3 if sp.is_control(i) else 2 if sp.is_unknown(i) else 6 if sp.is_byte(i) else 1
            for i in range(sp.vocab_size())
        ]
        gguf(
            folder + "/spm.gguf", {
                "tokenizer.ggml.model": "llama",
                "tokenizer.ggml.tokens": [sp.id_to_piece(i) for i in range(sp.vocab_size())],
                "tokenizer.ggml.scores": [float(sp.get_score(i)) for i in range(sp.vocab_size())],
                "tokenizer.ggml.token_type": types,
                "tokenizer.ggml.bos_token_id": 1,
                "tokenizer.ggml.eos_token_id": 2,
                "tokenizer.ggml.unknown_token_id": 0
            })
        compare("the same in GGUF", texts,
                Tool(folder + "/spm.gguf", 32016)(texts)[0], sp.encode(texts))

        # CodeLlama: 16 more rows, four of them the tokens of fill-in-the-middle, which its files
        # call ordinary.
        more = ["▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>"]
        values = read_gguf(folder + "/spm.gguf")
        values[T + "tokens"] += [f"<extra{i}>"
                                 for i in range(7)] + more + [f"<extra{i}>" for i in range(7, 12)]
        values[T + "scores"] += [0.0] * 16
        values[T + "token_type"] += [5] * 7 + [1] * 4 + [5] * 5
        gguf(folder + "/infill.gguf", values)
        tool = Tool(folder + "/infill.gguf", 32016)
        compare("CodeLlama's rows", texts, tool(texts)[0], sp.encode(texts))
        filled = ["▁<PRE>", "▁<PRE>def f(▁<SUF>):▁<MID>", "▁<EOT>"]
        plain = sp.encode(["def f(", "):"])
        assert tool(filled, SPECIALS)[0] == [[32007], [32007, *plain[0], 32008, *plain[1], 32009],
                                             [32010]], tool(filled, SPECIALS)
        compare("the same from users", filled, tool(filled)[0], sp.encode(filled))
        suffix = tool(["a", " a", "):", ""], NO_PREFIX)[0]
        # what follows a line break has no prefix
        assert suffix == [sp.encode("\n" + t)[2:] for t in ("a", " a", "):", "")], suffix
        assert tool.ends == [2, 32010], tool.ends

        described = llama_json(sp)
        json.dump(described, open(folder + "/tokenizer.json", "w"))
        reference = tokenizers.Tokenizer.from_str(json.dumps(described))
        tool = Tool(folder)
        for flags in (0, SPECIALS):
            reference.encode_special_tokens = flags == 0
            some = [
                t[:k] + "<s>" + t[k:] + "</s> x<unk>" if flags else t for k, t in enumerate(texts)
            ]
            compare(f"the same for tokenizers, flags {flags}", some, tool(some, flags)[0],
                    [e.ids for e in reference.encode_batch(some, add_special_tokens=False)])
        assert tool.flags & 1, "add_bos"

        # Other ways to say where spaces go: no Prepend, and Metaspace in its variants.
        replace, some = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}, texts[::5]
        meta = {"type": "Metaspace", "replacement": "▁"}
        gemma = {
            "type": "Split",
            "pattern": {
                "String": " "
            },
            "behavior": "MergedWithPrevious",
            "invert": False
        }
        for label, normalizer, pre in [("Replace alone", replace, None),
                                       ("Replace in a sequence", {
                                           "type": "Sequence",
                                           "normalizers": [replace]
                                       }, gemma),
                                       ("Replace before Prepend", {
                                           "type":
                                           "Sequence",
                                           "normalizers":
                                           [replace, {
                                               "type": "Prepend",
                                               "prepend": "▁"
                                           }]
                                       }, None),
                                       *((f"Metaspace {scheme}, split {split}", None, meta | {
                                           "prepend_scheme": scheme,
                                           "split": split
                                       }) for scheme in ("never", "first", "always")
                                         for split in (True, False)),
                                       ("Metaspace as old writers left it", None, meta | {
                                           "add_prefix_space": True
                                       }),
                                       ("Replace, then Metaspace", replace, meta | {
                                           "prepend_scheme": "first",
                                           "split": False
                                       })]:
            doc = described | {"normalizer": normalizer, "pre_tokenizer": pre}
            json.dump(doc, open(folder + "/tokenizer.json", "w"))
            reference = tokenizers.Tokenizer.from_str(json.dumps(doc))
            with_specials = [t[:k] + "<s>" + t[k:] + "</s> x<unk>" for k, t in enumerate(some)]
            compare(
                label, with_specials,
                Tool(folder)(with_specials, SPECIALS)[0],
                [e.ids for e in reference.encode_batch(with_specials, add_special_tokens=False)])
sys.exit(0)
