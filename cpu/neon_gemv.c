/* GEMV with sdot (FEAT_DotProd), in tiles of one panel and up to 4 columns. Its sums of 4 products
 * are added to 32 bits without saturation. 16 activations of a column are in one register, and each
 * sdot takes 4 of them by its lane.
 *
 * Taking one panel at a time reads memory as one stream. For more columns than a tile holds, the
 * panel is read again from the cache. */
#include "cpu/neon_inl.h"
#include "cpu/gemv_high_inl.h"
#include "cpu/gemv_sparse_inl.h"
#include "cpu/variants.h"

enum { TILE_COLUMNS = 4, QUARTERS = 4 /* of 4 rows, in a panel */ };

struct tile {
    const struct gemv_args *args;
    const uint8_t *w; /* the panel */
    uint32_t panel, column;
};
typedef uint32_t tile_fn(const struct tile *t);

/* Writes the 16 rows of the panel in COLUMNS columns: y = snap((float) sum * row_scale * scale),
 * with the bias where there is one, added to the old y if `add`. */
INLINE uint32_t finish(const struct tile *t, const uint32_t COLUMNS,
                       int32x4_t sum[TILE_COLUMNS][QUARTERS]) {
    const struct gemv_args *a = t->args;
    uint32x4_t bad = vdupq_n_u32(0);
    for (uint32_t c = 0; c < COLUMNS; c++) {
        const size_t row = (size_t)t->panel * PANEL_ROWS;
        float *y = a->y + (t->column + c) * a->y_stride + row;
        float scale;
        __builtin_memcpy(&scale, a->x + (t->column + c) * a->x_stride + act_scale_at(a->kp),
                         sizeof scale);
        for (uint32_t i = 0; i < QUARTERS; i++) {
            float32x4_t v =
                vmulq_f32(vcvtq_f32_s32(sum[c][i]), vld1q_f32(a->row_scale + row + i * 4));
            v = snap4(vmulq_f32(v, vdupq_n_f32(scale)), &bad);
            if (a->bias) v = snap4(vaddq_f32(v, vld1q_f32(a->bias + row + i * 4)), &bad);
            if (a->add) v = snap4(vaddq_f32(vld1q_f32(y + i * 4), v), &bad);
            vst1q_f32(y + i * 4, v);
        }
    }
    return any4(bad);
}

/* sum[c][i] += w[i] times activations 4 * LANE .. of column c; LANE is a constant. */
#define DOT(sum, w, x, LANE)                                                                       \
    for (uint32_t c = 0; c < COLUMNS; c++)                                                         \
        for (uint32_t i = 0; i < QUARTERS; i++)                                                    \
            (sum)[c][i] = vdotq_laneq_s32((sum)[c][i], (w)[i], (x)[c], LANE);

/* A line of 64 bytes: 4 columns of 16 rows, as 0 .. 255. */
INLINE void load_w8(const uint8_t *w, int8x16_t out[QUARTERS]) {
    for (uint32_t i = 0; i < QUARTERS; i++)
        out[i] = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(w + i * 16), vdupq_n_u8(128)));
}

INLINE void load_x(const struct tile *t, const uint32_t COLUMNS, uint32_t k,
                   int8x16_t x[TILE_COLUMNS]) {
    const struct gemv_args *a = t->args;
    for (uint32_t c = 0; c < COLUMNS; c++)
        x[c] = vreinterpretq_s8_u8(vld1q_u8(a->x + (t->column + c) * a->x_stride + k));
}

INLINE uint32_t compute_w8(const struct tile *t, const uint32_t COLUMNS) {
    int32x4_t sum[TILE_COLUMNS][QUARTERS];
    int8x16_t w[QUARTERS], x[TILE_COLUMNS];
    const uint8_t *line = t->w;
    for (uint32_t c = 0; c < COLUMNS; c++)
        for (uint32_t i = 0; i < QUARTERS; i++) sum[c][i] = vdupq_n_s32(0);
    for (uint32_t k = 0; k < t->args->kp; k += 16, line += 4 * 64) {
        load_x(t, COLUMNS, k, x);
        load_w8(line, w);
        DOT(sum, w, x, 0)
        load_w8(line + 64, w);
        DOT(sum, w, x, 1)
        load_w8(line + 128, w);
        DOT(sum, w, x, 2)
        load_w8(line + 192, w);
        DOT(sum, w, x, 3)
    }
    return finish(t, COLUMNS, sum);
}

#define UP(n)   vshlq_n_u8(high, n)
#define DOWN(n) vshrq_n_u8(high, n)

/* w becomes the weights of a run of four columns: the low nibbles of b and, from the line at
 * `above`, the high bits of run w5 or w6 under it, less half their range. */
#define WEIGHTS(w, b, w5, w6)                                                                      \
    do {                                                                                           \
        uint8x16_t v = vandq_u8(b, vdupq_n_u8(15));                                                \
        if (more) {                                                                                \
            const uint8x16_t high = vld1q_u8(above + i * 16);                                      \
            v = vorrq_u8(v, vandq_u8(more == 1 ? W5_HIGH_##w5 : W6_HIGH_##w6, mask));              \
        }                                                                                          \
        (w)[i] = table ? vqtbl1q_s8(values, v) : vsubq_s8(vreinterpretq_s8_u8(v), half);           \
    } while (0)

/* Columns 8 * n .. 8 * n + 7 of the group; each four of them are a lane of x. c and d, f and g: the
 * numbers of their runs under a line of high bits of W5 and W6. */
#define LINE(n, lane, next, c, d, f, g)                                                            \
    do {                                                                                           \
        const uint8_t *at = line + nibble_line(n, more) * 64;                                      \
        if (high_before(n, more)) above = at - 64;                                                 \
        for (uint32_t i = 0; i < QUARTERS; i++) {                                                  \
            const uint8x16_t b = vld1q_u8(at + i * 16);                                            \
            WEIGHTS(low, b, c, f);                                                                 \
            WEIGHTS(up, vshrq_n_u8(b, 4), d, g);                                                   \
        }                                                                                          \
        if ((lane) == 0) load_x(t, COLUMNS, group *GROUP + (n)*8, x);                              \
        DOT(sum, low, x, lane)                                                                     \
        DOT(sum, up, x, next)                                                                      \
    } while (0)

/* total += sum * scales of a group, 16 rows. */
INLINE void scale_group(const int8_t *scales, const uint32_t COLUMNS,
                        int32x4_t sum[TILE_COLUMNS][QUARTERS],
                        int32x4_t total[TILE_COLUMNS][QUARTERS]) {
    const int8x16_t s = vld1q_s8(scales);
    const int16x8_t near = vmovl_s8(vget_low_s8(s)), far = vmovl_s8(vget_high_s8(s));
    const int32x4_t by[QUARTERS] = {vmovl_s16(vget_low_s16(near)), vmovl_s16(vget_high_s16(near)),
                                    vmovl_s16(vget_low_s16(far)), vmovl_s16(vget_high_s16(far))};
    for (uint32_t c = 0; c < COLUMNS; c++)
        for (uint32_t i = 0; i < QUARTERS; i++)
            total[c][i] = vmlaq_s32(total[c][i], sum[c][i], by[i]);
}

/* more: the bits that a weight has above its nibble; table: whether that is a place in
 * WEIGHT_TABLE */
INLINE uint32_t compute_grouped(const struct tile *t, const uint32_t COLUMNS, const uint32_t more,
                                const int table) {
    static const int8_t places[16] = WEIGHT_TABLE(0);
    const int8x16_t values = vld1q_s8(places);
    int32x4_t total[TILE_COLUMNS][QUARTERS], sum[TILE_COLUMNS][QUARTERS];
    int8x16_t low[QUARTERS], up[QUARTERS], x[TILE_COLUMNS];
    const int8x16_t half = vdupq_n_s8((int8_t)(8 << more));
    const uint8x16_t mask = vdupq_n_u8((uint8_t)high_mask(more));
    const uint8_t *line = t->w, *scales = line, *above = line;
    for (uint32_t c = 0; c < COLUMNS; c++)
        for (uint32_t i = 0; i < QUARTERS; i++) total[c][i] = vdupq_n_s32(0);
    for (uint32_t group = 0; group < t->args->kp / GROUP; group++) {
        if (group % 4 == 0) {
            scales = line;
            line += 64;
        }
        for (uint32_t c = 0; c < COLUMNS; c++)
            for (uint32_t i = 0; i < QUARTERS; i++) sum[c][i] = vdupq_n_s32(0);
        LINE(0, 0, 1, 0, 1, 0, 1);
        LINE(1, 2, 3, 2, 3, 2, 3);
        LINE(2, 0, 1, 4, 5, 0, 1);
        LINE(3, 2, 3, 6, 7, 2, 3);
        LINE(4, 0, 1, 0, 1, 0, 1);
        LINE(5, 2, 3, 2, 3, 2, 3);
        LINE(6, 0, 1, 4, 5, 0, 1);
        LINE(7, 2, 3, 6, 7, 2, 3);
        scale_group((const int8_t *)scales + group % 4 * 16, COLUMNS, sum, total);
        line += group_bytes(more);
    }
    return finish(t, COLUMNS, total);
}

INLINE uint32_t compute_w4(const struct tile *t, const uint32_t COLUMNS) {
    return compute_grouped(t, COLUMNS, 0, 0);
}
INLINE uint32_t compute_w4t(const struct tile *t, const uint32_t COLUMNS) {
    return compute_grouped(t, COLUMNS, 0, 1);
}
INLINE uint32_t compute_w5(const struct tile *t, const uint32_t COLUMNS) {
    return compute_grouped(t, COLUMNS, 1, 0);
}
INLINE uint32_t compute_w6(const struct tile *t, const uint32_t COLUMNS) {
    return compute_grouped(t, COLUMNS, 2, 0);
}

/* Of 16 rows' quads: the columns of a run, counted from the first of 16, that are kept (weights/
 * format.h). `run` is the shift that brings its positions down. */
INLINE void kept_columns(uint8x16_t near, uint8x16_t flags, int8x16_t run, uint8x16_t *first,
                         uint8x16_t *second) {
    const uint8x16_t quads = vreinterpretq_u8_u32(vdupq_n_u32(SPARSE_QUADS));
    const uint8x16_t top = vandq_u8(flags, vdupq_n_u8(SPARSE_TOPS));
    const uint8x16_t clear = vshrq_n_u8(vbicq_u8(top, near), 1);
    const uint8x16_t far =
        veorq_u8(veorq_u8(near, vdupq_n_u8(SPARSE_BOTTOMS)), veorq_u8(top, clear));
    *first = vorrq_u8(vandq_u8(vshlq_u8(near, run), vdupq_n_u8(3)), quads);
    *second = vorrq_u8(vandq_u8(vshlq_u8(far, run), vdupq_n_u8(3)), quads);
}

/* The types that keep two of every four columns. Activations are put into the weights' places. */
INLINE uint32_t compute_sparse(const struct tile *t, const uint32_t COLUMNS, const int bytes) {
    int32x4_t total[TILE_COLUMNS][QUARTERS], sum[TILE_COLUMNS][QUARTERS];
    int8x16_t x[TILE_COLUMNS];
    const uint8_t *line = t->w, *scales = line, *flags = line;
    for (uint32_t c = 0; c < COLUMNS; c++)
        for (uint32_t i = 0; i < QUARTERS; i++) total[c][i] = sum[c][i] = vdupq_n_s32(0);
    for (uint32_t group = 0; group < t->args->kp / GROUP; group++) {
        if (!bytes && group % 4 == 0) scales = line, line += 64;
        if (group % 2 == 0) flags = line, line += 64;
        const uint8_t *positions = line;
        line += 64;
        for (uint32_t run = 0; run < 4; run++, line += bytes ? 128 : 64) {
            load_x(t, COLUMNS, group * GROUP + run * 16, x);
            for (uint32_t i = 0; i < QUARTERS; i++) {
                uint8x16_t first, second, flag = vld1q_u8(flags + i * 16);
                if (group % 2) flag = vshlq_n_u8(flag, 1);
                kept_columns(vld1q_u8(positions + i * 16), flag, vdupq_n_s8((int8_t)(run * -2)),
                             &first, &second);
                const int8x16_t w = vreinterpretq_s8_u8(vld1q_u8(line + i * 16));
                int8x16_t low = w, high = vshrq_n_s8(w, 4);
                if (bytes) high = vreinterpretq_s8_u8(vld1q_u8(line + 64 + i * 16));
                if (!bytes) low = vshrq_n_s8(vshlq_n_s8(w, 4), 4);
                for (uint32_t c = 0; c < COLUMNS; c++) {
                    sum[c][i] = vdotq_s32(sum[c][i], low, vqtbl1q_s8(x[c], first));
                    sum[c][i] = vdotq_s32(sum[c][i], high, vqtbl1q_s8(x[c], second));
                }
            }
        }
        if (bytes) continue;
        scale_group((const int8_t *)scales + group % 4 * 16, COLUMNS, sum, total);
        for (uint32_t c = 0; c < COLUMNS; c++)
            for (uint32_t i = 0; i < QUARTERS; i++) sum[c][i] = vdupq_n_s32(0);
    }
    return finish(t, COLUMNS, bytes ? sum : total);
}

INLINE uint32_t compute_w4s(const struct tile *t, const uint32_t COLUMNS) {
    return compute_sparse(t, COLUMNS, 0);
}
INLINE uint32_t compute_w8s(const struct tile *t, const uint32_t COLUMNS) {
    return compute_sparse(t, COLUMNS, 1);
}

#define TILE(type, c)                                                                              \
    static uint32_t type##_##c(const struct tile *t) { return compute_##type(t, c); }
#define TILES_OF(type) TILE(type, 1) TILE(type, 2) TILE(type, 3) TILE(type, 4)
#define DENSE          TILES_OF(w4) TILES_OF(w4t) TILES_OF(w5) TILES_OF(w6) TILES_OF(w8)
#define SPARSE         TILES_OF(w4s) TILES_OF(w8s)
DENSE
SPARSE

/* table[n - 1] computes n columns. */
static uint32_t walk(const struct gemv_args *a, uint32_t begin, uint32_t end, uint32_t type,
                     tile_fn *const table[TILE_COLUMNS]) {
    assert(gemv_good(a, begin, end));
    const size_t bytes = panel_bytes(type, a->kp);
    struct tile t = {a, a->panels + begin * bytes, begin, 0};
    uint32_t bad = 0;
    for (; t.panel < end; t.panel++, t.w += bytes)
        for (t.column = 0; t.column < a->columns; t.column += TILE_COLUMNS) {
            const uint32_t left = a->columns - t.column;
            bad |= table[(left < TILE_COLUMNS ? left : TILE_COLUMNS) - 1](&t);
        }
    return bad;
}

uint32_t neon_gemv_w8(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[TILE_COLUMNS] = {w8_1, w8_2, w8_3, w8_4};
    return walk(args, panel_begin, panel_end, WEIGHT_W8, table);
}

uint32_t neon_gemv_w4(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[TILE_COLUMNS] = {w4_1, w4_2, w4_3, w4_4};
    return walk(args, panel_begin, panel_end, WEIGHT_W4, table);
}

uint32_t neon_gemv_w4t(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[TILE_COLUMNS] = {w4t_1, w4t_2, w4t_3, w4t_4};
    return walk(args, panel_begin, panel_end, WEIGHT_W4T, table);
}

uint32_t neon_gemv_w5(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[TILE_COLUMNS] = {w5_1, w5_2, w5_3, w5_4};
    return walk(args, panel_begin, panel_end, WEIGHT_W5, table);
}

uint32_t neon_gemv_w6(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[TILE_COLUMNS] = {w6_1, w6_2, w6_3, w6_4};
    return walk(args, panel_begin, panel_end, WEIGHT_W6, table);
}

uint32_t neon_gemv_w4s(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[TILE_COLUMNS] = {w4s_1, w4s_2, w4s_3, w4s_4};
    return walk(args, panel_begin, panel_end, WEIGHT_W4S, table);
}

uint32_t neon_gemv_w8s(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[TILE_COLUMNS] = {w8s_1, w8s_2, w8s_3, w8s_4};
    return walk(args, panel_begin, panel_end, WEIGHT_W8S, table);
}
