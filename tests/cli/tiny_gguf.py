"""Writes a tiny random Llama as a GGUF file with nothing but the standard library, for tests of the
command line.

SentencePiece tokenizer with all bytes and some words; byte tokens and control tokens get small
logits, so that greedy text is readable. The context is long, so that a generation can be made to
last."""
import random
import struct

DIM, FFN, LAYERS, HEADS, KV_HEADS, HEAD_DIM, POSITIONS = 64, 128, 2, 2, 1, 32, 32768
UINT32, FLOAT, BOOL, STRING, ARRAY, INT32 = 4, 6, 7, 8, 9, 5
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6
BOS, EOS, FIRST_BYTE = 1, 2, 3


def vocabulary():
    """(text, score, type) of every token."""
    tokens = [('<unk>', 0.0, UNKNOWN), ('<s>', 0.0, CONTROL), ('</s>', 0.0, CONTROL)]
    tokens += [(f'<0x{b:02X}>', 0.0, BYTE) for b in range(256)]
    pieces = ['\u2581'] + [chr(c) for c in range(ord('a'), ord('z') + 1)] + list('.,()=:')
    for word in ('the', 'dog', 'fox', 'def', 'add', 'over', 'lazy', 'quick', 'return'):
        for begin in (word, '\u2581' + word):
            pieces += [begin[:n] for n in range(2, len(begin) + 1)]
    pieces = list(dict.fromkeys(pieces))
    return tokens + [(piece, -float(i), NORMAL) for i, piece in enumerate(pieces)]


def string(text):
    data = text.encode()
    return struct.pack('<Q', len(data)) + data


def value(kind, x):
    return string(x) if kind == STRING else struct.pack({
        UINT32: '<I',
        INT32: '<i',
        FLOAT: '<f',
        BOOL: '<?'
    }[kind], x)


def entry(key, kind, x):
    return string(key) + struct.pack('<I', kind) + value(kind, x)


def array(key, kind, xs):
    return string(key) + struct.pack('<IIQ', ARRAY, kind, len(xs)) + b''.join(
        value(kind, x) for x in xs)


def metadata(tokens, tokenizer):
    llama = [('context_length', UINT32, POSITIONS), ('embedding_length', UINT32, DIM),
             ('block_count', UINT32, LAYERS), ('feed_forward_length', UINT32, FFN),
             ('attention.head_count', UINT32, HEADS), ('attention.head_count_kv', UINT32, KV_HEADS),
             ('attention.layer_norm_rms_epsilon', FLOAT, 1e-5),
             ('rope.dimension_count', UINT32, HEAD_DIM), ('rope.freq_base', FLOAT, 1e4)]
    entries = [
        entry('general.architecture', STRING, 'llama'),
        entry('general.name', STRING, 'tiny'),
        entry('general.alignment', UINT32, 32)
    ]
    entries += [entry('llama.' + k, kind, x) for k, kind, x in llama]
    if not tokenizer:
        return entries
    t = 'tokenizer.ggml.'
    entries += [
        entry(t + 'model', STRING, 'llama'),
        array(t + 'tokens', STRING, [x[0] for x in tokens]),
        array(t + 'scores', FLOAT, [x[1] for x in tokens]),
        array(t + 'token_type', INT32, [x[2] for x in tokens]),
        entry(t + 'bos_token_id', UINT32, BOS),
        entry(t + 'eos_token_id', UINT32, EOS),
        entry(t + 'unknown_token_id', UINT32, 0),
        entry(t + 'add_bos_token', BOOL, True),
        entry(t + 'add_eos_token', BOOL, False)
    ]
    return entries


def weights(rng, rows, cols, row_size=lambda row: 1.0):
    size = cols ** -0.5
    return [rng.gauss(0, size) * row_size(row) for row in range(rows) for _ in range(cols)]


def tensors(rng, tokens):
    """(name, dimensions with the row length first, values)."""
    def readable(row):
        return 3.0 if tokens[row][2] == NORMAL else 0.3
    vocab = len(tokens)
    yield 'token_embd.weight', (DIM, vocab), weights(rng, vocab, DIM)
    for layer in range(LAYERS):
        p = f'blk.{layer}.'
        yield p + 'attn_norm.weight', (DIM,), [1.0] * DIM
        yield p + 'attn_q.weight', (DIM, HEADS * HEAD_DIM), weights(rng, HEADS * HEAD_DIM, DIM)
        yield p + 'attn_k.weight', (DIM,
                                    KV_HEADS * HEAD_DIM), weights(rng, KV_HEADS * HEAD_DIM, DIM)
        yield p + 'attn_v.weight', (DIM,
                                    KV_HEADS * HEAD_DIM), weights(rng, KV_HEADS * HEAD_DIM, DIM)
        yield p + 'attn_output.weight', (HEADS * HEAD_DIM, DIM), weights(rng, DIM, HEADS * HEAD_DIM)
        yield p + 'ffn_norm.weight', (DIM,), [1.0] * DIM
        yield p + 'ffn_gate.weight', (DIM, FFN), weights(rng, FFN, DIM)
        yield p + 'ffn_up.weight', (DIM, FFN), weights(rng, FFN, DIM)
        yield p + 'ffn_down.weight', (FFN, DIM), weights(rng, DIM, FFN)
    yield 'output_norm.weight', (DIM,), [1.0] * DIM
    yield 'output.weight', (DIM, vocab), weights(rng, vocab, DIM, readable)


def write(path, seed=1, swapped=False, tokenizer=True, controls=(), extra=()):
    """swapped: two pieces change places, so that the model means other texts by their ids.
    controls: control tokens besides, behind all others. extra: entries of the metadata besides."""
    tokens = vocabulary() + [(text, 0.0, CONTROL) for text in controls]
    if swapped:
        tokens[-2:] = [tokens[-1], tokens[-2]]
    entries = metadata(tokens, tokenizer) + list(extra)
    heads, data = [], b''
    for name, dimensions, values in tensors(random.Random(seed), tokens):
        heads.append(
            string(name) + struct.pack('<I', len(dimensions)) +
            b''.join(struct.pack('<Q', d) for d in dimensions) + struct.pack('<IQ', 0, len(data)))
        data += struct.pack(f'<{len(values)}f', *values)
        data += bytes(-len(data) % 32)
    front = b'GGUF' + struct.pack('<IQQ', 3, len(heads),
                                  len(entries)) + b''.join(entries) + b''.join(heads)
    with open(path, 'wb') as f:
        f.write(front + bytes(-len(front) % 32) + data)
    return len(tokens)
