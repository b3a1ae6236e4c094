#include "tests/blob/guarded_blob.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/pack/tiny_blob.h"

size_t size;
uint8_t *good;
uint8_t *data;

uint8_t *between_guards(size_t bytes) {
    uint8_t *p = mmap(NULL, bytes + 2 * BLOB_ALIGN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || mprotect(p + BLOB_ALIGN, bytes, PROT_READ | PROT_WRITE)) abort();
    return p + BLOB_ALIGN;
}

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
                                      .without_attention = 2,
                                      .unrotated = 1,
                                      .normed = 1};

int make(void **state) {
    (void)state;
    void *blob = tiny_blob(&spec, &size);
    if (!blob) return 1;
    good = between_guards(size);
    data = between_guards(size);
    memcpy(good, blob, size);
    free(blob);
    return mprotect(good, size, PROT_READ);
}

void *section(uint8_t *blob, uint32_t kind) {
    return blob + ((struct blob_header *)(void *)blob)->section[kind].offset;
}

int restore(void **state) {
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

apus_status opens(size_t bytes, apus_blob *blob, char why[BLOB_WHY]) {
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
