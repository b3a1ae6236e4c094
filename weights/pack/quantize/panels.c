#include "weights/pack/quantize/panels.h"

#include <assert.h>
#include <stdbool.h>
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

/* The nibbles of 8 columns from c on, and in `high` the bits above them from bit `at` on. */
static void line_of_nibbles(const struct quantized_row *row, uint32_t rows, uint32_t c,
                            uint32_t more, bool table, uint32_t at, uint8_t *high, uint8_t *out) {
    const int offset = 8 << more;
    for (uint32_t r = 0; r < PANEL_ROWS; r++)
        for (uint32_t j = 0; j < 4; j++) {
            int low = weight(row, rows, r, c + j), far = weight(row, rows, r, c + 4 + j);
            low = table ? table_place(low) : low + offset;
            far = table ? table_place(far) : far + offset;
            out[r * 4 + j] = (uint8_t)((low & 15) | (far & 15) << 4);
            if (more) high[r * 4 + j] |= (uint8_t)((low >> 4 | far >> 4 << more) << at);
        }
}

/* The scales of the block that begins with group g. */
static uint8_t *line_of_scales(uint32_t kp, uint32_t g, const struct quantized_row *row,
                               uint32_t rows, uint8_t *out) {
    memset(out, 0, WEIGHT_LINE);
    for (uint32_t i = 0; i < WEIGHT_BLOCK && g + i < kp / GROUP; i++)
        for (uint32_t r = 0; r < rows; r++) out[i * PANEL_ROWS + r] = (uint8_t)row[r].scale[g + i];
    return out + WEIGHT_LINE;
}

/* A weight has a nibble and `more` high bits, or its nibble is a place in WEIGHT_TABLE. */
static void panel_grouped(uint32_t kp, uint32_t more, bool table, const struct quantized_row *row,
                          uint32_t rows, uint8_t *out) {
    uint8_t *high = NULL;
    for (uint32_t g = 0; g < kp / GROUP; g++) {
        uint32_t at = 8;
        if (g % WEIGHT_BLOCK == 0) out = line_of_scales(kp, g, row, rows, out);
        for (uint32_t c = g * GROUP; c < (g + 1) * GROUP; c += 8, at += 2 * more) {
            if (more && at == 8) {
                high = memset(out, 0, WEIGHT_LINE);
                out += WEIGHT_LINE;
                at = 0;
            }
            line_of_nibbles(row, rows, c, more, table, at, high, out);
            out += WEIGHT_LINE;
        }
    }
}

/* Which two of four weights are kept: the position of the first and the flag of the second. */
static void keep_two(const int w[4], uint32_t *position, uint32_t *flag) {
    static const uint8_t codes[6][2] = {{0, 0}, {2, 0}, {0, 1}, {1, 1}, {2, 1}, {3, 1}};
    for (uint32_t i = 0; i < 6; i++) {
        const uint32_t p = codes[i][0], s = sparse_second(p, codes[i][1]);
        uint32_t dropped = 0;
        for (uint32_t c = 0; c < 4; c++) dropped += c != p && c != s && w[c] != 0;
        *position = p, *flag = codes[i][1];
        if (!dropped) return;
    }
    assert(!"more than two of four weights are not 0");
}

static void panel_sparse(uint32_t kp, bool bytes, const struct quantized_row *row, uint32_t rows,
                         uint8_t *out) {
    uint8_t *flags = NULL;
    for (uint32_t g = 0; g < kp / GROUP; g++) {
        if (!bytes && g % WEIGHT_BLOCK == 0) out = line_of_scales(kp, g, row, rows, out);
        if (g % 2 == 0) {
            flags = memset(out, 0, WEIGHT_LINE);
            out += WEIGHT_LINE;
        }
        uint8_t *positions = memset(out, 0, WEIGHT_LINE);
        out += WEIGHT_LINE;
        for (uint32_t i = 0; i < 4; i++, out += bytes ? 2 * WEIGHT_LINE : WEIGHT_LINE)
            for (uint32_t b = 0; b < WEIGHT_LINE; b++) {
                int w[4];
                uint32_t p, flag;
                for (uint32_t c = 0; c < 4; c++)
                    w[c] = weight(row, rows, b / 4, g * GROUP + i * 16 + b % 4 * 4 + c);
                keep_two(w, &p, &flag);
                const int first = w[p], second = w[sparse_second(p, flag)];
                positions[b] |= (uint8_t)(p << 2 * i);
                flags[b] |= (uint8_t)(flag << (2 * i + 1 - g % 2));
                out[b] = (uint8_t)(bytes ? first & 255 : (first & 15) | (second & 15) << 4);
                if (bytes) out[b + WEIGHT_LINE] = (uint8_t)(second & 255);
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
        panel_grouped(kp, 0, false, row, rows, out);
        break;
    case WEIGHT_W4T:
        panel_grouped(kp, 0, true, row, rows, out);
        break;
    case WEIGHT_W5:
        panel_grouped(kp, 1, false, row, rows, out);
        break;
    case WEIGHT_W6:
        panel_grouped(kp, 2, false, row, rows, out);
        break;
    case WEIGHT_W4S:
        panel_sparse(kp, false, row, rows, out);
        break;
    case WEIGHT_W8S:
        panel_sparse(kp, true, row, rows, out);
        break;
    case WEIGHT_ROW8:
        memset(out, 0, (size_t)kp * PANEL_ROWS);
        for (uint32_t r = 0; r < rows; r++) memcpy(out + (size_t)r * kp, row[r].q, kp);
        break;
    }
}
