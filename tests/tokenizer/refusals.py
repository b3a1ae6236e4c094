"""Vocabularies that are wrong, or not understood: each is refused with a sentence that names the
trouble, and nothing crashes."""
import copy
import json
import os
import struct
import sys
import tempfile

from tokenizer_json import added_token, byte_level, document
from tool import Tool, gguf

P = "tokenizer.ggml."
failed = cases = 0


def expect(name, path, part, rows=0):
    global failed, cases
    cases += 1
    try:
        said = Tool(path, rows).refuses()
    except AssertionError as e:
        said = f"crashed: {e}"
    if part is None and said is not None or part is not None and (said is None or part not in said
                                                                  or said.startswith("crashed")):
        print(f"FAIL {name}: said {said!r} where {part!r} is expected")
        failed += 1


# --------------------------------------------------------------------------------------------------
# GGUF
BYTES = [f"<0x{i:02X}>" for i in range(256)]
PIECES = ["▁", "a", "b", "ab", "▁a", "<tool>"]
SPM = {
    P + "model": "llama",
    P + "tokens": ["<unk>", "<s>", "</s>"] + BYTES + PIECES,
    P + "scores": [0.0] * 259 + [-3.0, -4.0, -5.0, -1.0, -2.0, 0.0],
    P + "token_type": [2, 3, 3] + [6] * 256 + [1] * 5 + [4],
    P + "bos_token_id": 1,
    P + "eos_token_id": 2,
    P + "unknown_token_id": 0
}
BPE = {
    P + "model": "gpt2",
    P + "pre": "smollm",
    P + "tokens": ["<|end|>", "a", "b", "c", "ab", "abc", "Ġ", "Ġab"],
    P + "token_type": [3] + [1] * 7,
    P + "merges": ["a b", "ab c", "Ġ ab"],
    P + "eos_token_id": 0
}


def bent(base, drop=(), **changes):
    out = {k: v for k, v in base.items() if k.removeprefix(P) not in drop}
    return out | {P + k: v for k, v in changes.items()}


def with_at(values, i, value):
    return values[:i] + [value] + values[i + 1:]


def gguf_cases(folder):
    path = folder + "/v.gguf"
    tokens, types, scores = (SPM[P + k] for k in ("tokens", "token_type", "scores"))
    words = BPE[P + "tokens"]
    for name, values, part in [
        ("spm as it is", SPM, None),
        ("bpe as it is", BPE, None),
        ("no model", bent(SPM, ["model"]), "tokenizer.ggml.model is missing"),
        ("unknown model", bent(SPM, model="bert"), '"bert" where llama or gpt2'),
        ("model with control characters", bent(SPM, model="\x1b[2Jx"), "where llama or gpt2"),
        ("model of another type", bent(SPM, model=3), "tokenizer.ggml.model"),
        ("no tokens", bent(SPM, ["tokens"]), "tokenizer.ggml.tokens is missing"),
        ("tokens that are numbers", bent(SPM, tokens=[1, 2, 3]), "tokenizer.ggml.tokens"),
        ("no scores", bent(SPM, ["scores"]), "tokenizer.ggml.scores is missing"),
        ("fewer scores", bent(SPM, scores=scores[:-1]), "has 264 elements"),
        ("scores that are integers", bent(SPM, scores=[1] * 265), "another type"),
        ("a score that is no number", bent(SPM, scores=with_at(scores, 260,
                                                               float("nan"))), "not a number"),
        ("no types", bent(SPM, ["token_type"]), "token_type is missing"),
        ("more types", bent(SPM, token_type=types + [1]), "has 266 elements"),
        ("types that are strings", bent(SPM, token_type=["1"] * 265), "another type"),
        ("type 0", bent(SPM, token_type=with_at(types, 260, 0)), "type 0 where 1 to 6"),
        ("type 7", bent(SPM, token_type=with_at(types, 260, 7)), "type 7 where 1 to 6"),
        ("type negative", bent(SPM, token_type=with_at(types, 260, -1)), "type -1 where 1 to 6"),
        ("a byte token of another form", bent(SPM, tokens=with_at(tokens, 10,
                                                                  "<0xZZ>")), "byte token 10"),
        ("a byte token twice", bent(SPM, tokens=with_at(tokens, 10, "<0x00>")), "twice"),
        ("a byte token missing", bent(SPM, token_type=with_at(types, 10,
                                                              1)), "no byte token <0x07>"),
        ("an empty piece", bent(SPM, tokens=with_at(tokens, 260, "")), "token 260 is empty"),
        ("two equal pieces", bent(SPM, tokens=with_at(tokens, 261,
                                                      "a")), 'tokens 260 and 261 are both "a"'),
        ("a piece that is no UTF-8",
         bent(SPM,
              tokens=[t.encode()
                      for t in tokens[:260]] + [b"\xff"] + [t.encode()
                                                            for t in tokens[261:]]), "not UTF-8"),
        ("a plain space", bent(SPM, tokens=with_at(tokens, 260, "a b")), "plain space"),
        ("a long piece", bent(SPM, tokens=with_at(tokens, 260, "a" * 5000)), "5000 bytes"),
        ("a long user-defined token", bent(SPM, tokens=with_at(tokens, 264,
                                                               "x" * 256)), "256 bytes"),
        ("a user-defined token with a space", bent(SPM, tokens=with_at(tokens, 264,
                                                                       "▁x")), "has a space in it"),
        ("bos out of range", bent(SPM, bos_token_id=265), None),
        ("bos negative", bent(SPM, bos_token_id=-5), None),
        ("bos out of range, and wanted", bent(SPM, bos_token_id=265,
                                              add_bos_token=True), "none is named"),
        ("eos out of range", bent(SPM, eos_token_id=1 << 30), None),
        ("several eos", bent(SPM, eos_token_id=[2, 1], eos_token_ids=[0, -1, 99999]), None),
        ("eos of floats", bent(SPM, eos_token_id=[2.0]), "an integer or an array of them"),
        ("eot out of range", bent(SPM, eot_token_id=300), None),
        ("bos of another type", bent(SPM, bos_token_id="<s>"), "bos_token_id"),
        ("add_bos of another type", bent(SPM, add_bos_token=1), "add_bos_token"),
        ("add_bos without bos", bent(SPM, ["bos_token_id"], add_bos_token=True), "none is named"),
        ("a character map", bent(SPM, precompiled_charsmap=[1, 2]), "precompiled_charsmap"),
        ("white space removed", bent(SPM,
                                     remove_extra_whitespaces=True), "remove_extra_whitespaces"),
        ("no pre-tokenizer", bent(BPE, ["pre"]), None),
        ("unknown pre-tokenizer", bent(BPE, pre="falcon"),
         '"falcon", which is not supported; if you know which one it is like, --pre NAME'),
        ("pre-tokenizer of another type", bent(BPE, pre=1), "tokenizer.ggml.pre"),
        ("no merges", bent(BPE, ["merges"]), "merges is missing"),
        ("merges that are numbers", bent(BPE, merges=[1]), "merges"),
        ("a merge of one", bent(BPE, merges=["ab"]), "merge 0"),
        ("a merge of three", bent(BPE, merges=["a b c"]), "merge 0"),
        ("a merge without a right half", bent(BPE, merges=["ab "]), "merge 0"),
        ("a merge of an unknown left half", bent(BPE, merges=["x b"]), 'begins with "x"'),
        ("a merge of an unknown right half", bent(BPE, merges=["a x"]), 'ends with "x"'),
        ("a merge into nothing", bent(BPE, merges=["b a"]), 'makes "ba"'),
            # a user-defined token then
        ("a merge into a control token",
         bent(BPE,
              tokens=with_at(words, 4, "ac"),
              token_type=[3, 1, 1, 1, 3, 1, 1, 1],
              merges=["a c"]), None),
        ("a merge that is no UTF-8", bent(BPE, merges=[b"a \xff"]), "stands for no byte"),
        ("a token of no bytes", bent(BPE, tokens=with_at(words, 3, "€")), "stands for no byte"),
        ("a byte token among bytes", bent(BPE,
                                          token_type=[3, 6] + [1] * 6), "byte token in a gpt2"),
        ("merges in a circle", bent(BPE, merges=["a b", "ab c", "a b", "ab c"]), None),
        ("two added tokens alike",
         bent(BPE,
              tokens=with_at(words, 3, "<|end|>"),
              token_type=[3, 1, 1, 3] + [1] * 4,
              merges=["a b"]), "tokens 0 and 3 are both"),
    ]:
        gguf(path, values)
        expect("gguf: " + name, path, part)
    gguf(path, SPM)
    expect("gguf: fewer rows than tokens", path, "265 tokens, the model has 100 rows", 100)
    expect("gguf: more rows than tokens", path, None, 300)
    # 60 000 pieces of up to 4000 bytes: cutting each in two everywhere would take hours
    gguf(
        path,
        bent(SPM,
             tokens=tokens + ["a" * (i % 4000 + 1) + f"b{i}" for i in range(20000)],
             scores=scores + [-1.0] * 20000,
             token_type=types + [1] * 20000))
    expect("gguf: pieces too long to cut", path, "too long to be cut")


# --------------------------------------------------------------------------------------------------
# JSON
JSON = document({"<|end|>": 0, "a": 1, "b": 2, "ab": 3}, ["a b"], [added_token(0, "<|end|>")])


def json_cases(folder):
    path = folder + "/tokenizer.json"

    def case(name, part, **changes):
        doc = copy.deepcopy(JSON)
        for key, value in changes.items():
            at = doc
            *parents, last = key.split("__")
            for p in parents:
                at = at[p]
            at[last] = value
        json.dump(doc, open(path, "w"))
        expect("json: " + name, path, part)

    def split(regex, **more):
        return {
            "type": "Split",
            "pattern": {
                "Regex": regex
            },
            "behavior": "Isolated",
            "invert": False
        } | more

    case("as it is", None)
    case("an array as merges", None, model__merges=[["a", "b"]])
    case("no model", "no model", model=None)
    case("model that is a list", "no model", model=[])
    case("WordPiece", "where BPE is expected", model__type="WordPiece")
    case("dropout", "dropout", model__dropout=0.1)
    case("prefix", "continuing_subword_prefix", model__continuing_subword_prefix="##")
    case("suffix", "end_of_word_suffix", model__end_of_word_suffix="</w>")
    case("byte_fallback", "byte_fallback", model__byte_fallback=True)
    case("no vocabulary", "no vocabulary", model__vocab=None)
    case("unknown token for missing bytes",
         "has no token but the unknown one",
         model__unk_token="<|end|>")
    case("unknown token that is none", "is no token", model__unk_token="<unk>")
    case("id twice", "given twice", model__vocab={"<|end|>": 0, "a": 1, "b": 1, "ab": 3})
    case("id negative", "is no integer from 0 on", model__vocab={"a": -1})
    case("id huge", "token id 9223372036854775807", model__vocab={"a": 9223372036854775807})
    case("id that is a string", "is no integer", model__vocab={"a": "1"})
    case("id that is a fraction", "is no integer", model__vocab={"a": 1.5})
    case("token of no bytes", "stands for no byte", model__vocab={"<|end|>": 0, "€": 1})
    case("merges missing", "no list of merges", model__merges=None)
    case("merge of three", "not two tokens", model__merges=["a b c"])
    case("merge of three in a list", "not two tokens", model__merges=[["a", "b", "c"]])
    case("merge of numbers", "not two tokens", model__merges=[[1, 2]])
    case("merge of an empty half", "not two tokens", model__merges=[["", "a"]])
    case("merge into nothing", 'makes "ba"', model__merges=["b a"])
    case("added token without text", "no content", added_tokens=[{"id": 0}])
    case("added token without id", "is no integer", added_tokens=[{"content": "x"}])
    case("added token that is a word", None, added_tokens=[added_token(4, "x", single_word=True)])
    case("added token empty", None, added_tokens=[added_token(4, "")])
    case("added token long", "300 bytes", added_tokens=[added_token(4, "x" * 300)])
    case("added token in another's place gets the next one",
         None,
         added_tokens=[added_token(1, "x")])
    case("added token in a place that a piece has",
         "given twice",
         added_tokens=[added_token(4, "x")],
         model__vocab={
             "a": 1,
             "b": 2,
             "c": 3
         },
         model__merges=[])
    case("added tokens alike", None, added_tokens=[added_token(4, "x"), added_token(5, "x")])
    case("added token with a zero byte", "zero byte", added_tokens=[added_token(4, "x\0y")])
    case("pattern replaced",
         "replaces something else",
         normalizer={
             "type": "Replace",
             "pattern": {
                 "String": " "
             },
             "content": "_"
         })
    case("Replace alone and no byte_fallback",
         "byte_fallback",
         normalizer={
             "type": "Replace",
             "pattern": {
                 "String": " "
             },
             "content": "▁"
         },
         pre_tokenizer=None)
    case("NFKC", "normalizer NFKC", normalizer={"type": "NFKC"})
    case("Prepend of something else",
         "U+2581",
         normalizer={
             "type":
             "Sequence",
             "normalizers": [{
                 "type": "Prepend",
                 "prepend": "_"
             }, {
                 "type": "Replace",
                 "pattern": {
                     "String": " "
                 },
                 "content": "▁"
             }]
         })
    # A lone step once made the reader look at a second one that was not there.
    case("Prepend alone", "normalizer Prepend", normalizer={"type": "Prepend", "prepend": "▁"})
    case("Prepend alone in a sequence",
         "normalizer Prepend",
         normalizer={
             "type": "Sequence",
             "normalizers": [{
                 "type": "Prepend",
                 "prepend": "▁"
             }]
         })
    case("no pre-tokenizer", "pre-tokenizer", pre_tokenizer=None)
    case("unknown pattern", "pre-tokenizer", pre_tokenizer=split(r"\w+"))
    case("known pattern, other behaviour",
         "not isolated",
         pre_tokenizer=split(r"\s?\p{L}+", behavior="Removed", invert=True))
    case("prefix space",
         "add_prefix_space",
         pre_tokenizer=byte_level() | {"add_prefix_space": True})
    case("Metaspace of another sign",
         "U+2581",
         pre_tokenizer={
             "type": "Metaspace",
             "replacement": "_",
             "prepend_scheme": "first",
             "split": True
         })
    case("Metaspace of an unknown scheme",
         "prepend_scheme",
         pre_tokenizer={
             "type": "Metaspace",
             "replacement": "▁",
             "prepend_scheme": "last"
         })
    case("many steps",
         "9 steps",
         pre_tokenizer={
             "type": "Sequence",
             "pretokenizers": [byte_level()] * 9
         })
    case("template of an unknown token",
         "template",
         post_processor={
             "type": "TemplateProcessing",
             "single": [{
                 "SpecialToken": {
                     "id": "<s>"
                 }
             }]
         })

    text = json.dumps(JSON)
    for name, data, part in [
        ("empty", b"", "line"),
        ("not JSON", b"{", "line"),
        ("not an object", b"[]", "not a JSON object"),
        ("deep", b"[" * 100000, "line"),
        ("duplicate key", text.replace('"a": 1', '"a": 1, "a": 2').encode(),
         "model: a is there several times with different values"),
        ("the same twice", text.replace('"a": 1', '"a": 1, "a": 1').encode(), None),
        ("duplicate key that nobody reads",
         text.replace('"version": "1.0"', '"version": "1.0", "version": 2').encode(), None),
        ("numbers that nobody reads",
         text.replace('"version": "1.0"',
                      '"version": [NaN, -Infinity, 1e999, 1' + "0" * 400 + "]").encode(), None),
        ("NaN that is read", text.replace('"dropout": null',
                                          '"dropout": NaN').encode(), "model: dropout is NaN"),
        ("lone surrogate", text.replace('"<|end|>": 0', '"\\ud800": 0').encode(), "line"),
        ("zero in a key", text.replace('"a": 1', '"\\u0000": 1').encode(), "line"),
        ("huge number", text.replace('"a": 1',
                                     '"a": 1e999').encode(), "model: a is a number too large"),
        ("huge integer", text.replace('"a": 1',
                                      '"a": ' + "9" * 40).encode(), 'the id of "a" is no integer'),
        ("invalid UTF-8", text.encode().replace(b'"a"', b'"\xff"'), "line"),
    ]:
        open(path, "wb").write(data)
        expect("json: " + name, path, part)
    for n in range(0, len(text), 37):
        open(path, "w").write(text[:n])
        expect(f"json: cut at {n}", path, "line")
    os.remove(path)


def side_files(folder):
    """tokenizer.json in a directory, with the small files beside it."""
    json.dump(JSON, open(folder + "/tokenizer.json", "w"))
    for name, file, content, part in [
        ("bos named", "tokenizer_config.json",
         '{"bos_token": {"content": "<|end|>"}, "add_bos_token": true}', None),
        ("bos unknown", "tokenizer_config.json", '{"bos_token": "<s>"}', None),
        ("no length limit", "tokenizer_config.json",
         '{"model_max_length": 1000000000000000019884624838656, "x": NaN, "x": 1e999}', None),
        ("bos named twice", "tokenizer_config.json", '{"bos_token": "<|end|>", "bos_token": "a"}',
         "bos_token is there several times"),
        ("add_bos that is a number", "tokenizer_config.json", '{"add_bos_token": 1}',
         "add_bos_token is not true or false"),
        ("added without a number", "tokenizer_config.json",
         '{"added_tokens_decoder": {"x": {"content": "<x>"}}}', "an id that is no number"),
        ("added without a text", "tokenizer_config.json", '{"added_tokens_decoder": {"4": {}}}',
         "no content"),
        ("added as a word", "tokenizer_config.json",
         '{"added_tokens_decoder": {"4": {"content": "<x>", "single_word": true}}}', None),
        ("added twice", "tokenizer_config.json",
         '{"added_tokens_decoder": {"4": {"content": "<x>"}, "4": {"content": "<y>"}}}',
         "4 is there several times"),
        ("added by older exports", "added_tokens.json", '{"<x>": "4"}', "an id that is no number"),
        ("config is no object", "tokenizer_config.json", "[]", "not a JSON object"),
        ("config is cut", "tokenizer_config.json", "{", "line"),
        ("add_bos without bos", "tokenizer_config.json", '{"add_bos_token": true}',
         "none is named"),
        ("a chat template is not looked at", "tokenizer_config.json",
         json.dumps({
             "chat_template":
             "{% for i in range(10**18) %}{% include '/etc/passwd' %}{% endfor %}{{" + "(" * 100000
         }), None),
        ("a chat template that is no text", "tokenizer_config.json",
         '{"chat_template": [{"name": "default", "template": "{{"}]}', None),
    ]:
        open(f"{folder}/{file}", "w").write(content)
        expect("beside: " + name, folder, part)
        os.remove(f"{folder}/{file}")
    os.remove(folder + "/tokenizer.json")
    expect("beside: nothing there", folder, "has none of")


# --------------------------------------------------------------------------------------------------
# SentencePiece
def field(number, value):
    if isinstance(value, int):
        out, value = bytes([number << 3]) if number < 16 else bytes(
            [number << 3 & 127 | 128, number >> 4]), value % (1 << 64)
        while value > 127:
            out, value = out + bytes([value & 127 | 128]), value >> 7
        return out + bytes([value])
    if isinstance(value, float):
        return bytes([number << 3 | 5]) + struct.pack("<f", value)
    head = number << 3 | 2
    return (bytes([head]) if head < 128 else bytes([head & 127 | 128, head >> 7])) + length(
        len(value)) + value


def length(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def piece(text, score, kind):
    return field(
        1,
        field(1, text if isinstance(text, bytes) else text.encode()) + field(2, score) +
        field(3, kind))


def sentencepiece_cases(folder):
    path = folder + "/tokenizer.model"
    pieces = [
        piece(t, s, k)
        for t, s, k in zip(SPM[P + "tokens"], SPM[P + "scores"], SPM[P + "token_type"])
    ]
    trainer = field(3, 2) + field(35, 1) + field(40, 0) + field(41, 1) + field(42, 2)
    normalizer = field(1, b"identity") + field(3, 1) + field(4, 0)

    def case(name, part, p=None, t=trainer, n=normalizer, rows=0, more=b""):
        open(path, "wb").write(b"".join(p or pieces) + field(2, t) + field(3, n) + more)
        expect("sentencepiece: " + name, path, part, rows)

    case("as it is", None)
    case("unknown fields", None, more=field(9, b"abc") + field(8, 1))
    case("unigram", "type 1 where 2", t=field(35, 1))
    case("no byte fallback", "no byte fallback", t=field(3, 2))
    case("white space as a suffix", "suffix", t=trainer + field(24, 1))
    case("a character map", "normalizes text", n=normalizer + field(2, b"xyz"))
    case("white space removed", "removes extra", n=field(1, b"identity"))
    case("white space not escaped", "escape", n=normalizer + field(5, 0))
    case("bos out of range", "bos token is 999", t=trainer + field(41, 999))
    case("type 7", "type 7", p=with_at(pieces, 260, piece("a", 0.0, 7)))
    case("type unused", "unused", p=with_at(pieces, 260, piece("a", 0.0, 5)))
    case("score no number", "not a number", p=with_at(pieces, 260, piece("a", float("nan"), 1)))
    case("no UTF-8", "not UTF-8", p=with_at(pieces, 260, piece(b"\xc3", 0.0, 1)))
    case("zero byte", "zero byte", p=with_at(pieces, 260, piece(b"a\0b", 0.0, 1)))
    case("empty piece", "empty", p=with_at(pieces, 260, piece("", 0.0, 1)))
    case("pieces alike", "both", p=with_at(pieces, 260, piece("b", 0.0, 1)))
    case("a piece cut", "damaged", p=with_at(pieces, 260, field(1, field(1, b"abc")[:-1])))
    case("rows too few", "has 265 pieces", rows=264)
    whole = open(path, "rb").read()
    case("as it is", None)
    whole = open(path, "rb").read()
    for n in [0, 1, 2, 3] + list(range(4, len(whole), 61)):
        open(path, "wb").write(whole[:n])
        expect(f"sentencepiece: cut at {n}", path, "")
    for name, data in [("a length past the end", b"\x0a\xff\xff\xff\xff\x0f"),
                       ("an endless varint", b"\x0a" + b"\xff" * 20), ("field 0", b"\x02\x00"),
                       ("a group", b"\x0b"), ("noise", bytes(range(256)))]:
        open(path, "wb").write(data)
        expect("sentencepiece: " + name, path, "tokenizer.model")
    expect("a file that is not there", folder + "/nothing.model", "nothing.model")
    # Tokens added beside the model
    open(path, "wb").write(whole)
    open(folder + "/added_tokens.json", "w").write('{"<pad>": 265, "<x>": 266}')
    expect("beside: added tokens", folder, None)
    expect("beside: added past the rows", folder, "past the model's 266 rows", 266)
    open(folder + "/added_tokens.json", "w").write('{"<pad>": "265"}')
    expect("beside: added without id", folder, "no integer", 300)
    os.remove(folder + "/added_tokens.json")
    # Two tokenizers in one directory: tokenizer.json is taken, whatever the other says, and the
    # other never instead of it
    json.dump(JSON, open(folder + "/tokenizer.json", "w"))
    open(path, "wb").write(b"\xff" * 100)
    expect("both: tokenizer.json good, tokenizer.model damaged", folder, None)
    open(path, "wb").write(whole)
    open(folder + "/tokenizer.json", "w").write("{")
    expect("both: tokenizer.json damaged, tokenizer.model good", folder, "tokenizer.json: line")


def tekken_cases(folder):
    import base64
    path = folder + "/tekken.json"
    pattern = (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|"
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}|"
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    vocab = [{"rank": i, "token_bytes": base64.b64encode(b).decode(), "token_str": None}
             for i, b in enumerate([bytes([i]) for i in range(256)] + [b"ab", b"abc"])]
    config = {
        "pattern": pattern,
        "num_vocab_tokens": 258,
        "default_vocab_size": 278,
        "default_num_special_tokens": 20,
        "version": "v3"
    }
    for name, c, v, s, part in [
        ("as it is", {}, vocab, None, None),
        ("specials listed", {}, vocab, [{
            "rank": i,
            "token_str": f"<{i}>",
            "is_control": True
        } for i in range(5)], None),
        ("another pattern", {
            "pattern": r"\w+"
        }, vocab, None, "pattern"),
        ("no specials", {
            "default_num_special_tokens": 0
        }, vocab, None, "do not fit"),
        ("size huge", {
            "default_vocab_size": 1 << 40
        }, vocab, None, "do not fit"),
        ("too few ranks", {
            "default_vocab_size": 279
        }, vocab, None, "do not fit"),
        ("no base64", {}, with_at(vocab, 256,
                                  vocab[256] | {"token_bytes": "!!!!"}), None, "no base64"),
        ("another rank", {}, with_at(vocab, 256,
                                     vocab[256] | {"rank": 300}), None, "not the rank 256"),
        ("bytes out of order", {}, with_at(vocab, 65,
                                           vocab[66] | {"rank": 65}), None, "is not the byte 0x41"),
        ("ranks alike", {}, with_at(vocab, 257, vocab[256] | {"rank": 257}), None, "both"),
        ("special out of range", {}, vocab, [{
            "rank": 5000,
            "token_str": "x"
        }], "past the model's"),
        ("later version without specials", {
            "version": "v11"
        }, vocab, None, "v11, and no special_tokens"),
        ("special without a name", {}, vocab, [{
            "rank": 0
        }], "no name"),
        ("too many specials", {}, vocab, [{
            "rank": i,
            "token_str": f"<{i}>"
        } for i in range(21)], "21 special tokens"),
    ]:
        doc = {"config": config | c, "vocab": v} | ({"special_tokens": s} if s else {})
        json.dump(doc, open(path, "w"))
        expect("tekken: " + name, path, part)


for part in (gguf_cases, json_cases, side_files, sentencepiece_cases, tekken_cases):
    with tempfile.TemporaryDirectory() as folder:
        part(folder)
print(f"{cases} vocabularies, {failed} not as expected")
sys.exit(failed != 0)
