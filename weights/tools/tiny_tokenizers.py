"""Tokenizer files made from nothing, so that a random checkpoint needs no package: a SentencePiece
model and a byte-level BPE."""
import json
import struct

# -----------------------------------------------------------------------------------------------
# SentencePiece (tokenizer.model)
UNKNOWN, NORMAL, CONTROL, BYTE = 2, 1, 3, 6
INFILL = {32007: '▁<PRE>', 32008: '▁<SUF>', 32009: '▁<MID>', 32010: '▁<EOT>'}


def _varint(n):
    out = b''
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def _bytes(field, data):
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _int(field, n):
    return _varint(field << 3) + _varint(n)


def spm_piece(text, score, kind):
    """One entry of ModelProto.pieces; a model may be extended by appending entries, since repeated
    fields may lie apart."""
    return _bytes(
        1,
        _bytes(1, text.encode()) + _varint(2 << 3 | 5) + struct.pack('<f', score) + _int(3, kind))


def spm_infill(first):
    """The 16 rows CodeLlama adds behind 32000: fragments, the four infill tokens, fillers. Of these
    only the infill tokens are special."""
    texts = ['▁<SU', '▁<SUF', '▁<PRE', '▁<M', '▁<MID', '▁<E', '▁<EOT']
    rows = [spm_piece(t, -32000.0 - i, NORMAL) for i, t in enumerate(texts)]
    for i in range(first + len(texts), first + 16):
        rows.append(
            spm_piece(INFILL[i], 0.0, CONTROL) if i in
            INFILL else spm_piece(f'▁<FILL{i}', -32000.0 - i, NORMAL))
    return b''.join(rows)


def _word_pieces():
    """Pieces in the order of a merge list: letters first, then pairs and triples of common ones,
    with and without the space mark."""
    letters = 'etaoinsrhldcumfpgwybvkxjqz'
    yield from '▁' + letters + letters.upper() + '0123456789_()[]{}.,:;=+-*/<>"\'#\\ \n\t'.replace(
        ' ', '')
    for a in '▁' + letters[:16]:
        for b in letters:
            yield a + b
    for head in ('▁', ''):
        for a in letters:
            for b in letters:
                for c in letters[:24]:
                    yield head + a + b + c


def spm_model(vocab):
    """A BPE SentencePiece model with byte fallback and the usual first 259 rows. vocab 260 ..
    32000."""
    out = spm_piece('<unk>', 0.0, UNKNOWN) + spm_piece('<s>', 0.0, CONTROL) + spm_piece(
        '</s>', 0.0, CONTROL)
    out += b''.join(spm_piece(f'<0x{b:02X}>', 0.0, BYTE) for b in range(256))
    seen, n = {}, 259
    for piece in _word_pieces():
        if n == vocab:
            break
        if piece not in seen:
            seen[piece] = True
            out += spm_piece(piece, 259.0 - n, NORMAL)
            n += 1
    assert n == vocab, 'not enough pieces'
    trainer = _int(3, 2) + _int(4, vocab) + _int(35, 1) + _int(40, 0) + _int(41, 1) + _int(42, 2)
    normalizer = _bytes(1, b'identity') + _int(3, 1) + _int(4, 0) + _int(5, 1)
    return out + _bytes(2, trainer) + _bytes(3, normalizer)


# ----------------------------------------------------------------------------------------------
# byte-level BPE (tokenizer.json)
MERGES = (
    'Ġ t|h e|i n|r e|o n|e r|Ġ a|Ġt he|Ġ s|a t|Ġ =|o r|e n|Ġ i|Ġ Ġ|ĠĠ ĠĠ|e s|i s|Ġ f|Ġ c|d e|de '
    'f|Ġ (|s e|l f|se lf|r n|re t|u rn|ret urn'
    '|Ġ w|Ġ o|n d|i t|Ġ b|in g|l e|o f|Ġ of|Ġa nd|t o|Ġ to|i f|Ġi n|p r|pr in|prin t|( )|: Ċ|c l'
).split('|')
SPLIT_LLAMA3 = (
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
    "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+"
    "|\\s+(?!\\S)|\\s+")
SPLIT_QWEN2 = SPLIT_LLAMA3.replace('\\p{N}{1,3}', '\\p{N}')


def byte_letters():
    """GPT-2's printable letter of every byte."""
    keep = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b]
    rest = [b for b in range(256) if b not in keep]
    return {**{b: chr(b) for b in keep}, **{b: chr(256 + i) for i, b in enumerate(rest)}}


def _split(pattern):
    return {'type': 'Sequence', 'pretokenizers': [
        {'type': 'Split', 'pattern': {'Regex': pattern}, 'behavior': 'Isolated', 'invert': False},
        {'type': 'ByteLevel', 'add_prefix_space': False, 'trim_offsets': True, 'use_regex': False}]}


PRE = {
    'llama3': _split(SPLIT_LLAMA3),
    'qwen2': _split(SPLIT_QWEN2),
    'smollm': {'type': 'Sequence', 'pretokenizers': [
        {'type': 'Digits', 'individual_digits': True},
        {'type': 'ByteLevel', 'add_prefix_space': False, 'trim_offsets': True, 'use_regex': True}]},
}


def added_token(i, content, special):
    """An entry of added_tokens in tokenizer.json."""
    return {
        'id': i,
        'content': content,
        'single_word': False,
        'lstrip': False,
        'rstrip': False,
        'normalized': False,
        'special': special
    }


def bpe_document(pre, vocab, merges, added):
    """tokenizer.json of a byte-level BPE with a pre-tokenizer of PRE."""
    return {
        'version': '1.0',
        'truncation': None,
        'padding': None,
        'added_tokens': added,
        'normalizer': {
            'type': 'NFC'
        } if pre == 'qwen2' else None,
        'pre_tokenizer': PRE[pre],
        'post_processor': None,
        'decoder': {
            'type': 'ByteLevel',
            'add_prefix_space': False,
            'trim_offsets': True,
            'use_regex': True
        },
        'model': {
            'type': 'BPE',
            'dropout': None,
            'unk_token': None,
            'continuing_subword_prefix': None,
            'end_of_word_suffix': None,
            'fuse_unk': False,
            'byte_fallback': False,
            'ignore_merges': pre == 'llama3',
            'vocab': vocab,
            'merges': merges
        }
    }


def bpe_json(pre, specials):
    """tokenizer.json with 256 bytes, 50 merges and then the special tokens. Returns its text and
    the number of tokens."""
    vocab = {c: i for i, c in enumerate(byte_letters().values())}
    for merge in MERGES:
        vocab.setdefault(merge.replace(' ', ''), len(vocab))
    added = [added_token(len(vocab) + i, content, True) for i, content in enumerate(specials)]
    doc = bpe_document(pre, vocab, list(MERGES), added)
    return json.dumps(doc, ensure_ascii=False), len(vocab) + len(specials)
