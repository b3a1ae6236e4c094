#include "tests/source/written.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weights/pack/checkpoint/gguf.h"

/* Tests and seeds only: out of memory ends the program. */
static void *must(void *p) {
    if (!p) abort();
    return p;
}

void put(struct bytes *b, const void *data, size_t size) {
    if (b->size + size > b->room) {
        b->room = (b->size + size) * 2;
        b->data = must(realloc(b->data, b->room));
    }
    if (size) memcpy(b->data + b->size, data, size);
    b->size += size;
}

void put_uint(struct bytes *b, uint64_t value, int width) {
    uint8_t raw[8];
    for (int i = 0; i < width; i++) raw[i] = (uint8_t)(value >> 8 * i);
    put(b, raw, (size_t)width);
}

void bytes_trim(struct bytes *b) {
    b->data = must(realloc(b->data, b->size ? b->size : 1));
    b->room = b->size;
}

void bytes_free(struct bytes *b) {
    free(b->data);
    *b = (struct bytes){0};
}

/* A claimed length a little above the text's is filled with zero bytes; one far above it is only
 * claimed. */
static void put_text(struct bytes *b, const char *text, uint64_t claimed) {
    put_uint(b, claimed ? claimed : strlen(text), 8);
    put(b, text, strlen(text));
    for (uint64_t i = strlen(text); i < claimed && claimed < 4096; i++) put(b, "", 1);
}

static void put_value(struct bytes *b, const struct gguf_key *k, uint32_t kind) {
    static const int widths[13] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    if (kind == GGUF_STRING) {
        put_text(b, k->text ? k->text : "", k->text_bytes);
    } else if (kind == GGUF_F32) {
        float f = (float)k->real;
        put(b, &f, sizeof f);
    } else if (kind == GGUF_F64) {
        put(b, &k->real, sizeof k->real);
    } else if (kind < 13) {
        put_uint(b, (uint64_t)k->number, widths[kind]);
    }
}

/* -------------------------------------------------------------------------------------- GGUF -- */

struct gguf_key *add_key(struct gguf_description *g, struct gguf_key key) {
    assert(g->keys_count < sizeof g->keys / sizeof g->keys[0]);
    g->keys[g->keys_count] = key;
    return &g->keys[g->keys_count++];
}

struct gguf_entry *add_entry(struct gguf_description *g, struct gguf_entry entry) {
    assert(g->tensors_count < sizeof g->tensors / sizeof g->tensors[0]);
    g->tensors[g->tensors_count] = entry;
    return &g->tensors[g->tensors_count++];
}

struct gguf_key *find_key(struct gguf_description *g, const char *key) {
    for (size_t i = 0; i < g->keys_count; i++)
        if (strcmp(g->keys[i].key, key) == 0) return &g->keys[i];
    abort();
}

struct gguf_entry *find_entry(struct gguf_description *g, const char *tensor) {
    for (size_t i = 0; i < g->tensors_count; i++)
        if (strcmp(g->tensors[i].name, tensor) == 0) return &g->tensors[i];
    abort();
}

void drop_key(struct gguf_description *g, const char *key) {
    struct gguf_key *k = find_key(g, key);
    memmove(k, k + 1, (size_t)(&g->keys[--g->keys_count] - k) * sizeof *k);
}

void drop_entry(struct gguf_description *g, const char *tensor) {
    struct gguf_entry *t = find_entry(g, tensor);
    memmove(t, t + 1, (size_t)(&g->tensors[--g->tensors_count] - t) * sizeof *t);
}

static void describe_tensor(struct gguf_description *g, const char *name, uint64_t cols,
                            uint64_t rows) {
    add_entry(g, (struct gguf_entry){.name = name,
                                     .dims = rows ? 2 : 1,
                                     .shape = {cols, rows ? rows : 1},
                                     .size = cols * (rows ? rows : 1) * 4});
}

void describe_gguf(struct gguf_description *g) {
    static const struct gguf_key keys[] = {
        {.key = "general.architecture", .kind = GGUF_STRING, .text = "llama"},
        {.key = "general.name", .kind = GGUF_STRING, .text = "tiny"},
        {.key = "llama.block_count", .kind = GGUF_U32, .number = 2},
        {.key = "llama.context_length", .kind = GGUF_U32, .number = 64},
        {.key = "llama.embedding_length", .kind = GGUF_U32, .number = 8},
        {.key = "llama.feed_forward_length", .kind = GGUF_U32, .number = 12},
        {.key = "llama.attention.head_count", .kind = GGUF_U32, .number = 2},
        {.key = "llama.attention.head_count_kv", .kind = GGUF_U32, .number = 1},
        {.key = "llama.attention.layer_norm_rms_epsilon", .kind = GGUF_F32, .real = 1e-5},
        {.key = "llama.rope.freq_base", .kind = GGUF_F32, .real = 10000},
        {.key = "llama.rope.dimension_count", .kind = GGUF_U32, .number = 4},
        {.key = "llama.vocab_size", .kind = GGUF_U32, .number = 10},
        {.key = "tokenizer.ggml.tokens",
         .kind = GGUF_ARRAY,
         .element = GGUF_STRING,
         .count = 10,
         .text = "a"},
        {.key = "tokenizer.ggml.scores",
         .kind = GGUF_ARRAY,
         .element = GGUF_F32,
         .count = 10,
         .real = -1},
        {.key = "tokenizer.ggml.token_type",
         .kind = GGUF_ARRAY,
         .element = GGUF_I32,
         .count = 10,
         .number = 1},
        {.key = "tokenizer.ggml.bos_token_id", .kind = GGUF_U32, .number = 1},
        {.key = "tokenizer.ggml.eos_token_id", .kind = GGUF_U32, .number = 2},
        {.key = "tokenizer.ggml.add_bos_token", .kind = GGUF_BOOL, .number = 1},
    };
    static const struct {
        const char *name;
        uint64_t cols, rows;
    } layer[2][9] = {{{"blk.0.attn_norm.weight", 8, 0},
                      {"blk.0.attn_q.weight", 8, 8},
                      {"blk.0.attn_k.weight", 8, 4},
                      {"blk.0.attn_v.weight", 8, 4},
                      {"blk.0.attn_output.weight", 8, 8},
                      {"blk.0.ffn_norm.weight", 8, 0},
                      {"blk.0.ffn_gate.weight", 8, 12},
                      {"blk.0.ffn_up.weight", 8, 12},
                      {"blk.0.ffn_down.weight", 12, 8}},
                     {{"blk.1.attn_norm.weight", 8, 0},
                      {"blk.1.attn_q.weight", 8, 8},
                      {"blk.1.attn_k.weight", 8, 4},
                      {"blk.1.attn_v.weight", 8, 4},
                      {"blk.1.attn_output.weight", 8, 8},
                      {"blk.1.ffn_norm.weight", 8, 0},
                      {"blk.1.ffn_gate.weight", 8, 12},
                      {"blk.1.ffn_up.weight", 8, 12},
                      {"blk.1.ffn_down.weight", 12, 8}}};
    *g = (struct gguf_description){.magic = "GGUF",
                                   .version = 3,
                                   .tensors_claimed = UINT64_MAX,
                                   .keys_claimed = UINT64_MAX,
                                   .alignment = 32};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) add_key(g, keys[i]);
    describe_tensor(g, "token_embd.weight", 8, 10);
    for (int l = 0; l < 2; l++)
        for (int i = 0; i < 9; i++)
            describe_tensor(g, layer[l][i].name, layer[l][i].cols, layer[l][i].rows);
    describe_tensor(g, "output_norm.weight", 8, 0);
    describe_tensor(g, "output.weight", 8, 10);
}

void describe_mellum(struct gguf_description *g) {
    static char names[sizeof g->keys / sizeof g->keys[0]][64];
    static const char *const gains[] = {"blk.0.attn_q_norm.weight", "blk.0.attn_k_norm.weight",
                                        "blk.1.attn_q_norm.weight", "blk.1.attn_k_norm.weight"};
    describe_gguf(g);
    find_key(g, "general.architecture")->text = "mellum";
    for (size_t i = 0; i < g->keys_count; i++) {
        if (strncmp(g->keys[i].key, "llama.", 6) != 0) continue;
        snprintf(names[i], sizeof names[i], "mellum.%s", g->keys[i].key + 6);
        g->keys[i].key = names[i];
    }
    for (size_t i = 0; i < sizeof gains / sizeof gains[0]; i++)
        add_entry(g, (struct gguf_entry){
                         .name = gains[i], .dims = 1, .shape = {4}, .size = 16, .first = 1});
    add_key(g, (struct gguf_key){
                   .key = "mellum.attention.sliding_window", .kind = GGUF_U32, .number = 24});
}

static void put_floats(struct bytes *b, size_t size, float first) {
    for (size_t i = 0; i < size / 4; i++) {
        float f = i == 0 && first != 0 ? first : (float)(i % 97) / 128.0f;
        put(b, &f, sizeof f);
    }
    for (size_t i = 0; i < size % 4; i++) put(b, "", 1);
}

static void pad(struct bytes *b, size_t alignment) {
    while (b->size % alignment) put(b, "", 1);
}

struct bytes write_gguf(const struct gguf_description *g) {
    struct bytes b = {0};
    put(&b, g->magic, 4);
    put_uint(&b, g->version, 4);
    put_uint(&b, g->tensors_claimed == UINT64_MAX ? g->tensors_count : g->tensors_claimed, 8);
    put_uint(&b, g->keys_claimed == UINT64_MAX ? g->keys_count : g->keys_claimed, 8);
    for (size_t i = 0; i < g->keys_count; i++) {
        const struct gguf_key *k = &g->keys[i];
        put_text(&b, k->key, k->key_bytes);
        put_uint(&b, k->kind, 4);
        if (k->kind != GGUF_ARRAY) {
            put_value(&b, k, k->kind);
            continue;
        }
        put_uint(&b, k->element, 4);
        put_uint(&b, k->claimed ? k->claimed : k->count, 8);
        for (uint64_t n = 0; n < k->count; n++) put_value(&b, k, k->element);
    }
    uint64_t offset = 0;
    for (size_t i = 0; i < g->tensors_count; i++) {
        const struct gguf_entry *t = &g->tensors[i];
        put_text(&b, t->name, t->name_bytes);
        put_uint(&b, t->dims, 4);
        for (uint32_t n = 0; n < t->dims && n < 5; n++) put_uint(&b, t->shape[n], 8);
        put_uint(&b, t->type, 4);
        put_uint(&b, offset + (uint64_t)t->shift, 8);
        offset += (t->size + g->alignment - 1) / g->alignment * g->alignment;
    }
    for (size_t i = 0; i < g->tensors_count; i++) {
        pad(&b, g->alignment);
        put_floats(&b, (size_t)g->tensors[i].size, g->tensors[i].first);
    }
    for (size_t i = 0; i < g->extra; i++) put(&b, "x", 1);
    bytes_trim(&b);
    return b;
}

/* ------------------------------------------------------------------------------- safetensors -- */

const char *const CONFIG_JSON = "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": "
                                "\"llama\", \"hidden_size\": 8, \"num_hidden_layers\": 2, "
                                "\"num_attention_heads\": 2, \"num_key_value_heads\": 1, "
                                "\"intermediate_size\": 12, \"vocab_size\": 10, "
                                "\"max_position_embeddings\": 64, \"rms_norm_eps\": 1e-05, "
                                "\"rope_theta\": 10000.0, \"rope_scaling\": null, "
                                "\"hidden_act\": \"silu\", \"tie_word_embeddings\": false, "
                                "\"bos_token_id\": 1, \"eos_token_id\": 2}";

static size_t put_entry(char *text, size_t size, const char *name, int layer, int rows, int cols,
                        size_t *at) {
    size_t bytes = (size_t)(rows ? rows : 1) * (size_t)cols * 4;
    char where[32] = "", shape[32];
    if (layer >= 0) snprintf(where, sizeof where, "model.layers.%d.", layer);
    if (rows)
        snprintf(shape, sizeof shape, "%d, %d", rows, cols);
    else
        snprintf(shape, sizeof shape, "%d", cols);
    int n =
        snprintf(text, size,
                 "%s\"%s%s\": {\"dtype\": \"F32\", \"shape\": [%s], \"data_offsets\": [%zu, %zu]}",
                 *at ? ", " : "{", where, name, shape, *at, *at + bytes);
    *at += bytes;
    assert(n > 0 && (size_t)n < size);
    return (size_t)n;
}

char *safetensors_header(size_t *data) {
    static const struct {
        const char *name;
        int rows, cols;
    } layer[] = {{"input_layernorm.weight", 0, 8},  {"self_attn.q_proj.weight", 8, 8},
                 {"self_attn.k_proj.weight", 4, 8}, {"self_attn.v_proj.weight", 4, 8},
                 {"self_attn.o_proj.weight", 8, 8}, {"post_attention_layernorm.weight", 0, 8},
                 {"mlp.gate_proj.weight", 12, 8},   {"mlp.up_proj.weight", 12, 8},
                 {"mlp.down_proj.weight", 8, 12}};
    size_t room = 8192, used = 0;
    char *text = must(malloc(room));
    *data = 0;
    used += put_entry(text, room, "model.embed_tokens.weight", -1, 10, 8, data);
    for (int l = 0; l < 2; l++)
        for (size_t i = 0; i < sizeof layer / sizeof layer[0]; i++)
            used += put_entry(text + used, room - used, layer[i].name, l, layer[i].rows,
                              layer[i].cols, data);
    used += put_entry(text + used, room - used, "model.norm.weight", -1, 0, 8, data);
    used += put_entry(text + used, room - used, "lm_head.weight", -1, 10, 8, data);
    assert(used + 2 < room);
    memcpy(text + used, "}", 2);
    return text;
}

struct bytes write_safetensors(const char *header, uint64_t claimed, size_t data) {
    struct bytes b = {0};
    put_uint(&b, claimed ? claimed : strlen(header), 8);
    put(&b, header, strlen(header));
    put_floats(&b, data, 0);
    bytes_trim(&b);
    return b;
}

char *replaced(const char *text, const char *find, const char *with) {
    const char *at = strstr(text, find);
    if (!at) abort();
    char *out = must(malloc(strlen(text) + strlen(with) + 1));
    sprintf(out, "%.*s%s%s", (int)(at - text), text, with, at + strlen(find));
    return out;
}

struct source *open_json(const char *find, const char *with, const char *header_find,
                         const char *header_with, struct bytes *file, struct diag *d) {
    size_t data;
    char *config = find ? replaced(CONFIG_JSON, find, with) : strdup(CONFIG_JSON),
         *header = safetensors_header(&data);
    if (header_find) {
        char *other = replaced(header, header_find, header_with);
        free(header);
        header = other;
    }
    *file = write_safetensors(header, 0, data);
    *d = (struct diag){{0}};
    struct source *source =
        source_open_json_memory(config, strlen(config), file->data, file->size, d);
    free(config);
    free(header);
    return source;
}
