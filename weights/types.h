/* The types of weights, one row each. All code but the loops over weights learns here what a type
 * is.
 *
 * A type of panels is for multiplication: 16 rows together, in groups of 64 columns. A group takes
 * `group_lines` lines of 64 bytes. Every block of four groups (the last one may have fewer) begins
 * with `block_lines` more lines, its scales, and every pair of groups (the last one may be alone)
 * with `pair_lines` more; weights/format.h says what the bytes mean. A type of rows is plain rows
 * of bytes, each a padded width after the one before, and is only read.
 *
 * Sparse types keep two of every four columns of a row; the others are 0. */
#ifndef WEIGHTS_TYPES_H
#define WEIGHTS_TYPES_H

#include <stddef.h>
#include <stdint.h>

enum {
    PANEL_ROWS = 16,
    GROUP = 64, /* columns that share an integer scale, in the types that have those; every input
                   width is padded to a multiple of it */
    WEIGHT_LINE = 64,
    WEIGHT_BLOCK = 4 /* groups */
};

/* The numbers stand in blobs: a number never gets another meaning. */
enum weight_type {
    WEIGHT_W8 = 1,   /* panels of signed bytes, stored + 128 */
    WEIGHT_W4 = 2,   /* panels of nibbles, stored + 8, with int8 scales per group */
    WEIGHT_ROW8 = 3, /* plain rows of signed bytes, kp apart: only the embedding, of which one row
                        is read per token */
    WEIGHT_W5 = 4,   /* as W4, and beside the nibbles one or two high bits: stored + 16 */
    WEIGHT_W6 = 5,   /* stored + 32 */
    WEIGHT_W4S = 6,  /* sparse: panels of nibbles, with int8 scales per group */
    WEIGHT_W8S = 7,  /* sparse: panels of signed bytes */
    WEIGHT_W4T = 8   /* as W4, but a nibble is a place in WEIGHT_TABLE */
};
enum { WEIGHT_TYPES = WEIGHT_W4T + 1 }; /* for tables by type; no type is 0 */

enum weight_form { WEIGHT_PANELS, WEIGHT_ROWS };

/* Engines that multiply a type. */
enum { WEIGHT_ON_CPU = 1, WEIGHT_ON_IGPU = 2, WEIGHT_ON_NPU = 4 };

struct weight_traits {
    const char *name; /* as apus_tensor_info and the packer's report have it */
    enum weight_form form;
    uint8_t bits; /* bits of a weight, and of the scale that a row has for every group */
    uint8_t scale_bits;
    uint8_t group_lines, block_lines, pair_lines; /* of panels */
    uint8_t zero;    /* panels filled with this byte hold only weights 0 */
    uint8_t engines; /* WEIGHT_ON_...: the engines that multiply it */
    uint8_t sparse;  /* whether only two of four columns are kept */
};

static inline int weight_type_known(uint32_t type) { return type >= 1 && type < WEIGHT_TYPES; }

/* A file may change after it was checked and then hold a number that is no type. Such a number gets
 * the row of zeros. */
static inline const struct weight_traits *weight_traits(uint32_t type) {
    enum { CPU_AND_IGPU = WEIGHT_ON_CPU | WEIGHT_ON_IGPU, ALL = CPU_AND_IGPU | WEIGHT_ON_NPU };
    static const struct weight_traits traits[WEIGHT_TYPES] = {
        {"unknown", WEIGHT_ROWS, 0, 0, 0, 0, 0, 0, 0, 0},
        [WEIGHT_W8] = {"w8", WEIGHT_PANELS, 8, 0, 16, 0, 0, 128, ALL, 0},
        [WEIGHT_W4] = {"w4", WEIGHT_PANELS, 4, 8, 8, 1, 0, 0, ALL, 0},
        [WEIGHT_ROW8] = {"row8", WEIGHT_ROWS, 8, 0, 0, 0, 0, 0, 0, 0},
        [WEIGHT_W5] = {"w5", WEIGHT_PANELS, 5, 8, 10, 1, 0, 0, CPU_AND_IGPU, 0},
        [WEIGHT_W6] = {"w6", WEIGHT_PANELS, 6, 8, 12, 1, 0, 0, CPU_AND_IGPU, 0},
        [WEIGHT_W4S] = {"w4s", WEIGHT_PANELS, 4, 8, 5, 1, 1, 0, WEIGHT_ON_CPU, 1},
        [WEIGHT_W8S] = {"w8s", WEIGHT_PANELS, 8, 0, 9, 0, 1, 0, WEIGHT_ON_CPU, 1},
        [WEIGHT_W4T] = {"w4t", WEIGHT_PANELS, 4, 8, 8, 1, 0, 0, ALL, 0},
    };
    return &traits[weight_type_known(type) ? type : 0];
}

/* The weights of W4T by nibble, each plus `offset`. They lie close around 0, where most weights of
 * a group are, and reach further than a uniform grid. From 2 to 13 they are what W4 has. */
#define WEIGHT_TABLE(offset)                                                                       \
    {                                                                                              \
        (offset) - 10, (offset)-8, (offset)-6, (offset)-5, (offset)-4, (offset)-3, (offset)-2,     \
            (offset)-1, (offset), (offset) + 1, (offset) + 2, (offset) + 3, (offset) + 4,          \
            (offset) + 5, (offset) + 7, (offset) + 9                                               \
    }

/* Of a quad of a sparse type: the second column that is kept, where the first is `position`, 0..3.
 * It is another one with either flag, so that no code names a column twice. */
static inline uint32_t sparse_second(uint32_t position, uint32_t flag) {
    return position ^ (flag ? 2 + (position >> 1) : 1);
}

static inline uint32_t round_up(uint32_t n, uint32_t to) { return (n + to - 1) / to * to; }
static inline uint32_t padded_cols(uint32_t cols) { return round_up(cols, GROUP); }
static inline uint32_t padded_rows(uint32_t rows) { return round_up(rows, PANEL_ROWS); }

/* Bytes of 16 rows, one behind the other or as a panel. */
static inline size_t panel_bytes(uint32_t type, uint32_t cols) {
    const struct weight_traits *t = weight_traits(type);
    size_t kp = padded_cols(cols), groups = kp / GROUP;
    if (t->form == WEIGHT_ROWS) return kp * PANEL_ROWS;
    return ((groups + WEIGHT_BLOCK - 1) / WEIGHT_BLOCK * t->block_lines +
            (groups + 1) / 2 * t->pair_lines + groups * t->group_lines) *
           WEIGHT_LINE;
}

/* Bytes of a tensor. Panels are counted as whole ones, rows as they are. */
static inline uint64_t weight_bytes(uint32_t type, uint32_t rows, uint32_t cols) {
    if (weight_traits(type)->form == WEIGHT_ROWS) return (uint64_t)rows * padded_cols(cols);
    return (uint64_t)(padded_rows(rows) / PANEL_ROWS) * panel_bytes(type, cols);
}

#endif
