#include "weights/pack/quantize/packed_roles.h"

#include <math.h>

#include "weights/pack/quantize/pack_plan.h"

/* Each row has: role, tensor, gain, runs, mixing of rows, mixing of columns, heads, balance,
 * factor, KL. */
#define PACKED_ROLES(ROLE)                                                                         \
    ROLE(Q, SOURCE_Q, SOURCE_ATTN_NORM, {SOURCE_Q_BIAS}, MIX_RESIDUAL, MIX_NONE, HEADS_ROWS,       \
         BALANCE_NONE, FACTOR_SCORES, 1.8)                                                         \
    ROLE(K, SOURCE_K, SOURCE_ATTN_NORM, {SOURCE_K_BIAS}, MIX_RESIDUAL, MIX_NONE, HEADS_ROWS,       \
         BALANCE_NONE, FACTOR_ONE, 5.5)                                                            \
    ROLE(V, SOURCE_V, SOURCE_ATTN_NORM, {SOURCE_V_BIAS}, MIX_RESIDUAL, MIX_HEAD, HEADS_ROWS,       \
         BALANCE_NONE, FACTOR_ONE, 20)                                                             \
    ROLE(O, SOURCE_O, SOURCE_NONE, {SOURCE_NONE}, MIX_HEAD, MIX_RESIDUAL, HEADS_COLUMNS,           \
         BALANCE_NONE, FACTOR_RESIDUAL, 2)                                                         \
    ROLE(GATE, SOURCE_GATE, SOURCE_FFN_NORM, {SOURCE_NONE}, MIX_RESIDUAL, MIX_NONE, HEADS_NONE,    \
         BALANCE_NONE, FACTOR_ONE, 1)                                                              \
    ROLE(UP, SOURCE_UP, SOURCE_FFN_NORM, {SOURCE_NONE}, MIX_RESIDUAL, MIX_NONE, HEADS_NONE,        \
         BALANCE_ROWS, FACTOR_ONE, 1.3)                                                            \
    ROLE(DOWN, SOURCE_DOWN, SOURCE_NONE, {SOURCE_NONE}, MIX_FFN, MIX_RESIDUAL, HEADS_NONE,         \
         BALANCE_COLUMNS, FACTOR_EIGHTH, 1)

const struct packed_role packed_roles[LT_COUNT] = {
#define ROLE(role, ...) [LT_##role] = {__VA_ARGS__},
    PACKED_ROLES(ROLE)
#undef ROLE
};

/* There is a row for each role of weights/roles.h, in the same order. */
enum {
#define ROLE(role, ...) PACKED_##role,
    PACKED_ROLES(ROLE)
#undef ROLE
        PACKED_COUNT
};
#define ROLE(role, ...) _Static_assert((int)PACKED_##role == (int)LT_##role, #role);
LAYER_ROLES(ROLE)
#undef ROLE
_Static_assert((int)PACKED_COUNT == (int)LT_COUNT, "as many rows");

static float factor_of(const struct plan *plan, enum plan_factor factor) {
    switch (factor) {
    case FACTOR_ONE:
        break;
    case FACTOR_SCORES:
        return (float)(1.4426950408889634 *
                       (plan->scale.scores != 0 ? plan->scale.scores
                                                : 1 / sqrt((double)plan->head_size)) /
                       head_block(plan->model.head_dim));
    case FACTOR_RESIDUAL:
        return (float)plan->scale.residual;
    case FACTOR_EIGHTH:
        return (float)(plan->scale.residual / 8);
    }
    return 1;
}

struct plan_tensor packed_tensor(const struct plan *plan, const struct source *source,
                                 uint32_t layer, enum layer_tensor which) {
    const struct packed_role *role = &packed_roles[which];
    const bool wider = plan->head_size != plan->model.head_dim;
    const bool rotated =
        role->factor == FACTOR_SCORES && !source_config(source)->layer[layer].unrotated;
    struct plan_tensor tensor = {.from = source_tensor(source, role->from, layer),
                                 .gain = source_tensor(source, role->gain, layer),
                                 .rows = role->rows,
                                 .columns = role->columns,
                                 .factor = factor_of(plan, role->factor),
                                 .rotated_factor = rotated ? plan->attention * plan->attention : 1,
                                 .heads = wider ? role->heads : HEADS_NONE,
                                 .balance = role->balance,
                                 .layer = layer};
    for (int run = 0; run < ROW_RUNS; run++)
        tensor.run[run] = source_tensor(source, role->run[run], layer);
    return tensor;
}
