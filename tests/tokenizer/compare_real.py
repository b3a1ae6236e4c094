"""Published vocabularies (toolchain/tokenizers.sh): ids of gpt-oss, Qwen3 and Llama 3 against
`tokenizers`, from tokenizer.json and from GGUF under llama.cpp's names for their pre-tokenizers;
those of gpt-oss against `tiktoken` too, as o200k_base and o200k_harmony."""
import hashlib
import inspect
import json
import os
import re
import sys
import tempfile

from tool import SPECIALS, Tool, compare, gguf, need, skip

need("tokenizers", "tiktoken")
import tokenizers

from texts import documents

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/tokenizers")
if not os.path.exists(ROOT + "/o200k_base.js"):
    skip("no build/tokenizers: sh toolchain/tokenizers.sh fetches published vocabularies")

texts = list(documents(1_000_000 if os.environ.get("APUS_LONG") else 100_000))


def marked(names):
    def name(k):
        return names[k % len(names)]

    return [
        name(k) + t[:k % 7] + " " + name(7 * k) + t[k % 7:2000] + " \n" + name(3 * k) +
        name(5 * k)[:-1] for k, t in enumerate(texts)
    ]


def check(name, pre, folder):
    path = f"{ROOT}/{name}/tokenizer.json"
    doc = json.load(open(path))
    reference = tokenizers.Tokenizer.from_file(path)
    tool = Tool(f"{ROOT}/{name}")
    reference.encode_special_tokens = True
    expected = [e.ids for e in reference.encode_batch(texts, add_special_tokens=False)]
    ids, back = tool(texts)
    compare(name, texts, ids, expected)
    if not doc["normalizer"]:
        compare(name + ", back", texts, back, [t.encode() for t in texts])
    reference.encode_special_tokens = False
    some = marked([t["content"] for t in doc["added_tokens"]])
    compare(name + ", with specials", some,
            tool(some, SPECIALS)[0],
            [e.ids for e in reference.encode_batch(some, add_special_tokens=False)])

    model = doc["model"]
    tokens = {i: (t, 1) for t, i in model["vocab"].items()}
    # llama.cpp's converter: special tokens are control tokens, others are user-defined
    tokens |= {t["id"]: (t["content"], 3 if t["special"] else 4) for t in doc["added_tokens"]}
    rows = max(tokens) + 1
    full = [tokens.get(i, (f"[PAD{i}]", 5)) for i in range(rows)]
    gguf(
        folder + "/real.gguf", {
            "tokenizer.ggml.model": "gpt2",
            "tokenizer.ggml.pre": pre,
            "tokenizer.ggml.tokens": [t for t, _ in full],
            "tokenizer.ggml.token_type": [k for _, k in full],
            "tokenizer.ggml.merges": [m if isinstance(m, str) else " ".join(m)
                                      for m in model["merges"]],
        })
    compare(f"{name} in GGUF, {pre}", texts, Tool(folder + "/real.gguf")(texts)[0], expected)


def encodings(folder):
    """tiktoken's own o200k_base and o200k_harmony. It takes the ranks from a folder of files, by
    the hash of their address, and checks their content."""
    os.environ["TIKTOKEN_CACHE_DIR"] = folder
    import tiktoken
    from tiktoken_ext import openai_public
    address = re.search(r'"(\w+://[^"]+)"', inspect.getsource(openai_public.o200k_base)).group(1)
    script = open(ROOT + "/o200k_base.js").read()
    ranks = json.loads(script[script.index("{"):script.rindex("}") + 1])["bpe_ranks"]
    lines = []
    for line in filter(None, ranks.split("\n")):
        _, first, *tokens = line.split(" ")
        lines += [(int(first) + i, token) for i, token in enumerate(tokens)]
    with open(f"{folder}/{hashlib.sha1(address.encode()).hexdigest()}", "w") as out:
        out.writelines(f"{token} {rank}\n" for rank, token in sorted(lines))
    return [tiktoken.get_encoding(name) for name in ("o200k_base", "o200k_harmony")]


with tempfile.TemporaryDirectory() as folder:
    check("gpt-oss", "gpt-4o", folder)
    check("qwen3", "qwen2", folder)
    check("llama3", "llama-bpe", folder)
    base, harmony = encodings(folder)

tool = Tool(ROOT + "/gpt-oss")
ids = tool(texts)[0]
for encoding in (base, harmony):
    compare(f"gpt-oss, tiktoken's {encoding.name}", texts, ids,
            [encoding.encode_ordinary(t) for t in texts])
some = marked(["<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>", "<|call|>"])
compare("gpt-oss, o200k_harmony with specials", some,
        tool(some, SPECIALS)[0], [harmony.encode(t, allowed_special="all") for t in some])
sys.exit(0)
