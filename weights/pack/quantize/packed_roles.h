/* How each matrix of a layer is made from a checkpoint's tensors: one row for each, in the order of
 * weights/roles.h. docs/numerics.md section 8 says why. */
#ifndef PACK_PACKED_ROLES_H
#define PACK_PACKED_ROLES_H

#include <stdint.h>

#include "weights/pack/checkpoint/source_roles.h"
#include "weights/roles.h"

/* The rotation that a tensor's rows (from the right) or its columns (from the left) are multiplied
 * by. */
enum plan_mix {
    MIX_NONE,
    MIX_RESIDUAL, /* R over dim */
    MIX_SIGNS,    /* the signs of R alone: a norm follows, and R's transform behind it */
    MIX_HEAD,     /* A^T over every head_dim */
    MIX_FFN       /* normalised Hadamard over every 64 */
};

/* Along which dimension a tensor has heads. If their size is no multiple of 16, zeros are added
 * after each half of a head, so that RoPE still pairs the same elements. */
enum plan_heads { HEADS_NONE, HEADS_ROWS, HEADS_COLUMNS };

/* Whether the mean over the residual stream is taken from each of the tensor's rows, or from each
 * of its columns: a layer norm takes it from the stream, so what is written to the stream may be
 * without it, and RMSNorm then does the same. */
enum plan_center { CENTER_NONE, CENTER_ROWS, CENTER_COLUMNS };

/* What balance.h does to the tensor. */
enum plan_balance { BALANCE_NONE, BALANCE_ROWS, BALANCE_COLUMNS };

/* The factor for all weights and runs. */
enum plan_factor {
    FACTOR_ONE,
    FACTOR_SCORES,   /* exp is computed as exp2, and both q and k have had an unscaled Hadamard
                        transform; and the model's factor of the scores */
    FACTOR_RESIDUAL, /* the model's factor of what a sublayer adds */
    FACTOR_EIGHTH    /* the same; and the engine's transform H is not normalised: its inverse H / 64
                        is the normalised H / 8 times an eighth */
};

struct packed_role {
    enum source_role from, gain, shift, run[ROW_RUNS]; /* all but `from` may be SOURCE_NONE */
    enum plan_mix rows, columns;
    enum plan_heads heads;
    enum plan_balance balance;
    enum plan_factor factor;
    double kl; /* the KL per weight that 4 bits cost in this role, relative to GATE: measured on
                  SmolLM2-135M with feedback, on 24 windows of 256 tokens of the calibration text
                  that count the same each (docs/accuracy.md) */
};

extern const struct packed_role packed_roles[LT_COUNT];

struct plan;
struct source;
struct plan_tensor;
/* The plan of a layer's matrix, without its record and its quantizer. */
struct plan_tensor packed_tensor(const struct plan *plan, const struct source *source,
                                 uint32_t layer, enum layer_tensor which);
/* What the gains of q's heads are multiplied by. Where they are, they have the factor that Q's
 * weights have otherwise: the norm takes every factor from those. */
float packed_gain_factor(const struct plan *plan);
/* What those that RoPE rotates are multiplied by besides, of Q's rows or of its gains. */
float packed_rotated(const struct plan *plan, const struct source *source, uint32_t layer);

#endif
