/* npu_write_code FOLDER: writes control code of both arrays for matrices of real and of odd shapes,
 * each as a file of its bytes (.bin) and as text for AMD's assembler (.asm), which is written from
 * what the operations mean here. tests/npu/control_code.py compares the two with AMD's tools. */
#include <stdio.h>
#include <stdlib.h>

#include "npu/gemv.h"

enum { CODE_WORDS = 1 << 18 };

static void write_block(FILE *f, const uint32_t *w, size_t length) {
    size_t count = length - TXN_BLOCK_WORDS;
    fprintf(f, "XAIE_IO_BLOCKWRITE @0x%x, [%zu]\n", w[2], count);
    for (size_t i = 0; i < count; i++)
        fprintf(f, "XAIE_IO_BLOCKWRITE.%zu 0x%x\n", i, w[TXN_BLOCK_WORDS + i]);
}

static void write_operation(FILE *f, const uint32_t *w, size_t length) {
    switch (w[0]) {
    case TXN_WRITE:
        fprintf(f, "XAIE_IO_WRITE @0x%x, 0x%x\n", w[2], w[4]);
        break;
    case TXN_BLOCK:
        write_block(f, w, length);
        break;
    case TXN_PATCH:
        fprintf(f, "XAIE_IO_CUSTOM_OP_DDR_PATCH @0x%x, #%u, +0x%llx\n", w[6], w[8],
                w[10] | (unsigned long long)w[11] << 32);
        break;
    default: /* a token */
        fprintf(f, "XAIE_IO_CUSTOM_OP_TCT R[%u]+%u, C[%u]+%u, #%s, %u\n", w[2] >> 8 & 0xff,
                w[3] >> 8 & 0xff, w[2] >> 16, w[3] >> 16 & 0xff,
                (w[2] & 0xff) == TXN_S2MM ? "DMA_S2MM" : "DMA_MM2S", w[3] >> 24);
    }
}

static int write_text(FILE *f, const uint32_t *words, size_t count) {
    for (uint32_t c = 0; c < (words[1] & 0xff); c++) fprintf(f, ".attach_to_group %u\n", c);
    for (size_t at = TXN_HEADER_WORDS, n; at < count; at += n) {
        n = txn_length(words, count, at);
        if (!n) return 0;
        write_operation(f, words + at, n);
    }
    return 1;
}

static FILE *create(const char *folder, const char *name, const char *ending) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s.%s", folder, name, ending);
    FILE *f = fopen(path, "wb");
    if (!f) perror(path), exit(1);
    return f;
}

static void write_stream(const char *folder, const char *name, const uint32_t *words,
                         size_t count) {
    FILE *bytes = create(folder, name, "bin"), *text = create(folder, name, "asm");
    int good =
        fwrite(words, sizeof *words, count, bytes) == count && write_text(text, words, count);
    good &= fclose(bytes) == 0;
    good &= fclose(text) == 0;
    if (!good) fprintf(stderr, "%s: not written\n", name), exit(1);
}

int main(int argc, char **argv) {
    /* a 7B's Q, gate, down and head; a 135M's gate and head; tensors that are copied into shape;
     * more quads than a lock counts, a panel of more chunks than a queue takes */
    static const uint32_t shapes[][3] = {{WEIGHT_W4, 4096, 4096},  {WEIGHT_W4, 11008, 4096},
                                         {WEIGHT_W4, 4096, 11008}, {WEIGHT_W8, 32000, 4096},
                                         {WEIGHT_W4, 1536, 576},   {WEIGHT_W8, 49152, 576},
                                         {WEIGHT_W4, 48, 64},      {WEIGHT_W8, 16, 192},
                                         {WEIGHT_W8, 1000, 128},   {WEIGHT_W8, 64, 20000}};
    static uint32_t words[CODE_WORDS];
    unsigned written = 0;
    if (argc != 2) return 2;
    for (uint32_t generation = NPU_XDNA1; generation <= NPU_XDNA2; generation++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            for (uint32_t b = 0; b < GEMV_BUCKETS; b++) {
                struct gemv_shape s;
                char name[64];
                uint32_t columns = gemv_bucket_columns(b), operations;
                if (!gemv_shape_direct(&s, shapes[i][0], shapes[i][1], shapes[i][2]))
                    gemv_shape_copied(&s, shapes[i][0], shapes[i][1], shapes[i][2]);
                if (!gemv_fits(&s, columns)) continue;
                size_t count = gemv_code(&s, generation, columns, words, CODE_WORDS, &operations);
                if (count > CODE_WORDS) return 1;
                snprintf(name, sizeof name, "xdna%u-w%u-%ux%u-%u", generation,
                         shapes[i][0] == WEIGHT_W4 ? 4 : 8, shapes[i][1], shapes[i][2], columns);
                write_stream(argv[1], name, words, count);
                written++;
            }
    printf("%u streams\n", written);
    return 0;
}
