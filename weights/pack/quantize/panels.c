#include "weights/pack/quantize/panels.h"

#include <assert.h>
#include <string.h>

/* w[r][c]; 0 in absent rows. */
static int weight(const struct quantized_row *row, uint32_t rows, uint32_t r, uint32_t c) {
    return r < rows ? row[r].q[c] : 0;
}

static void panel_w8(uint32_t kp, const struct quantized_row *row, uint32_t rows, uint8_t *out) {
    for (uint32_t c = 0; c < kp; c += 4)
        for (uint32_t r = 0; r < PANEL_ROWS; r++)
            for (uint32_t j = 0; j < 4; j++) *out++ = (uint8_t)(weight(row, rows, r, c + j) + 128);
}

static void panel_w4(uint32_t kp, const struct quantized_row *row, uint32_t rows, uint8_t *out) {
    for (uint32_t block = 0; block < kp; block += 4 * GROUP) {
        uint32_t end = block + 4 * GROUP < kp ? block + 4 * GROUP : kp;
        memset(out, 0, 64);
        for (uint32_t g = block / GROUP; g < end / GROUP; g++)
            for (uint32_t r = 0; r < rows; r++)
                out[(g - block / GROUP) * PANEL_ROWS + r] = (uint8_t)row[r].scale[g];
        out += 64;
        for (uint32_t c = block; c < end; c += 8) {
            for (uint32_t r = 0; r < PANEL_ROWS; r++) {
                for (uint32_t j = 0; j < 4; j++) {
                    int low = weight(row, rows, r, c + j) + 8,
                        high = weight(row, rows, r, c + 4 + j) + 8;
                    *out++ = (uint8_t)(low | high << 4);
                }
            }
        }
    }
}

void layout_panel(enum weight_type type, uint32_t cols, const struct quantized_row *row,
                  uint32_t rows, uint8_t *out) {
    assert(rows >= 1 && rows <= PANEL_ROWS);
    uint32_t kp = padded_cols(cols);
    switch (type) {
    case WEIGHT_W8:
        panel_w8(kp, row, rows, out);
        break;
    case WEIGHT_W4:
        panel_w4(kp, row, rows, out);
        break;
    case WEIGHT_ROW8:
        memset(out, 0, (size_t)kp * PANEL_ROWS);
        for (uint32_t r = 0; r < rows; r++) memcpy(out + (size_t)r * kp, row[r].q, kp);
        break;
    }
}
