/* The blob reader on damaged blobs whose hashes are right. An input is a list of changes to a small valid blob: three bytes of place, one of
 * count (1 .. 8, in its low bits), that many bytes. An input that begins with APUS is taken as a whole blob instead. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "apus/apus.h"
#include "tests/blob/made_blob.h"
#include "tests/blob/touch_blob.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes);

static uint8_t *aligned_to_blob(size_t size) {
    void *p;
    return posix_memalign(&p, BLOB_ALIGN, size) ? abort(), NULL : p;
}

/* Whether the bytes at data opened. */
static int try_open(uint8_t *data, size_t size) {
    apus_blob blob;
    if (apus_blob_open(&blob, data, size, NULL) != APUS_OK) return 0;
    touch_blob(&blob);
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes) {
    static uint8_t *good;
    static size_t size;
    if (!good) {
        size = made_blob_bytes();
        good = aligned_to_blob(size);
        made_blob_write(good);
        if (!try_open(good, size)) abort();
    }
    int whole = bytes >= sizeof(struct blob_header) && memcmp(input, "APUS", 4) == 0;
    size_t n = whole ? bytes : size;
    uint8_t *data = aligned_to_blob(n);
    memcpy(data, whole ? input : good, n);
    while (!whole && bytes >= 5) {
        size_t at = (input[0] | (size_t)input[1] << 8 | (size_t)input[2] << 16) % n, count = 1 + input[3] % 8;
        input += 4, bytes -= 4;
        for (; count && bytes && at < n; count--, bytes--) data[at++] = *input++;
    }
    made_blob_rehash(data, n);
    try_open(data, n);
    free(data);
    return 0;
}
