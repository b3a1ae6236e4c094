/* The blob reader against damage of every kind. The blob lies between pages that cannot be touched,
 * and is read-only while it is read. */
#include "tests/blob/guarded_blob.h"

#include <string.h>
#include <sys/mman.h>

#include "tests/blob/touch_blob.h"
#include "tests/pack/tiny_blob.h"

/* ------------------------------------------------------------------------------------- whole -- */

static void opens_and_describes(void **state) {
    (void)state;
    apus_blob blob;
    char why[BLOB_WHY];
    assert_int_equal(opens(size, &blob, why), APUS_OK);
    apus_info info = {.size = sizeof info};
    assert_int_equal(apus_blob_describe(&blob, &info), APUS_OK);
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
    apus_layer_info layer = {.size = sizeof layer};
    assert_int_equal(apus_blob_layer(&blob, 0, &layer), APUS_OK);
    assert_int_equal(layer.heads, HEADS);
    assert_int_equal(layer.kv_heads, KV_HEADS);
    assert_int_equal(layer.head_dim, HEAD_DIM);
    assert_int_equal(layer.ffn, FFN);
    assert_int_equal(apus_blob_layer(&blob, 1, &layer), APUS_OK);
    assert_int_equal(layer.heads, 0);
    assert_int_equal(apus_blob_layer(&blob, LAYERS, &layer), APUS_E_ARGUMENT);
    apus_tensor_info tensor = {.size = sizeof tensor};
    uint64_t pass = 0, weights = 0;
    for (uint32_t i = 0; i < TENSORS; i++) {
        assert_int_equal(apus_blob_tensor(&blob, i, &tensor), APUS_OK);
        if (i) pass += tensor.bytes, weights += (uint64_t)tensor.rows * tensor.cols;
    }
    assert_int_equal(info.weight_bytes, pass);
    assert_true(info.bits_per_weight == 8.0 * (double)pass / (double)weights);
    assert_int_equal(apus_blob_tensor(&blob, TENSORS, &tensor), APUS_E_ARGUMENT);
    assert_int_equal(apus_blob_tensor(&blob, 2, &tensor), APUS_OK);
    assert_string_equal(tensor.name, "layer.0.attn_k");
    assert_string_equal(tensor.type, "w4");
    /* 32 rows of 48 columns: 2 panels of a line of scales and 8 lines; row scales and biases */
    assert_int_equal(tensor.bytes, 2 * 9 * 64 + 32 * 4 * 2);
    int32_t id = 77;
    assert_int_equal(apus_blob_end_token(&blob, 1, &id), APUS_E_ARGUMENT);
    assert_int_equal(id, 77);
    assert_int_equal(apus_blob_end_token(&blob, 0, &id), APUS_OK);
    assert_int_equal(id, EOS);
    touch_blob(&blob);
}

static void says_which_argument(void **state) {
    (void)state;
    apus_blob blob = {{0}};
    apus_info info = {.size = sizeof info};
    const char *where;
    apus_port port = {.size = sizeof port};
    assert_int_equal(apus_blob_describe(&blob, &info), APUS_E_ARGUMENT);
    assert_int_equal(apus_blob_verify(&blob, &where), APUS_E_ARGUMENT);
    assert_int_equal(apus_blob_open(&blob, NULL, size, NULL), APUS_E_ARGUMENT);
    assert_int_equal(apus_blob_open(NULL, good, size, NULL), APUS_E_ARGUMENT);
    for (size_t shift = 1; shift < BLOB_ALIGN; shift *= 2)
        assert_int_equal(apus_blob_open(&blob, good + shift, size - BLOB_ALIGN, NULL),
                         APUS_E_ARGUMENT);
    assert_int_equal(apus_blob_open(&blob, good, 0, &port), APUS_E_FORMAT);
    port.size = sizeof port + 1;
    assert_int_equal(apus_blob_open(&blob, good, size, &port), APUS_E_ARGUMENT);
    port.size = 0;
    assert_int_equal(apus_blob_open(&blob, good, size, &port), APUS_E_ARGUMENT);
    port.size = offsetof(apus_port, log); /* no log in this one: nothing is called */
    assert_int_equal(apus_blob_open(&blob, good, 5, &port), APUS_E_FORMAT);
    assert_int_equal(apus_blob_open(&blob, good, size, NULL), APUS_OK);
    assert_int_equal(apus_blob_describe(&blob, NULL), APUS_E_ARGUMENT);
    assert_int_equal(apus_blob_describe(NULL, &info), APUS_E_ARGUMENT);
}

static void finds_every_changed_byte(void **state) {
    (void)state;
    const struct blob_header *h = (const struct blob_header *)(const void *)good;
    uint64_t weights = h->section[BLOB_WEIGHTS].offset,
             weights_end = weights + h->section[BLOB_WEIGHTS].bytes;
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
    for (size_t n = BLOB_ALIGN; n < size; n += BLOB_ALIGN) { /* with nothing readable behind the
                                                                cut */
        uint8_t *cut = between_guards(n);
        memcpy(cut, data, n);
        ((struct blob_header *)(void *)cut)->file_bytes = n;
        tiny_reseal(cut, n);
        assert_int_equal(apus_blob_open(&blob, cut, n, NULL), APUS_E_FORMAT);
        munmap(cut - BLOB_ALIGN, n + 2 * BLOB_ALIGN);
    }
}

/* ------------------------------------------------------------------------------------ fields -- */

/* A field of a record in a section, or of the header (section BLOB_SECTIONS). */
struct field {
    uint32_t section, record, offset, bytes;
    const char *name;
};
#define HEADER_FIELD(f)                                                                            \
    { BLOB_SECTIONS, 0, offsetof(struct blob_header, f), sizeof(((struct blob_header *)0)->f), #f }
#define SECTION_FIELD(k, f)                                                                        \
    {                                                                                              \
        BLOB_SECTIONS, 0,                                                                          \
            (uint32_t)(offsetof(struct blob_header, section) + (k) * sizeof(struct blob_section) + \
                       offsetof(struct blob_section, f)),                                          \
            8, #f                                                                                  \
    }
#define SECTION_FIELDS(k) SECTION_FIELD(k, offset), SECTION_FIELD(k, bytes)
#define MODEL_FIELD(f)                                                                             \
    { BLOB_MODEL, 0, offsetof(struct blob_model, f), sizeof(((struct blob_model *)0)->f), #f }
#define LAYER_FIELD(i, f)                                                                          \
    { BLOB_LAYERS, i, offsetof(struct blob_layer, f), sizeof(((struct blob_layer *)0)->f), #f }
#define LAYER_FIELDS(i)                                                                            \
    LAYER_FIELD(i, heads), LAYER_FIELD(i, kv_heads), LAYER_FIELD(i, ffn), LAYER_FIELD(i, zero),    \
        LAYER_FIELD(i, variant), LAYER_FIELD(i, tensor[0]), LAYER_FIELD(i, tensor[1]),             \
        LAYER_FIELD(i, tensor[2]), LAYER_FIELD(i, tensor[3]), LAYER_FIELD(i, tensor[4]),           \
        LAYER_FIELD(i, tensor[5]), LAYER_FIELD(i, tensor[6])
#define VARIANT_FIELD(f)                                                                           \
    {                                                                                              \
        BLOB_LAYERS, 0, LAYERS * sizeof(struct blob_layer) + offsetof(struct blob_variant, f),     \
            sizeof(((struct blob_variant *)0)->f), #f                                              \
    }
#define VARIANT_FIELDS                                                                             \
    VARIANT_FIELD(rotation), VARIANT_FIELD(window), VARIANT_FIELD(q_gain), VARIANT_FIELD(k_gain),  \
        VARIANT_FIELD(sinks), VARIANT_FIELD(activation), VARIANT_FIELD(router),                    \
        VARIANT_FIELD(experts), VARIANT_FIELD(active), VARIANT_FIELD(mixing),                      \
        VARIANT_FIELD(norms), VARIANT_FIELD(o_gain), VARIANT_FIELD(down_gain),                     \
        VARIANT_FIELD(whole), VARIANT_FIELD(zero[0]), VARIANT_FIELD(zero[1])
#define TENSOR_FIELD(i, f)                                                                         \
    { BLOB_TENSORS, i, offsetof(struct blob_tensor, f), sizeof(((struct blob_tensor *)0)->f), #f }
#define TENSOR_FIELDS(i)                                                                           \
    TENSOR_FIELD(i, type), TENSOR_FIELD(i, rows), TENSOR_FIELD(i, cols),                           \
        TENSOR_FIELD(i, row_scales), TENSOR_FIELD(i, bias), TENSOR_FIELD(i, zero),                 \
        TENSOR_FIELD(i, offset), TENSOR_FIELD(i, bytes)

static const struct field fields[] = {HEADER_FIELD(header_bytes),
                                      HEADER_FIELD(sections),
                                      HEADER_FIELD(file_bytes),
                                      SECTION_FIELDS(0),
                                      SECTION_FIELDS(1),
                                      SECTION_FIELDS(2),
                                      SECTION_FIELDS(3),
                                      SECTION_FIELDS(4),
                                      SECTION_FIELDS(5),
                                      SECTION_FIELDS(6),
                                      SECTION_FIELDS(7),
                                      MODEL_FIELD(layers),
                                      MODEL_FIELD(dim),
                                      MODEL_FIELD(vocab),
                                      MODEL_FIELD(max_positions),
                                      MODEL_FIELD(head_dim),
                                      MODEL_FIELD(tensors),
                                      MODEL_FIELD(eps),
                                      MODEL_FIELD(rotated),
                                      MODEL_FIELD(name),
                                      MODEL_FIELD(architecture),
                                      MODEL_FIELD(provenance),
                                      MODEL_FIELD(embed),
                                      MODEL_FIELD(head),
                                      MODEL_FIELD(draft),
                                      LAYER_FIELDS(0),
                                      LAYER_FIELDS(1),
                                      VARIANT_FIELDS,
                                      TENSOR_FIELDS(0),
                                      TENSOR_FIELDS(1),
                                      TENSOR_FIELDS(3),
                                      TENSOR_FIELDS(10),
                                      TENSOR_FIELDS(11)};

static uint8_t *field_at(const struct field *f) {
    static const size_t record[] = {[BLOB_VOCAB] = 0,
                                    [BLOB_LAYERS] = sizeof(struct blob_layer),
                                    [BLOB_TENSORS] = sizeof(struct blob_tensor),
                                    [BLOB_SECTIONS] = 0};
    size_t start =
        f->section == BLOB_SECTIONS ? 0 : (size_t)((uint8_t *)section(good, f->section) - good);
    /* by the good table: that of data may be damaged already */
    return data + start + f->record * record[f->section] + f->offset;
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
    uint64_t top = bytes == 8 ? UINT64_MAX : UINT32_MAX,
             swapped = bytes == 8 ? __builtin_bswap64(v) : __builtin_bswap32((uint32_t)v);
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

/* With right hashes, so that every check behind them is reached: refused with a sentence, or open
 * and sound in all it promises. */
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

/* Pairs of fields of one tensor or section changed together: what passes alone may not pass
 * together. */
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
    for (uint32_t at = 0; at + 4 <= ((struct blob_header *)(void *)good)->section[BLOB_VOCAB].bytes;
         at += 4) {
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(opens_and_describes, restore),
        cmocka_unit_test_setup(says_which_argument, restore),
        cmocka_unit_test_setup(finds_every_changed_byte, restore),
        cmocka_unit_test_setup(refuses_every_truncation, restore),
        cmocka_unit_test_setup(survives_every_field, restore),
        cmocka_unit_test_setup(survives_pairs_of_fields, restore),
        cmocka_unit_test_setup(survives_every_vocab_word, restore),
    };
    return cmocka_run_group_tests(tests, make, NULL);
}
