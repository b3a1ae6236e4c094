/* The blob reader against damage of every kind. The blob lies between pages that cannot be touched, and is read-only while it is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "apus/apus.h"
#include "tests/blob/touch_blob.h"
#include "tests/pack/tiny_blob.h"
#include "weights/blob.h"

static size_t size;
static uint8_t *good; /* never changed */
static uint8_t *data; /* a copy to damage */

static uint8_t *between_guards(size_t bytes) {
    uint8_t *p = mmap(NULL, bytes + 2 * BLOB_ALIGN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || mprotect(p + BLOB_ALIGN, bytes, PROT_READ | PROT_WRITE)) abort();
    return p + BLOB_ALIGN;
}

/* Two layers: one with everything and biases, one without attention. Small, since most tests read all of it. */
enum {
    DIM = 48,
    HEADS = 4,
    KV_HEADS = 2,
    HEAD_DIM = 16,
    FFN = 64,
    VOCAB = 258,
    POSITIONS = 8,
    LAYERS = 2,
    TENSORS = 2 + LT_COUNT + 3,
    EOS = 257
};
static const struct tiny_spec spec = {.layers = LAYERS,
                                      .dim = DIM,
                                      .heads = HEADS,
                                      .kv_heads = KV_HEADS,
                                      .head_dim = HEAD_DIM,
                                      .ffn = FFN,
                                      .vocab = VOCAB,
                                      .positions = POSITIONS,
                                      .weights = WEIGHT_W4,
                                      .bias = 1,
                                      .add_bos = 1,
                                      .without_attention = 2};

static int make(void **state) {
    (void)state;
    void *blob = tiny_blob(&spec, &size);
    if (!blob) return 1;
    good = between_guards(size);
    data = between_guards(size);
    memcpy(good, blob, size);
    free(blob);
    return mprotect(good, size, PROT_READ);
}

/* Where a section is, by the table in `blob`. */
static void *section(uint8_t *blob, uint32_t kind) { return blob + ((struct blob_header *)(void *)blob)->section[kind].offset; }

static int restore(void **state) {
    (void)state;
    memcpy(data, good, size);
    return 0;
}

static void keep_text(void *user, int level, const char *text) {
    assert_int_equal(level, APUS_LOG_ERROR);
    assert_true(strlen(text) > 0 && strlen(text) < BLOB_WHY);
    assert_null(strchr(text, '\n'));
    snprintf(user, BLOB_WHY, "%s", text);
}

/* Opens `bytes` of data while nobody can write to it; a failure must say something and leave the blob as it was. */
static apus_status opens(size_t bytes, apus_blob *blob, char why[BLOB_WHY]) {
    apus_port port = {.size = sizeof port, .user = why, .log = keep_text};
    apus_blob before;
    memset(blob, 0x5a, sizeof *blob);
    before = *blob;
    why[0] = 0;
    assert_int_equal(mprotect(data, size, PROT_READ), 0);
    apus_status status = apus_blob_open(blob, data, bytes, &port);
    assert_int_equal(mprotect(data, size, PROT_READ | PROT_WRITE), 0);
    if (status != APUS_OK) {
        assert_memory_equal(blob, &before, sizeof before);
        assert_true(why[0] != 0);
    }
    return status;
}

/* --------------------------------------------------------------------------------------------------------------- whole -- */

static void opens_and_describes(void **state) {
    (void)state;
    apus_blob blob;
    char why[BLOB_WHY];
    assert_int_equal(opens(size, &blob, why), APUS_OK);
    apus_info info;
    assert_int_equal(apus_describe(&blob, &info), APUS_OK);
    assert_string_equal(info.name, "tiny");
    assert_string_equal(info.architecture, "random");
    assert_string_equal(info.provenance, "random integers");
    assert_int_equal(info.bytes, size);
    assert_true(info.parameters > 0);
    assert_int_equal(info.layers, LAYERS);
    assert_int_equal(info.dim, DIM);
    assert_int_equal(info.max_positions, POSITIONS);
    assert_int_equal(info.tensors, TENSORS);
    assert_int_equal(info.vocab, VOCAB);
    assert_string_equal(info.tokenizer, "bpe");
    assert_int_equal(info.add_bos, 1);
    assert_int_equal(info.bos, 256);
    assert_int_equal(info.eos, EOS);
    assert_int_equal(info.end_tokens, 1);
    apus_layer_info layer;
    assert_int_equal(apus_describe_layer(&blob, 0, &layer), APUS_OK);
    assert_int_equal(layer.heads, HEADS);
    assert_int_equal(layer.kv_heads, KV_HEADS);
    assert_int_equal(layer.head_dim, HEAD_DIM);
    assert_int_equal(layer.ffn, FFN);
    assert_int_equal(apus_describe_layer(&blob, 1, &layer), APUS_OK);
    assert_int_equal(layer.heads, 0);
    assert_int_equal(apus_describe_layer(&blob, LAYERS, &layer), APUS_E_ARGUMENT);
    apus_tensor_info tensor;
    uint64_t pass = 0, weights = 0;
    for (uint32_t i = 0; i < TENSORS; i++) {
        assert_int_equal(apus_describe_tensor(&blob, i, &tensor), APUS_OK);
        if (i) pass += tensor.bytes, weights += (uint64_t)tensor.rows * tensor.cols;
    }
    assert_int_equal(info.weight_bytes, pass);
    assert_true(info.bits_per_weight == 8.0 * (double)pass / (double)weights);
    assert_int_equal(apus_describe_tensor(&blob, TENSORS, &tensor), APUS_E_ARGUMENT);
    assert_int_equal(apus_describe_tensor(&blob, 2, &tensor), APUS_OK);
    assert_string_equal(tensor.name, "layer.0.attn_k");
    assert_string_equal(tensor.type, "w4");
    /* 32 rows of 48 columns: 2 panels of a line of scales and 8 lines; row scales and biases */
    assert_int_equal(tensor.bytes, 2 * 9 * 64 + 32 * 4 * 2);
    int32_t id = 77;
    assert_int_equal(apus_describe_end_token(&blob, 1, &id), APUS_E_ARGUMENT);
    assert_int_equal(id, 77);
    assert_int_equal(apus_describe_end_token(&blob, 0, &id), APUS_OK);
    assert_int_equal(id, EOS);
    touch_blob(&blob);
}

static void says_which_argument(void **state) {
    (void)state;
    apus_blob blob = {{0}};
    apus_info info;
    const char *where;
    apus_port port = {.size = sizeof port};
    assert_int_equal(apus_describe(&blob, &info), APUS_E_ARGUMENT);
    assert_int_equal(apus_blob_verify(&blob, &where), APUS_E_ARGUMENT);
    assert_int_equal(apus_blob_open(&blob, NULL, size, NULL), APUS_E_ARGUMENT);
    assert_int_equal(apus_blob_open(NULL, good, size, NULL), APUS_E_ARGUMENT);
    for (size_t shift = 1; shift < BLOB_ALIGN; shift *= 2)
        assert_int_equal(apus_blob_open(&blob, good + shift, size - BLOB_ALIGN, NULL), APUS_E_ARGUMENT);
    assert_int_equal(apus_blob_open(&blob, good, 0, &port), APUS_E_FORMAT);
    port.size = sizeof port + 1;
    assert_int_equal(apus_blob_open(&blob, good, size, &port), APUS_E_ARGUMENT);
    port.size = 0;
    assert_int_equal(apus_blob_open(&blob, good, size, &port), APUS_E_ARGUMENT);
    port.size = offsetof(apus_port, log); /* no log in this one: nothing is called */
    assert_int_equal(apus_blob_open(&blob, good, 5, &port), APUS_E_FORMAT);
    assert_int_equal(apus_blob_open(&blob, good, size, NULL), APUS_OK);
    assert_int_equal(apus_describe(&blob, NULL), APUS_E_ARGUMENT);
    assert_int_equal(apus_describe(NULL, &info), APUS_E_ARGUMENT);
}

static void finds_every_changed_byte(void **state) {
    (void)state;
    const struct blob_header *h = (const struct blob_header *)(const void *)good;
    uint64_t weights = h->section[BLOB_WEIGHTS].offset, weights_end = weights + h->section[BLOB_WEIGHTS].bytes;
    apus_blob blob;
    char why[BLOB_WHY];
    for (size_t i = 0; i < size; i++) {
        uint8_t change = (uint8_t)(1u << i % 8);
        data[i] ^= change;
        apus_status status = opens(size, &blob, why);
        if (i >= weights && i < weights_end) {
            const char *where;
            assert_int_equal(status, APUS_OK);
            assert_int_equal(apus_blob_verify(&blob, &where), APUS_E_FORMAT);
            assert_string_equal(where, "WEIGHTS");
        } else if (i / 4 == 1) {
            assert_int_equal(status, APUS_E_VERSION);
        } else {
            assert_int_equal(status, APUS_E_FORMAT);
        }
        data[i] ^= change;
    }
    assert_int_equal(opens(size, &blob, why), APUS_OK);
    const char *where = "";
    assert_int_equal(apus_blob_verify(&blob, &where), APUS_OK);
    assert_null(where);
}

/* Cut anywhere, with the header as it is and with one that says the cut size. */
static void refuses_every_truncation(void **state) {
    (void)state;
    struct blob_header *h = (struct blob_header *)(void *)data;
    apus_blob blob;
    char why[BLOB_WHY];
    for (size_t n = 0; n < size; n++) {
        assert_int_equal(opens(n, &blob, why), APUS_E_FORMAT);
        if (n < sizeof *h) continue;
        h->file_bytes = n;
        assert_int_equal(opens(n, &blob, why), APUS_E_FORMAT);
        h->file_bytes = size;
    }
    for (size_t n = BLOB_ALIGN; n < size; n += BLOB_ALIGN) { /* with nothing readable behind the cut */
        uint8_t *cut = between_guards(n);
        memcpy(cut, data, n);
        ((struct blob_header *)(void *)cut)->file_bytes = n;
        tiny_reseal(cut, n);
        assert_int_equal(apus_blob_open(&blob, cut, n, NULL), APUS_E_FORMAT);
        munmap(cut - BLOB_ALIGN, n + 2 * BLOB_ALIGN);
    }
}

/* -------------------------------------------------------------------------------------------------------------- fields -- */

/* A field of a record in a section, or of the header (section BLOB_SECTIONS). */
struct field {
    uint32_t section, record, offset, bytes;
    const char *name;
};
#define HEADER_FIELD(f)                                                                                                                    \
    { BLOB_SECTIONS, 0, offsetof(struct blob_header, f), sizeof(((struct blob_header *)0)->f), #f }
#define SECTION_FIELD(k, f)                                                                                                                \
    {                                                                                                                                      \
        BLOB_SECTIONS, 0,                                                                                                                  \
            (uint32_t)(offsetof(struct blob_header, section) + (k) * sizeof(struct blob_section) + offsetof(struct blob_section, f)), 8,   \
            #f                                                                                                                             \
    }
#define SECTION_FIELDS(k) SECTION_FIELD(k, offset), SECTION_FIELD(k, bytes)
#define MODEL_FIELD(f)                                                                                                                     \
    { BLOB_MODEL, 0, offsetof(struct blob_model, f), sizeof(((struct blob_model *)0)->f), #f }
#define LAYER_FIELD(i, f)                                                                                                                  \
    { BLOB_LAYERS, i, offsetof(struct blob_layer, f), sizeof(((struct blob_layer *)0)->f), #f }
#define LAYER_FIELDS(i)                                                                                                                    \
    LAYER_FIELD(i, heads), LAYER_FIELD(i, kv_heads), LAYER_FIELD(i, ffn), LAYER_FIELD(i, zero), LAYER_FIELD(i, zero2),                     \
        LAYER_FIELD(i, tensor[0]), LAYER_FIELD(i, tensor[1]), LAYER_FIELD(i, tensor[2]), LAYER_FIELD(i, tensor[3]),                        \
        LAYER_FIELD(i, tensor[4]), LAYER_FIELD(i, tensor[5]), LAYER_FIELD(i, tensor[6])
#define TENSOR_FIELD(i, f)                                                                                                                 \
    { BLOB_TENSORS, i, offsetof(struct blob_tensor, f), sizeof(((struct blob_tensor *)0)->f), #f }
#define TENSOR_FIELDS(i)                                                                                                                   \
    TENSOR_FIELD(i, type), TENSOR_FIELD(i, rows), TENSOR_FIELD(i, cols), TENSOR_FIELD(i, row_scales), TENSOR_FIELD(i, bias),               \
        TENSOR_FIELD(i, zero), TENSOR_FIELD(i, offset), TENSOR_FIELD(i, bytes)

static const struct field fields[] = {HEADER_FIELD(header_bytes), HEADER_FIELD(sections), HEADER_FIELD(file_bytes),
                                      SECTION_FIELDS(0),          SECTION_FIELDS(1),      SECTION_FIELDS(2),
                                      SECTION_FIELDS(3),          SECTION_FIELDS(4),      SECTION_FIELDS(5),
                                      SECTION_FIELDS(6),          SECTION_FIELDS(7),      MODEL_FIELD(layers),
                                      MODEL_FIELD(dim),           MODEL_FIELD(vocab),     MODEL_FIELD(max_positions),
                                      MODEL_FIELD(head_dim),      MODEL_FIELD(tensors),   MODEL_FIELD(eps),
                                      MODEL_FIELD(rotated),       MODEL_FIELD(name),      MODEL_FIELD(architecture),
                                      MODEL_FIELD(provenance),    MODEL_FIELD(embed),     MODEL_FIELD(head),
                                      MODEL_FIELD(zero),          LAYER_FIELDS(0),        LAYER_FIELDS(1),
                                      TENSOR_FIELDS(0),           TENSOR_FIELDS(1),       TENSOR_FIELDS(3),
                                      TENSOR_FIELDS(10),          TENSOR_FIELDS(11)};

static uint8_t *field_at(const struct field *f) {
    static const size_t record[] = {
        [BLOB_VOCAB] = 0, [BLOB_LAYERS] = sizeof(struct blob_layer), [BLOB_TENSORS] = sizeof(struct blob_tensor), [BLOB_SECTIONS] = 0};
    size_t start = f->section == BLOB_SECTIONS ? 0 : (size_t)((uint8_t *)section(good, f->section) - good);
    return data + start + f->record * record[f->section] + f->offset; /* by the good table: that of data may be damaged already */
}

static uint64_t get(const struct field *f) {
    uint64_t v = 0;
    memcpy(&v, field_at(f), f->bytes);
    return v;
}

static void set(const struct field *f, uint64_t v) { memcpy(field_at(f), &v, f->bytes); }

/* Values that have broken readers, given the right one. The last is v itself. */
enum { WRONG_VALUES = 22 };
static uint64_t wrong_value(uint64_t v, uint32_t bytes, int i) {
    uint64_t top = bytes == 8 ? UINT64_MAX : UINT32_MAX, swapped = bytes == 8 ? __builtin_bswap64(v) : __builtin_bswap32((uint32_t)v);
    const uint64_t values[WRONG_VALUES] = {0,
                                           1,
                                           top,
                                           top - 1,
                                           top / 2,
                                           top / 2 + 1,
                                           swapped,
                                           v + 1,
                                           v - 1,
                                           v * 2,
                                           v / 2,
                                           v + 16,
                                           v - 16,
                                           v + BLOB_ALIGN,
                                           v - BLOB_ALIGN,
                                           0 - v,
                                           v ^ (top / 2 + 1),
                                           v + 64,
                                           v * 3,
                                           0x7fc00000,
                                           0x80000000u,
                                           top - BLOB_ALIGN + 1};
    return values[i] & top;
}

/* With right hashes, so that every check behind them is reached: refused with a sentence, or open and sound in all it promises. */
static void survives_every_field(void **state) {
    (void)state;
    apus_blob blob;
    char why[BLOB_WHY];
    unsigned refused = 0;
    for (size_t k = 0; k < sizeof fields / sizeof *fields; k++) {
        uint64_t v = get(&fields[k]);
        for (int i = 0; i < WRONG_VALUES; i++) {
            set(&fields[k], wrong_value(v, fields[k].bytes, i));
            tiny_reseal(data, size);
            apus_status status = opens(size, &blob, why);
            if (status == APUS_OK)
                touch_blob(&blob);
            else
                assert_int_equal(status, APUS_E_FORMAT), refused++;
            memcpy(data, good, size);
        }
    }
    assert_true(refused > 1000);
}

/* Pairs of fields of one tensor or section changed together: what passes alone may not pass together. */
static void survives_pairs_of_fields(void **state) {
    (void)state;
    apus_blob blob;
    char why[BLOB_WHY];
    size_t count = sizeof fields / sizeof *fields;
    uint32_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        for (int n = 0; n < 2; n++) {
            seed = seed * 1664525u + 1013904223u;
            const struct field *f = &fields[(seed >> 8) % count];
            set(f, wrong_value(get(f), f->bytes, (int)((seed >> 3) % WRONG_VALUES)));
        }
        tiny_reseal(data, size);
        if (opens(size, &blob, why) == APUS_OK) touch_blob(&blob);
        memcpy(data, good, size);
    }
}

/* Every word of the tokenizer's tables; weights/vocab.c does the checking. */
static void survives_every_vocab_word(void **state) {
    (void)state;
    apus_blob blob;
    char why[BLOB_WHY];
    for (uint32_t at = 0; at + 4 <= ((struct blob_header *)(void *)good)->section[BLOB_VOCAB].bytes; at += 4) {
        const struct field f = {BLOB_VOCAB, 0, at, 4, "vocab"};
        uint64_t v = get(&f);
        for (int i = at / 4 % 3; i < WRONG_VALUES; i += 3) {
            set(&f, wrong_value(v, 4, i));
            tiny_reseal(data, size);
            if (opens(size, &blob, why) == APUS_OK)
                touch_blob(&blob);
            else
                assert_non_null(strstr(why, "section 5 (VOCAB): "));
            set(&f, v);
        }
    }
}

/* ------------------------------------------------------------------------------------------------------ what it answers -- */

static struct blob_header *header(void) { return (struct blob_header *)(void *)data; }
static struct blob_model *model(void) { return section(data, BLOB_MODEL); }
static struct blob_layer *layer(uint32_t i) { return (struct blob_layer *)section(data, BLOB_LAYERS) + i; }
static struct blob_tensor *tensor(uint32_t i) { return (struct blob_tensor *)section(data, BLOB_TENSORS) + i; }

static void put_float(uint32_t kind, uint32_t index, uint32_t bits) { memcpy((uint8_t *)section(data, kind) + 4 * index, &bits, 4); }

/* Embedding and head agree with the model on a row less than the tokenizer has pieces. */
static void one_row_less(void) {
    model()->vocab = VOCAB - 1;
    for (uint32_t i = 0; i < TENSORS; i += TENSORS - 1) {
        tensor(i)->rows = VOCAB - 1;
        tensor(i)->bytes = weight_bytes(tensor(i)->type, VOCAB - 1, DIM);
        put_float(BLOB_ROWS, tensor(i)->row_scales + VOCAB - 1, 0);
    }
}

static void damage(int which) {
    switch (which) {
    case 0:
        header()->sections = 9;
        break;
    case 1:
        header()->file_bytes = size + BLOB_ALIGN;
        break;
    case 2:
        header()->section[3].offset += 64;
        break;
    case 3:
        header()->section[3].offset = header()->section[2].offset;
        break;
    case 4:
        header()->section[7].bytes = UINT64_MAX - header()->section[7].offset + 1;
        break;
    case 5:
        memset((uint8_t *)section(data, BLOB_WEIGHTS) + (header()->section[7].bytes -= BLOB_ALIGN), 0, BLOB_ALIGN);
        break;
    case 6:
        model()->layers = 0;
        break;
    case 7:
        model()->layers = 3;
        break;
    case 8:
        model()->dim = 47;
        break;
    case 9:
        model()->vocab += 1;
        break;
    case 10:
        model()->head_dim = 24;
        break;
    case 11:
        model()->head_dim = 0;
        break;
    case 12:
        model()->eps = 0;
        break;
    case 13:
        model()->eps = -1e-5f;
        break;
    case 14:
        model()->name = (uint32_t)header()->section[BLOB_TEXT].bytes;
        break;
    case 15:
        layer(0)->kv_heads = 3;
        break;
    case 16:
        layer(0)->kv_heads = 0;
        break;
    case 17:
        layer(1)->kv_heads = 1;
        break;
    case 18:
        layer(0)->tensor[LT_Q] = TENSORS;
        break;
    case 19:
        layer(0)->tensor[LT_Q] = BLOB_ABSENT;
        break;
    case 20:
        layer(1)->tensor[LT_V] = 3;
        break;
    case 21:
        layer(0)->tensor[LT_O] = 1;
        break;
    case 22:
        layer(0)->tensor[LT_UP] = 0;
        break;
    case 23:
        layer(0)->ffn = 96;
        break;
    case 24:
        tensor(2)->type = 0;
        break;
    case 25:
        tensor(2)->type = 4;
        break;
    case 26:
        tensor(2)->cols = 0;
        break;
    case 27:
        tensor(2)->rows = 0;
        break;
    case 28:
        tensor(2)->offset += 64;
        break;
    case 29:
        tensor(2)->offset = tensor(1)->offset;
        break;
    case 30:
        tensor(2)->offset = 0 - (uint64_t)BLOB_ALIGN;
        break;
    case 31:
        tensor(2)->bytes += 64;
        break;
    case 32:
        tensor(2)->row_scales = UINT32_MAX - 15;
        break;
    case 33:
        tensor(2)->row_scales += 1;
        break;
    case 34:
        tensor(4)->bias = tensor(4)->row_scales;
        break;
    case 35:
        memset(tensor(2)->name, 'x', sizeof tensor(2)->name);
        break;
    case 36:
        tensor(2)->name[0] = 0;
        break;
    case 37:
        tensor(2)->name[0] = 27;
        break;
    case 38:
        tensor(2)->name[40] = 'x';
        break;
    case 39:
        put_float(BLOB_ROWS, 5, 0x7f800000);
        break;
    case 40:
        put_float(BLOB_ROWS, 5, 0x7fc00000);
        break;
    case 41:
        put_float(BLOB_ROWS, 5, 0x80000000);
        break;
    case 42:
        put_float(BLOB_ROWS, 5, 1);
        break;
    case 43:
        put_float(BLOB_ROWS, 5, 0x58800001);
        break;
    case 44:
        put_float(BLOB_ROPE, 7, 0xbf800001);
        break;
    case 45:
        put_float(BLOB_ROPE, 7, 0xff800000);
        break;
    case 46:
        put_float(BLOB_ROWS, tensor(0)->row_scales + tensor(0)->rows, 0x3f800000);
        break;
    case 47:
        ((char *)section(data, BLOB_TEXT))[0] = 'x';
        break;
    case 48:
        ((char *)section(data, BLOB_TEXT))[header()->section[BLOB_TEXT].bytes - 1] = 'x';
        break;
    case 49:
        model()->embed = 1;
        break;
    case 50:
        model()->head = 0;
        break;
    case 51:
        model()->head = TENSORS;
        break;
    case 52:
        model()->tensors = 1;
        break;
    case 53:
        model()->rotated = 2;
        break;
    case 54:
        layer(0)->heads = 1u << 31;
        break;
    case 55:
        model()->max_positions = BLOB_POSITIONS_MAX + 1;
        break;
    case 56:
        header()->header_bytes = 0x00100000;
        break;
    case 57:
        one_row_less();
        break;
    case 58:
        tensor(2)->zero = 1;
        break;
    case 59:
        layer(1)->zero = 1;
        break;
    case 60:
        layer(0)->zero2 = 1u << 31;
        break;
    case 61:
        model()->zero = 1;
        break;
    default:
        fail();
    }
}

static void says_what_it_found(void **state) {
    (void)state;
    static const char *const says[] = {"header: sections is 9, must be 8",
                                       "header: file_bytes is ",
                                       "section 3 (ROWS): offset is 16448, must be 16384",
                                       "section 3 (ROWS): offset is 12288, must be 16384",
                                       "section 7 (WEIGHTS): bytes is ",
                                       "header: file_bytes is ",
                                       "model: layers is 0, must be 1 to 1024",
                                       "section 1 (LAYERS): bytes is 96, must be 144",
                                       "tensor 1 (layer.0.attn_q): cols is 48, must be 47",
                                       ": rows is ",
                                       "model: head_dim is 24, must be a multiple of 16",
                                       "model: head_dim is 0, must be 16 to 256",
                                       "model: eps has the bits 0x0, must be",
                                       "model: eps has the bits 0xb727c5ac, must be",
                                       "model: name is 29, must be 0 to 28",
                                       "layer 0: kv_heads is 3, must divide 4 heads",
                                       "layer 0: kv_heads is 0, must be 1 to 4",
                                       "layer 1: kv_heads is 1, must be 0 to 0",
                                       "layer 0: tensor q is 12, must be 0 to 11",
                                       "layer 0: tensor q is 4294967295, must be 0 to 11",
                                       "layer 1: tensor v is 3, must be 4294967295",
                                       "tensor 1 (layer.0.attn_q): rows is 64, must be 48",
                                       "tensor 0 (embed): rows is ",
                                       "layer 0: ffn is 96, must be a multiple of 64",
                                       "tensor 2 (layer.0.attn_k): type is 0, must be 1 to 3",
                                       "tensor 2 (layer.0.attn_k): type is 4, must be 1 to 3",
                                       "tensor 2 (layer.0.attn_k): cols is 0, must be 1 to 65536",
                                       "tensor 2 (layer.0.attn_k): rows is 0, must be 1 to 1048576",
                                       "tensor 2 (layer.0.attn_k): offset is 24640, must be a multiple of 4096",
                                       "tensor 2 (layer.0.attn_k): 1152 bytes at 20480 of WEIGHTS, must lie between ",
                                       "tensor 2 (layer.0.attn_k): 1152 bytes at 18446744073709547520 of WEIGHTS, must lie between ",
                                       "tensor 2 (layer.0.attn_k): bytes is 1216, must be 1152",
                                       "tensor 2 (layer.0.attn_k): row_scales is 4294967280, and 32 floats from there pass the ",
                                       "tensor 2 (layer.0.attn_k): row_scales is 401, must be a multiple of 16",
                                       "tensor 4 (layer.0.attn_o): bias is ",
                                       "tensor 2: name has byte 0 at 48, must be 1 to 47 printable characters and a zero",
                                       "tensor 2: name has byte 0 at 0, must be ",
                                       "tensor 2: name has byte 27 at 0, must be ",
                                       "tensor 2: name has bytes after its end",
                                       "section 3 (ROWS): float 5 has the bits 0x7f800000, must be +0 or a magnitude",
                                       "section 3 (ROWS): float 5 has the bits 0x7fc00000",
                                       "section 3 (ROWS): float 5 has the bits 0x80000000",
                                       "section 3 (ROWS): float 5 has the bits 0x1,",
                                       "section 3 (ROWS): float 5 has the bits 0x58800001",
                                       "section 4 (ROPE): float 7 has the bits 0xbf800001",
                                       "section 4 (ROPE): float 7 has the bits 0xff800000",
                                       "tensor 0 (embed): row_scales: float ",
                                       "section 6 (TEXT): first byte is 120, must be 0",
                                       "section 6 (TEXT): last byte is 120, must be 0",
                                       "tensor 1 (layer.0.attn_q): rows is ",
                                       "tensor 0 (embed): type is 3, must be 1 to 2",
                                       "model: head is 12, must be 0 to 11",
                                       "model: tensors is 1, must be 2 to 16",
                                       "model: rotated is 2, must be 0 to 1",
                                       "layer 0: heads is 2147483648, must be 0 to 4096",
                                       "model: max_positions is 131073, must be 1 to 131072",
                                       "header: header_bytes is 1048576, must be 4096",
                                       "section 5 (VOCAB): rows is 258, must be 257",
                                       "tensor 2 (layer.0.attn_k): zero is 1, must be 0",
                                       "layer 1: zero is 1, must be 0",
                                       "layer 0: zero2 is 2147483648, must be 0",
                                       "model: zero is 1, must be 0"};
    apus_blob blob;
    char why[BLOB_WHY];
    for (int i = 0; i < (int)(sizeof says / sizeof *says); i++) {
        damage(i);
        tiny_reseal(data, size);
        apus_status status = opens(size, &blob, why);
        if (status != APUS_E_FORMAT || !strstr(why, says[i]))
            fail_msg("damage %d: status %d, \"%s\" where \"%s\" was expected", i, status, why, says[i]);
        memcpy(data, good, size);
        if (i <= 5 || i == 56) continue; /* bounds come before hashes */
        damage(i);
        assert_int_equal(opens(size, &blob, why), APUS_E_FORMAT);
        assert_non_null(strstr(why, "hash is 0x"));
        memcpy(data, good, size);
    }
}

static void refuses_foreign_files(void **state) {
    (void)state;
    static const uint32_t versions[] = {0, 1, 3, UINT32_MAX, 1u << 24, 1u << 31};
    apus_blob blob;
    char why[BLOB_WHY];
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        header()->version = versions[i];
        assert_int_equal(opens(size, &blob, why), APUS_E_VERSION);
        assert_non_null(strstr(why, "header: version is "));
    }
    header()->version = BLOB_VERSION;
    static const char magics[][5] = {"GGUF", "SUPA", "apus", "\0\0\0\0", "\xff\xff\xff\xff", "PK\3\4"};
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        memcpy(header()->magic, magics[i], 4);
        assert_int_equal(opens(size, &blob, why), APUS_E_FORMAT);
        assert_non_null(strstr(why, "not an Apus blob"));
    }
    memset(data, 0, size);
    assert_int_equal(opens(size, &blob, why), APUS_E_FORMAT);
}

/* A name of every length up to the last makes sentences that fit. */
static void messages_fit(void **state) {
    (void)state;
    apus_blob blob;
    char why[BLOB_WHY];
    for (size_t n = 1; n < sizeof tensor(1)->name; n++) {
        memset(tensor(1)->name, 0, sizeof tensor(1)->name);
        memset(tensor(1)->name, 'n', n);
        tensor(1)->offset = UINT64_MAX - 4095;
        tiny_reseal(data, size);
        assert_int_equal(opens(size, &blob, why), APUS_E_FORMAT);
        assert_int_equal(strspn(strchr(why, '(') + 1, "n"), n);
        memcpy(data, good, size);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(opens_and_describes, restore),
        cmocka_unit_test_setup(says_which_argument, restore),
        cmocka_unit_test_setup(finds_every_changed_byte, restore),
        cmocka_unit_test_setup(refuses_every_truncation, restore),
        cmocka_unit_test_setup(survives_every_field, restore),
        cmocka_unit_test_setup(survives_pairs_of_fields, restore),
        cmocka_unit_test_setup(says_what_it_found, restore),
        cmocka_unit_test_setup(refuses_foreign_files, restore),
        cmocka_unit_test_setup(messages_fit, restore),
        cmocka_unit_test_setup(survives_every_vocab_word, restore),
    };
    return cmocka_run_group_tests(tests, make, NULL);
}
