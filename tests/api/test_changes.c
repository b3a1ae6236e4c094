/* A file that somebody changes while it is in use: the records that say where everything lies are
 * the model's own from its opening on. */
#include "tests/api/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "weights/format.h"
#include "weights/vocab.h"

enum { PROMPT = 12, CONTEXT = 64 };

static uint64_t use(const struct api_model *m) {
    struct api_session s;
    int32_t ids[PROMPT];
    size_t bytes;
    api_ids(m, 5, ids, PROMPT);
    api_open(&s, m, CONTEXT, 1, 8);
    assert_int_equal(API_PROMPT(&s, ids, PROMPT), APUS_OK);
    uint64_t hash = api_generate(&s, 6, NULL);
    const apus_part text = {.kind = APUS_PART_TEXT, .data = "a few words, and then", .count = 21};
    assert_int_equal(apus_append(s.session, &text, 1, 0), APUS_OK);
    unsigned char *state = saved_state(s.session, &bytes);
    assert_int_equal(apus_restore(s.session, state, bytes), APUS_OK);
    hash = api_hash(hash, state, bytes);
    free(state);
    api_close(&s);
    return hash;
}

/* Header, MODEL, LAYERS, TENSORS and VOCAB's header become these bytes, or numbers that are
 * plausible and wrong. */
static void change(unsigned char *at, int how, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        at[i] = how == 0 ? 0 : how == 1 ? 0xff : (unsigned char)(at[i] + (at[i] != 0));
}

static void look(const apus_blob *blob, uint32_t layers, uint32_t tensors) {
    apus_info info = {.size = sizeof info};
    apus_layer_info layer = {.size = sizeof layer};
    apus_tensor_info tensor = {.size = sizeof tensor};
    apus_blob_describe(blob, &info);
    for (uint32_t i = 0; i < layers + 2; i++)
        assert_int_equal(apus_blob_layer(blob, i, &layer), i < layers ? APUS_OK : APUS_E_ARGUMENT);
    for (uint32_t i = 0; i < tensors + 2; i++)
        assert_int_equal(apus_blob_tensor(blob, i, &tensor),
                         i < tensors ? APUS_OK : APUS_E_ARGUMENT);
}

static void records_are_the_models_own(void **unused) {
    (void)unused;
    for (int which = 0; which < API_MODELS; which++) {
        struct api_model m;
        api_model_open(&m, which, APUS_CPU_BEST);
        struct blob_header header;
        memcpy(&header, m.bytes.at, sizeof header);
        unsigned char *good = malloc(m.bytes.bytes);
        memcpy(good, m.bytes.at, m.bytes.bytes);
        uint64_t want = use(&m);
        for (int how = 0; how < 3; how++) {
            for (uint32_t k = BLOB_MODEL; k <= BLOB_TENSORS; k++)
                change(m.bytes.at + header.section[k].offset, how, (size_t)header.section[k].bytes);
            look(&m.blob, m.info.layers, m.info.tensors);
            change(m.bytes.at + header.section[BLOB_VOCAB].offset, how,
                   sizeof(struct vocab_header));
            change(m.bytes.at, how, sizeof header);
            look(&m.blob, m.info.layers, m.info.tensors);
            assert_true(use(&m) == want);
            memcpy(m.bytes.at, good, m.bytes.bytes);
        }
        free(good);
        api_model_close(&m);
    }
}

static char said[256];
static void hear(void *user, int level, const char *text) {
    (void)user, (void)level;
    strncpy(said, text, sizeof said - 1);
}

/* Between opening the blob and opening the model: what changed is checked again. */
static void changed_records_are_refused(void **unused) {
    (void)unused;
    struct api_model m;
    api_model_open(&m, 0, APUS_CPU_BEST);
    struct blob_header header;
    memcpy(&header, m.bytes.at, sizeof header);
    const apus_port port = {.size = sizeof port, .log = hear};
    const apus_model_config config = {.size = sizeof config, .blob = &m.blob, .port = &port};
    const size_t model = (size_t)header.section[BLOB_MODEL].offset,
                 layers = (size_t)header.section[BLOB_LAYERS].offset,
                 tensors = (size_t)header.section[BLOB_TENSORS].offset;
    const struct {
        size_t at;
        const char *words;
    } tries[] = {{model + offsetof(struct blob_model, layers), "layers"},
                 {model + offsetof(struct blob_model, tensors), "tensors"},
                 {model + offsetof(struct blob_model, vocab), "vocab"},
                 {model + offsetof(struct blob_model, dim), "cols"},
                 {layers + offsetof(struct blob_layer, heads), "heads"},
                 {layers + offsetof(struct blob_layer, tensor) + 3, "tensor"},
                 {tensors + offsetof(struct blob_tensor, offset) + 5, "bytes"},
                 {tensors + offsetof(struct blob_tensor, row_scales) + 3, ""},
                 {offsetof(struct blob_header, section) + 24 * BLOB_WEIGHTS, "offset"}};
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        apus_model *model_now = NULL;
        struct guarded memory = guarded_take(m.memory.bytes, 64);
        m.bytes.at[tries[i].at] += 7;
        said[0] = 0;
        apus_status status = apus_model_open(&model_now, &config, memory.at, memory.bytes);
        if (status != APUS_E_FORMAT || model_now || !*said || !strstr(said, tries[i].words))
            fail_msg("%zu: %d, \"%s\"", i, status, said);
        m.bytes.at[tries[i].at] -= 7;
        guarded_free(&memory);
    }
    api_model_close(&m);
}

/* The tables of the tokenizer moved to the file's end, where not even their header has room. */
static void vocabulary_at_the_end_is_refused(void **unused) {
    (void)unused;
    struct api_model m;
    api_model_open(&m, 0, APUS_CPU_BEST);
    struct blob_header *header = (struct blob_header *)(void *)m.bytes.at, good = *header;
    const apus_port port = {.size = sizeof port, .log = hear};
    const apus_model_config config = {.size = sizeof config, .blob = &m.blob, .port = &port};
    apus_model *model = NULL;
    struct guarded memory = guarded_take(m.memory.bytes, 64);
    header->section[BLOB_ROPE].bytes = header->file_bytes - header->section[BLOB_ROPE].offset;
    for (uint32_t k = BLOB_VOCAB; k < BLOB_SECTIONS; k++)
        header->section[k].offset = header->file_bytes, header->section[k].bytes = 0;
    said[0] = 0;
    assert_int_equal(apus_model_open(&model, &config, memory.at, memory.bytes), APUS_E_FORMAT);
    assert_non_null(strstr(said, "shorter than its header"));
    *header = good;
    guarded_free(&memory);
    api_model_close(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_the_models_own),
        cmocka_unit_test(changed_records_are_refused),
        cmocka_unit_test(vocabulary_at_the_end_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
