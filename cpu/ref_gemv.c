/* GEMV in plain C (docs/numerics.md 4), over the panels of weights/format.h. Integer sums are
 * uint32_t: modulo 2^32, so every bit pattern of the weights is safe. */
#include "cpu/variants.h"
#include "hal/scalar.h"

static uint32_t product(int32_t w, int32_t q) { return (uint32_t)(w * q); }

/* acc[r] = sum over c of w[r][c] * q[c] */
static void panel_w8(const uint8_t *panel, uint32_t kp, const int8_t *q, uint32_t acc[PANEL_ROWS]) {
    memset(acc, 0, PANEL_ROWS * sizeof *acc);
    for (uint32_t c = 0; c < kp; c += 4, panel += 64)
        for (uint32_t r = 0; r < PANEL_ROWS; r++)
            for (uint32_t j = 0; j < 4; j++) acc[r] += product(panel[r * 4 + j] - 128, q[c + j]);
}

/* acc[r] = sum over groups g of scale[r][g] * sum over c in g of w[r][c] * q[c]. A weight has a
 * nibble and `more` high bits, and is stored with half its range added; or a nibble is a place in
 * WEIGHT_TABLE. */
static void panel_grouped(const uint8_t *panel, uint32_t kp, const int8_t *q, const uint32_t more,
                          const int table, uint32_t acc[PANEL_ROWS]) {
    static const int8_t values[16] = WEIGHT_TABLE(0);
    const int32_t offset = 8 << more, mask = (1 << more) - 1;
    const uint8_t *scales = NULL, *high = NULL;
    memset(acc, 0, PANEL_ROWS * sizeof *acc);
    for (uint32_t g = 0; g < kp / GROUP; g++) {
        uint32_t sum[PANEL_ROWS] = {0}, at = 8; /* at: bits of a high byte that are used */
        if (g % 4 == 0) {
            scales = panel;
            panel += 64;
        }
        for (uint32_t c = g * GROUP; c < (g + 1) * GROUP; c += 8, panel += 64, at += 2 * more) {
            if (more && at == 8) {
                high = panel;
                panel += 64;
                at = 0;
            }
            for (uint32_t r = 0; r < PANEL_ROWS; r++)
                for (uint32_t j = 0; j < 4; j++) {
                    const int32_t b = panel[r * 4 + j], h = more ? high[r * 4 + j] >> at : 0;
                    const int32_t low = (b & 15) + ((h & mask) << 4),
                                  up = (b >> 4) + ((h >> more & mask) << 4);
                    sum[r] += product(table ? values[low] : low - offset, q[c + j]);
                    sum[r] += product(table ? values[up] : up - offset, q[c + 4 + j]);
                }
        }
        for (uint32_t r = 0; r < PANEL_ROWS; r++)
            acc[r] += (uint32_t)(int8_t)scales[g % 4 * 16 + r] * sum[r];
    }
}

static void panel_w4(const uint8_t *panel, uint32_t kp, const int8_t *q, uint32_t acc[PANEL_ROWS]) {
    panel_grouped(panel, kp, q, 0, 0, acc);
}
static void panel_w4t(const uint8_t *panel, uint32_t kp, const int8_t *q,
                      uint32_t acc[PANEL_ROWS]) {
    panel_grouped(panel, kp, q, 0, 1, acc);
}
static void panel_w5(const uint8_t *panel, uint32_t kp, const int8_t *q, uint32_t acc[PANEL_ROWS]) {
    panel_grouped(panel, kp, q, 1, 0, acc);
}
static void panel_w6(const uint8_t *panel, uint32_t kp, const int8_t *q, uint32_t acc[PANEL_ROWS]) {
    panel_grouped(panel, kp, q, 2, 0, acc);
}

/* The same where of four columns two are kept (weights/format.h). A weight has a nibble, or a byte
 * and no scales. */
static void panel_sparse(const uint8_t *panel, uint32_t kp, const int8_t *q, const int bytes,
                         uint32_t acc[PANEL_ROWS]) {
    const uint8_t *scales = NULL, *flags = NULL;
    memset(acc, 0, PANEL_ROWS * sizeof *acc);
    for (uint32_t g = 0; g < kp / GROUP; g++) {
        uint32_t sum[PANEL_ROWS] = {0};
        if (!bytes && g % 4 == 0) {
            scales = panel;
            panel += 64;
        }
        if (g % 2 == 0) {
            flags = panel;
            panel += 64;
        }
        const uint8_t *positions = panel;
        panel += 64;
        for (uint32_t i = 0; i < 4; i++, panel += bytes ? 128 : 64)
            for (uint32_t b = 0; b < 64; b++) {
                const int32_t near = bytes ? (int8_t)panel[b] : ((panel[b] & 15) ^ 8) - 8,
                              far = bytes ? (int8_t)panel[b + 64] : ((panel[b] >> 4) ^ 8) - 8;
                const uint32_t p = positions[b] >> 2 * i & 3;
                const uint32_t flag = flags[b] >> (2 * i + 1 - g % 2) & 1;
                const int8_t *quad = q + g * GROUP + i * 16 + b % 4 * 4;
                sum[b / 4] += product(near, quad[p]) + product(far, quad[sparse_second(p, flag)]);
            }
        for (uint32_t r = 0; r < PANEL_ROWS; r++)
            acc[r] += bytes ? sum[r] : (uint32_t)(int8_t)scales[g % 4 * 16 + r] * sum[r];
    }
}

static void panel_w4s(const uint8_t *panel, uint32_t kp, const int8_t *q,
                      uint32_t acc[PANEL_ROWS]) {
    panel_sparse(panel, kp, q, 0, acc);
}
static void panel_w8s(const uint8_t *panel, uint32_t kp, const int8_t *q,
                      uint32_t acc[PANEL_ROWS]) {
    panel_sparse(panel, kp, q, 1, acc);
}

typedef void panel_fn(const uint8_t *panel, uint32_t kp, const int8_t *q, uint32_t acc[PANEL_ROWS]);

static uint32_t gemv(const struct gemv_args *a, uint32_t begin, uint32_t end, uint32_t type,
                     panel_fn *panel) {
    assert(gemv_good(a, begin, end));
    size_t stride = panel_bytes(type, a->kp);
    uint32_t bad = 0;
    for (uint32_t p = begin; p < end; p++)
        for (uint32_t c = 0; c < a->columns; c++) {
            const uint8_t *x = a->x + c * a->x_stride;
            uint32_t acc[PANEL_ROWS];
            float scale;
            __builtin_memcpy(&scale, x + act_scale_at(a->kp), sizeof scale);
            panel(a->panels + p * stride, a->kp, (const int8_t *)x, acc);
            for (uint32_t r = 0; r < PANEL_ROWS; r++) {
                size_t row = (size_t)p * PANEL_ROWS + r;
                float *y = a->y + c * a->y_stride + row;
                float t = (float)(int32_t)acc[r] * a->row_scale[row];
                float v = num_snap(t * scale, &bad);
                if (a->bias) v = num_snap(v + a->bias[row], &bad);
                *y = a->add ? num_snap(*y + v, &bad) : v;
            }
        }
    return bad;
}

uint32_t ref_gemv_w8(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    return gemv(args, panel_begin, panel_end, WEIGHT_W8, panel_w8);
}

uint32_t ref_gemv_w4(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    return gemv(args, panel_begin, panel_end, WEIGHT_W4, panel_w4);
}

uint32_t ref_gemv_w4t(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    return gemv(args, panel_begin, panel_end, WEIGHT_W4T, panel_w4t);
}

uint32_t ref_gemv_w5(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    return gemv(args, panel_begin, panel_end, WEIGHT_W5, panel_w5);
}

uint32_t ref_gemv_w6(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    return gemv(args, panel_begin, panel_end, WEIGHT_W6, panel_w6);
}

uint32_t ref_gemv_w4s(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    return gemv(args, panel_begin, panel_end, WEIGHT_W4S, panel_w4s);
}

uint32_t ref_gemv_w8s(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    return gemv(args, panel_begin, panel_end, WEIGHT_W8S, panel_w8s);
}
