#include "weights/pack/quantize/sparsity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "weights/pack/quantize/packed_roles.h"
#include "weights/format.h"

enum { QUAD = 4, BLOCK_FLOATS = BLOB_DIM_MAX };

uint32_t sparsity_quads(const float *w, uint32_t cols) {
    uint32_t sparse = 0;
    for (uint32_t c = 0; c < cols; c += QUAD) {
        uint32_t kept = 0;
        for (uint32_t i = c; i < c + QUAD && i < cols; i++) kept += w[i] != 0;
        sparse += kept <= 2;
    }
    return sparse;
}

void sparsity_keep(const float worth[QUAD], bool keep[QUAD]) {
    for (int i = 0; i < QUAD; i++) {
        int better = 0;
        for (int j = 0; j < QUAD; j++)
            better += worth[j] > worth[i] || (j < i && worth[j] == worth[i]);
        keep[i] = better < 2 && worth[i] > 0;
    }
}

void sparsity_prune(float *w, uint32_t cols) {
    for (uint32_t c = 0; c < cols; c += QUAD) {
        float worth[QUAD];
        bool keep[QUAD];
        for (uint32_t i = 0; i < QUAD; i++) worth[i] = fabsf(w[c + i]);
        sparsity_keep(worth, keep);
        for (uint32_t i = 0; i < QUAD; i++)
            if (!keep[i]) w[c + i] = 0;
    }
}

/* Whether all quads of a tensor of the source are sparse. Zeros alone, in all of a block, are no
 * pattern. */
static bool tensor_is_sparse(struct source *source, const struct source_tensor *tensor, float *room,
                             bool *is, struct diag *d) {
    if (tensor->cols > BLOCK_FLOATS) { /* no blob can hold it */
        *is = false;
        return true;
    }
    const uint32_t cols = (uint32_t)tensor->cols, quads = (cols + QUAD - 1) / QUAD;
    const uint64_t most = BLOCK_FLOATS / cols;
    *is = true;
    for (uint64_t first = 0; *is && first < tensor->rows; first += most) {
        const uint64_t rows = tensor->rows - first < most ? tensor->rows - first : most;
        if (!source_read_rows(source, tensor, first, rows, room, d)) return false;
        for (uint64_t r = 0; *is && r < rows; r++)
            *is = sparsity_quads(room + r * cols, cols) == quads;
        uint64_t zeros = 0;
        while (*is && zeros < rows * cols && room[zeros] == 0) zeros++;
        *is = *is && zeros < rows * cols;
    }
    return true;
}

/* How many experts share a layer's matrix; 1 if it is that of all tokens. */
static uint32_t parts_of(const struct source *source, uint32_t layer, enum layer_tensor role) {
    const uint32_t experts = source_config(source)->layer[layer].experts;
    return experts && role_has_experts(&layer_roles[role]) ? experts : 1;
}

/* Part `part` of a layer's matrix; NULL where there is none. */
static const struct source_tensor *part_of(const struct source *source, uint32_t layer,
                                           enum layer_tensor role, uint32_t part) {
    if (source_config(source)->layer[layer].experts && role_has_experts(&layer_roles[role]))
        return source_expert(source, (enum expert_role)(EXPERT_GATE + (int)role - LT_GATE), layer,
                             part);
    return source_tensor(source, packed_roles[role].from, layer);
}

/* Heads that are filled up get zeros behind each half. Quads stay what they are if halves are whole
 * quads. */
static bool quads_stay(const struct source *source, uint32_t layer, enum layer_tensor role) {
    const uint32_t head = source_config(source)->layer[layer].head_dim;
    return packed_roles[role].heads != HEADS_COLUMNS || head % PANEL_ROWS == 0 ||
           head / 2 % QUAD == 0;
}

static bool is_sparse(struct source *source, uint32_t layer, enum layer_tensor role, float *room,
                      bool *is, struct diag *d) {
    const uint32_t parts = parts_of(source, layer, role);
    *is = quads_stay(source, layer, role);
    for (uint32_t part = 0; *is && part < parts; part++)
        if (!tensor_is_sparse(source, part_of(source, layer, role, part), room, is, d))
            return false;
    return true;
}

/* room: NULL to take all matrices as sparse. */
static bool look(struct source *source, float *room, struct sparsity *sparsity, struct diag *d) {
    double sparse = 0, all = 0;
    for (uint32_t i = 0; i < source_config(source)->layers; i++)
        for (int which = 0; which < LT_COUNT; which++) {
            const enum layer_tensor role = (enum layer_tensor)which;
            const struct source_tensor *tensor = part_of(source, i, role, 0);
            bool is = true;
            if (!tensor) continue;
            if (room && !is_sparse(source, i, role, room, &is, d)) return false;
            const double weights =
                (double)tensor->rows * (double)tensor->cols * parts_of(source, i, role);
            sparsity->matrices++, all += weights;
            if (!is) continue;
            sparsity->found++, sparse += weights;
            sparsity->roles[i] |= (uint8_t)(1 << which);
        }
    sparsity->enough = sparse > 0 && sparse >= all / 2;
    return true;
}

static bool make(const struct source *source, struct sparsity *sparsity, struct diag *d) {
    memset(sparsity, 0, sizeof *sparsity);
    sparsity->roles = calloc(source_config(source)->layers, 1);
    return sparsity->roles || diag_fail(d, "out of memory");
}

bool sparsity_find(struct source *source, struct sparsity *sparsity, struct diag *d) {
    float *room = malloc(BLOCK_FLOATS * sizeof *room);
    bool good = room || diag_fail(d, "out of memory");
    good = good && make(source, sparsity, d) && look(source, room, sparsity, d);
    free(room);
    return good;
}

bool sparsity_of_all(struct source *source, struct sparsity *sparsity, struct diag *d) {
    return make(source, sparsity, d) && look(source, NULL, sparsity, d);
}

void sparsity_free(struct sparsity *sparsity) {
    free(sparsity->roles);
    memset(sparsity, 0, sizeof *sparsity);
}
