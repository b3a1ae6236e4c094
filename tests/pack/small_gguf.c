#include "tests/pack/small_gguf.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tests/pack/random.h"

enum { U32 = 4, I32 = 5, F32 = 6, STRING = 8, ARRAY = 9 };

static void put(FILE *f, const void *data, size_t bytes) { fwrite(data, 1, bytes, f); }
static void put32(FILE *f, uint32_t x) { put(f, &x, 4); }
static void put64(FILE *f, uint64_t x) { put(f, &x, 8); }
static void put_text(FILE *f, const char *text) {
    put64(f, strlen(text)), put(f, text, strlen(text));
}

static void key_uint(FILE *f, const char *key, uint32_t value) {
    put_text(f, key), put32(f, U32), put32(f, value);
}
static void key_text(FILE *f, const char *key, const char *value) {
    put_text(f, key), put32(f, STRING), put_text(f, value);
}
static void key_float(FILE *f, const char *key, float value) {
    put_text(f, key), put32(f, F32), put(f, &value, 4);
}
static void key_array(FILE *f, const char *key, uint32_t element, uint64_t count) {
    put_text(f, key), put32(f, ARRAY), put32(f, element), put64(f, count);
}

/* GPT-2's stand-in of a byte, or the name of what comes behind the bytes. */
static void token(uint32_t id, char out[32]) {
    static const char *const names[] = {"ab", "<bos>", "<eos>"};
    if (id >= 256) {
        if (id < 259)
            snprintf(out, 32, "%s", names[id - 256]);
        else
            snprintf(out, 32, "<extra %u>", id);
        return;
    }
    uint32_t code = id, shifted = 0;
    for (uint32_t b = 0; b <= id; b++) {
        int printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        if (b == id && !printable) code = 256 + shifted;
        shifted += !printable;
    }
    int n = 0;
    if (code >= 0x80)
        out[n++] = (char)(0xC0 | code >> 6), out[n++] = (char)(0x80 | (code & 63));
    else
        out[n++] = (char)code;
    out[n] = 0;
}

static void write_tokenizer(FILE *f, uint32_t vocab) {
    char text[32];
    key_text(f, "tokenizer.ggml.model", "gpt2");
    key_text(f, "tokenizer.ggml.pre", "gpt-2");
    key_array(f, "tokenizer.ggml.tokens", STRING, vocab);
    for (uint32_t i = 0; i < vocab; i++) token(i, text), put_text(f, text);
    key_array(f, "tokenizer.ggml.token_type", I32, vocab);
    for (uint32_t i = 0; i < vocab; i++) put32(f, i < 257 ? 1 : i < 259 ? 3 : 5);
    key_array(f, "tokenizer.ggml.merges", STRING, 1);
    put_text(f, "a b");
    key_uint(f, "tokenizer.ggml.bos_token_id", 257);
    key_uint(f, "tokenizer.ggml.eos_token_id", 258);
}

struct tensors {
    FILE *f;
    uint64_t offset, seed;
    int table; /* 1: entries, 0: data */
    float spoil;
    int coarse, hollow, sparse;
    const char *dense;
};

static uint64_t padded(uint64_t bytes) { return (bytes + 31) / 32 * 32; }

/* Blocks of 32 values in 18 bytes, the scale first: 0.01. */
static void put_coarse(struct tensors *t, uint64_t blocks) {
    for (uint64_t i = 0; i < blocks; i++) {
        uint8_t block[18] = {0x1f, 0x21};
        for (int k = 2; k < 18; k++) block[k] = (uint8_t)(random_normal(&t->seed) * 64 + 128);
        put(t->f, block, sizeof block);
    }
}

static void tensor(struct tensors *t, const char *name, uint32_t rows, uint32_t cols) {
    const bool sparse =
        t->sparse && rows && strstr(name, "blk.") && !(t->dense && strstr(name, t->dense));
    bool coarse = t->coarse && (strstr(name, "attn_k") || strstr(name, "ffn_gate"));
    uint64_t values = (uint64_t)(rows ? rows : 1) * cols,
             bytes = coarse ? values / 32 * 18 : values * 4;
    if (t->table) {
        put_text(t->f, name);
        put32(t->f, rows ? 2 : 1), put64(t->f, cols);
        if (rows) put64(t->f, rows);
        put32(t->f, coarse ? 2 : 0), put64(t->f, t->offset);
        t->offset += padded(bytes);
        return;
    }
    if (t->hollow) {
        fseeko(t->f, (off_t)padded(bytes) - 1, SEEK_CUR), fputc(0, t->f);
        return;
    }
    if (coarse) put_coarse(t, values / 32);
    for (uint64_t i = 0; i < bytes / 4 && !coarse; i++) {
        float x = random_normal(&t->seed) * (rows ? 0.05f : 0.1f) + (rows ? 0 : 1);
        if (t->spoil != 0 && i == 2 * cols + 1 && !strcmp(name, "blk.0.attn_q.weight"))
            x = t->spoil;
        if (sparse && !small_gguf_keeps((uint32_t)(i / cols), (uint32_t)(i % cols))) x = 0;
        put(t->f, &x, 4);
    }
    static const char zero[32];
    put(t->f, zero, padded(bytes) - bytes);
}

static void all_tensors(struct tensors *t, const struct small_gguf *s) {
    tensor(t, "token_embd.weight", s->vocab, s->dim);
    for (uint32_t i = 0; i < s->layers; i++) {
        const struct {
            const char *name;
            uint32_t rows, cols;
        } parts[] = {{"attn_norm", 0, s->dim},
                     {"attn_q", s->heads * s->head_dim, s->dim},
                     {"attn_k", s->kv_heads * s->head_dim, s->dim},
                     {"attn_v", s->kv_heads * s->head_dim, s->dim},
                     {"attn_output", s->dim, s->heads * s->head_dim},
                     {"ffn_norm", 0, s->dim},
                     {"ffn_gate", s->ffn, s->dim},
                     {"ffn_up", s->ffn, s->dim},
                     {"ffn_down", s->dim, s->ffn}};
        for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) {
            char name[64];
            snprintf(name, sizeof name, "blk.%u.%s.weight", i, parts[k].name);
            tensor(t, name, parts[k].rows, parts[k].cols);
        }
    }
    tensor(t, "output_norm.weight", 0, s->dim);
    if (!s->tied) tensor(t, "output.weight", s->vocab, s->dim);
}

static uint32_t or_default(uint32_t value, uint32_t instead) { return value ? value : instead; }

int small_gguf_write(const struct small_gguf *spec, const char *path) {
    struct small_gguf s = *spec;
    s.layers = or_default(s.layers, 2), s.dim = or_default(s.dim, 96),
    s.heads = or_default(s.heads, 3), s.kv_heads = or_default(s.kv_heads, 1);
    s.head_dim = or_default(s.head_dim, 32), s.ffn = or_default(s.ffn, 100),
    s.vocab = or_default(s.vocab, 264);
    s.positions = or_default(s.positions, 128);
    FILE *f = fopen(path, "wb");
    if (!f) return 1;
    put(f, "GGUF", 4), put32(f, 3), put64(f, 2 + 9 * (uint64_t)s.layers + !s.tied),
        put64(f, (s.no_tokenizer ? 13 : 20) + (s.chat_template != NULL) + (s.window != 0));
    key_text(f, "general.architecture", "llama");
    key_text(f, "general.name", "Small Model");
    key_uint(f, "llama.block_count", s.layers);
    key_uint(f, "llama.embedding_length", s.dim);
    key_uint(f, "llama.feed_forward_length", s.ffn);
    key_uint(f, "llama.attention.head_count", s.heads);
    key_uint(f, "llama.attention.head_count_kv", s.kv_heads);
    key_uint(f, "llama.attention.key_length", s.head_dim);
    key_uint(f, "llama.attention.value_length", s.head_dim);
    key_uint(f, "llama.rope.dimension_count", s.head_dim);
    key_uint(f, "llama.context_length", s.positions);
    key_float(f, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    key_float(f, "llama.rope.freq_base", 10000);
    if (s.window) key_uint(f, "llama.attention.sliding_window", s.window);
    if (!s.no_tokenizer) write_tokenizer(f, s.vocab);
    if (s.chat_template) key_text(f, "tokenizer.chat_template", s.chat_template);
    struct tensors t = {.f = f,
                        .seed = 3,
                        .table = 1,
                        .spoil = s.spoil,
                        .coarse = s.coarse,
                        .hollow = s.hollow,
                        .sparse = s.sparse,
                        .dense = s.dense};
    all_tensors(&t, &s);
    static const char zero[32];
    long at = ftell(f);
    put(f, zero, (size_t)(padded((uint64_t)at) - (uint64_t)at));
    t.table = 0;
    all_tensors(&t, &s);
    int bad = ferror(f);
    return fclose(f) || bad;
}
