/* Rounds the rows of a matrix with feedback, for tests/oracle/test_calibration.py:

    feedback_rows 4|4t|5|6|8[-unfitted] COLUMNS TOKENS ROWS X.f32 W.f32 OUT

   X [tokens][columns] and W [rows][columns] are floats, columns a multiple of 64. OUT: for every
   row its float scale, its int8 group scales and its int8 integers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weights/pack/quantize/feedback.h"
#include "weights/pack/quantize/hessian.h"
#include "weights/pack/quantize/matmul.h"

static float *read_floats(const char *path, size_t count) {
    float *x = malloc(count * sizeof *x);
    FILE *f = fopen(path, "rb");
    if (!x || !f || fread(x, sizeof *x, count, f) != count) exit(2);
    fclose(f);
    return x;
}

int main(int argc, char **argv) {
    if (argc != 8) return 2;
    enum weight_type type = WEIGHT_W8;
    if (argv[1][0] == '4') type = argv[1][1] == 't' ? WEIGHT_W4T : WEIGHT_W4;
    if (argv[1][0] == '5') type = WEIGHT_W5;
    if (argv[1][0] == '6') type = WEIGHT_W6;
    uint32_t n = (uint32_t)atoi(argv[2]), tokens = (uint32_t)atoi(argv[3]),
             rows = (uint32_t)atoi(argv[4]);
    float *x = read_floats(argv[5], (size_t)tokens * n),
          *w = read_floats(argv[6], (size_t)rows * n);
    float *h = calloc((size_t)n * n, sizeof *h), *room = malloc(MATMUL_ROOM * sizeof *room);
    struct hessian_room with = {malloc(n * sizeof(float)), malloc(n * sizeof(uint32_t))};
    struct hessian_factor factor;
    FILE *out = fopen(argv[7], "wb");
    if (!h || !with.weight || !with.order || !room || !out || n % GROUP) exit(2);
    hessian_add(1, x, tokens, n, h, room);
    if (!hessian_factor(1, h, n, 0.04f, &with, &factor, room)) exit(1);
    struct quantizer quantizer = strchr(argv[1], '-') ? quantizer_unfitted(type, &factor)
                                                      : quantizer_feedback(type, &factor);
    float *more = malloc(quantizer.room_floats * sizeof *more);
    int8_t *q = malloc((size_t)n * QUANTIZE_ROWS),
           *scale = malloc((size_t)n / GROUP * QUANTIZE_ROWS);
    if (!more || !q || !scale) exit(2);
    for (uint32_t first = 0; first < rows; first += QUANTIZE_ROWS) {
        uint32_t count = rows - first < QUANTIZE_ROWS ? rows - first : QUANTIZE_ROWS;
        struct quantized_row row[QUANTIZE_ROWS];
        for (uint32_t r = 0; r < count; r++)
            row[r] = (struct quantized_row){.q = q + (size_t)r * n,
                                            .scale = scale + (size_t)r * (n / GROUP)};
        quantizer.rows(&quantizer, w + (size_t)first * n, count, n, more, row);
        for (uint32_t r = 0; r < count; r++) {
            fwrite(&row[r].row_scale, sizeof(float), 1, out);
            fwrite(row[r].scale, 1, n / GROUP, out);
            fwrite(row[r].q, 1, n, out);
        }
    }
    free(x), free(w), free(h), free(with.weight), free(with.order), free(room), free(more), free(q),
        free(scale);
    return fclose(out) ? 2 : 0;
}
