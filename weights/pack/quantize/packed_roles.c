#include "weights/pack/quantize/packed_roles.h"

#include <math.h>

#include "weights/pack/quantize/pack_plan.h"

/* Each row has: role, tensor, gain, the norm's bias, runs, mixing of rows, mixing of columns,
 * heads, balance, factor, KL. */
#define PACKED_ROLES(ROLE)                                                                         \
    ROLE(Q, SOURCE_Q, SOURCE_ATTN_NORM, SOURCE_ATTN_NORM_BIAS, {SOURCE_Q_BIAS}, MIX_RESIDUAL,      \
         MIX_NONE, HEADS_ROWS, BALANCE_NONE, FACTOR_SCORES, 0.5)                                   \
    ROLE(K, SOURCE_K, SOURCE_ATTN_NORM, SOURCE_ATTN_NORM_BIAS, {SOURCE_K_BIAS}, MIX_RESIDUAL,      \
         MIX_NONE, HEADS_ROWS, BALANCE_NONE, FACTOR_ONE, 2.4)                                      \
    ROLE(V, SOURCE_V, SOURCE_ATTN_NORM, SOURCE_ATTN_NORM_BIAS, {SOURCE_V_BIAS}, MIX_RESIDUAL,      \
         MIX_HEAD, HEADS_ROWS, BALANCE_NONE, FACTOR_ONE, 10)                                       \
    ROLE(O, SOURCE_O, SOURCE_NONE, SOURCE_NONE, {SOURCE_O_BIAS}, MIX_HEAD, MIX_RESIDUAL,           \
         HEADS_COLUMNS, BALANCE_NONE, FACTOR_RESIDUAL, 0.8)                                        \
    ROLE(GATE, SOURCE_GATE, SOURCE_FFN_NORM, SOURCE_FFN_NORM_BIAS, {SOURCE_NONE}, MIX_RESIDUAL,    \
         MIX_NONE, HEADS_NONE, BALANCE_NONE, FACTOR_ONE, 1)                                        \
    ROLE(UP, SOURCE_UP, SOURCE_FFN_NORM, SOURCE_FFN_NORM_BIAS, {SOURCE_UP_BIAS}, MIX_RESIDUAL,     \
         MIX_NONE, HEADS_NONE, BALANCE_ROWS, FACTOR_ONE, 1.3)                                      \
    ROLE(DOWN, SOURCE_DOWN, SOURCE_NONE, SOURCE_NONE, {SOURCE_DOWN_BIAS}, MIX_FFN, MIX_RESIDUAL,   \
         HEADS_NONE, BALANCE_COLUMNS, FACTOR_EIGHTH, 1.3)

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
        return (float)(PLAN_LOG2_E *
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

float packed_gain_factor(const struct plan *plan) { return factor_of(plan, FACTOR_SCORES); }

float packed_rotated(const struct plan *plan, const struct source *source, uint32_t layer) {
    const struct model_config *config = source_config(source);
    const float factor = plan->attention[config_turns_by_window(config, layer)];
    return config->layer[layer].unrotated ? 1 : factor * factor;
}

struct plan_tensor packed_tensor(const struct plan *plan, const struct source *source,
                                 uint32_t layer, enum layer_tensor which) {
    const struct packed_role *role = &packed_roles[which];
    const bool wider = plan->head_size != plan->model.head_dim,
               normed =
                   role->factor == FACTOR_SCORES && source_tensor(source, SOURCE_Q_NORM, layer),
               gated = source_tensor(source, SOURCE_GATE, layer) != NULL;
    const bool rotated = role->factor == FACTOR_SCORES && !normed;
    struct plan_tensor tensor = {
        .from = source_tensor(source, role->from, layer),
        .gain = source_tensor(source, role->gain, layer),
        .shift = source_tensor(source, role->shift, layer),
        .rows = role->rows,
        .columns = role->columns,
        .center = role->columns == MIX_RESIDUAL ? CENTER_COLUMNS : CENTER_NONE,
        .factor = normed ? 1 : factor_of(plan, role->factor),
        .rotated_factor = rotated ? packed_rotated(plan, source, layer) : 1,
        .heads = wider ? role->heads : HEADS_NONE,
        .balance = gated ? role->balance : BALANCE_NONE,
        .layer = layer};
    if (!config_has(source_config(source), WHEN_SHIFTED)) tensor.center = CENTER_NONE;
    tensor.run_factor = tensor.factor * (role->factor == FACTOR_EIGHTH ? 8.0f : 1.0f);
    if (role->rows == MIX_FFN &&
        layer_variant(&plan->layers[layer], plan->variants)->activation == ACTIVATION_PLAIN)
        tensor.rows = MIX_NONE, tensor.factor = tensor.run_factor;
    for (int run = 0; run < ROW_RUNS; run++)
        tensor.run[run] = source_tensor(source, role->run[run], layer);
    if (role->columns == MIX_RESIDUAL && config_has(source_config(source), WHEN_BEHIND))
        tensor.columns = MIX_SIGNS;
    if (role_has_experts(&layer_roles[which]) && source_config(source)->layer[layer].experts) {
        tensor.parts = source_config(source)->layer[layer].experts;
        tensor.expert_role = (enum expert_role)(EXPERT_GATE + (int)which - LT_GATE);
        tensor.from = source_expert(source, tensor.expert_role, layer, 0);
        tensor.run[RUN_BIAS] = source_expert(
            source, (enum expert_role)(EXPERT_GATE_BIAS + (int)which - LT_GATE), layer, 0);
    }
    return tensor;
}
