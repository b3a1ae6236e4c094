"""The files tokenizer.json that the tests of byte-level vocabularies write."""


def byte_level(use_regex=True):
    return {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": use_regex
    }


def added_token(i, content, **more):
    """An entry of added_tokens; more: flags other than those of a special token."""
    return {
        "id": i,
        "content": content,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True
    } | more


def document(vocab, merges, added, pre_tokenizer=None, nfc=False, ignore_merges=False):
    """The whole file. pre_tokenizer: that of GPT-2 unless one is given."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {
            "type": "NFC"
        } if nfc else None,
        "pre_tokenizer": pre_tokenizer or byte_level(),
        "post_processor": None,
        "decoder": byte_level(),
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": ignore_merges,
            "vocab": vocab,
            "merges": merges
        }
    }
