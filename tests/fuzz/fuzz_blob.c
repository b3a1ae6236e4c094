/* The blob reader on damaged blobs whose hashes are right. An input is a list of changes to a small
 * valid blob: three bytes of place, one of count (1 .. 8, in its low bits), that many bytes. An
 * input that begins with APUS is taken as a whole blob instead. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "apus/apus.h"
#include "tests/blob/touch_blob.h"
#include "tests/pack/tiny_blob.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes);

static uint8_t *aligned_to_blob(size_t size) {
    void *p;
    return posix_memalign(&p, BLOB_ALIGN, size) ? abort(), NULL : p;
}

/* A prompt through whatever tokenizer the tables make, and back. */
static void tokenize(const apus_blob *blob) {
    static const char text[] = "abba <s>abc</s> \xc3\xa9\xff 12 ab";
    static const int32_t some[] = {'a', 'b'};
    const apus_part parts[] = {{.kind = APUS_PART_BOS},
                               {.kind = APUS_PART_TEXT, .data = text, .count = sizeof text - 1},
                               {.kind = APUS_PART_SPECIAL, .data = "</s>", .count = 4},
                               {.kind = APUS_PART_TEXT,
                                .flags = APUS_TEXT_SPECIALS,
                                .data = text,
                                .count = sizeof text - 1},
                               {.kind = APUS_PART_IDS, .data = some, .count = 2}};
    size_t scratch_bytes = apus_tokenize_scratch(blob, 2 * sizeof text), count;
    void *scratch = malloc(scratch_bytes);
    int32_t ids[512];
    for (int from = 0; from < 2; from++) { /* without the special, which may be unknown, too */
        const apus_part *p = from ? parts + 3 : parts;
        if (apus_tokenize(blob, p, from ? 2 : 5, ids, 512, &count, scratch, scratch_bytes) !=
            APUS_OK)
            continue;
        char shown[1 << 14];
        apus_status status = apus_detokenize(blob, ids, count, 1, 1, shown, sizeof shown, &count);
        if (status != APUS_OK && status != APUS_E_SPACE) abort(); /* ids from a tokenizer are ids */
    }
    free(scratch);
}

/* Whether the bytes at data opened. */
static int try_open(uint8_t *data, size_t size) {
    apus_blob blob;
    if (apus_blob_open(&blob, data, size, NULL) != APUS_OK) return 0;
    touch_blob(&blob);
    tokenize(&blob);
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes) {
    static uint8_t *goods[2];
    static size_t sizes[2];
    const int which = bytes && input[bytes - 1] & 1; /* which of two models is damaged */
    uint8_t *good = goods[which];
    size_t size = sizes[which];
    if (!good) {
        const struct tiny_spec spec = {.dim = 48,
                                       .ffn = 64,
                                       .vocab = 258,
                                       .positions = 8,
                                       .weights = which ? WEIGHT_W4S : WEIGHT_W4,
                                       .bias = 1,
                                       .add_bos = 1,
                                       .without_attention = 2,
                                       .second_rope = which ? 1 : 0,
                                       .window = {3},
                                       .sinks = 1,
                                       .normed = 1,
                                       .ungated = 2};
        good = tiny_blob(&spec, &size);
        if (!good) abort();
        if (!try_open(good, size)) abort();
        goods[which] = good, sizes[which] = size;
    }
    int whole = bytes >= sizeof(struct blob_header) && memcmp(input, "APUS", 4) == 0;
    size_t n = whole ? bytes : size;
    uint8_t *data = aligned_to_blob(n);
    memcpy(data, whole ? input : good, n);
    while (!whole && bytes >= 5) {
        size_t at = (input[0] | (size_t)input[1] << 8 | (size_t)input[2] << 16) % n,
               count = 1 + input[3] % 8;
        input += 4, bytes -= 4;
        for (; count && bytes && at < n; count--, bytes--) data[at++] = *input++;
    }
    tiny_reseal(data, n);
    try_open(data, n);
    free(data);
    return 0;
}
