#include "weights/blob_reader.h"

/* The embedding is stored as rows, every matrix that is multiplied as panels. */
static bool form_holds(struct check *c, uint32_t type, enum weight_form form) {
    static const char *const of[] = {[WEIGHT_PANELS] = "type is # (@), must be one of panels",
                                     [WEIGHT_ROWS] = "type is # (@), must be one of plain rows"};
    const struct weight_traits *t = weight_traits(type);
    return t->form == form || check_fail(c, of[form], t->name, CHECK_NUMBERS(type));
}

/* Whether tensor `index` can serve as a matrix of rows x cols in a role that may have these
 * runs. */
static bool role_holds(struct reader *r, uint32_t index, uint32_t rows, uint32_t cols,
                       bool embedding, unsigned runs) {
    const struct blob_tensor *t = &r->blob.tensors[index];
    struct check *c = &r->c;
    check_at(c, "tensor", index, t->name);
    if (!check_equal(c, "rows", t->rows, rows) || !check_equal(c, "cols", t->cols, cols) ||
        !form_holds(c, t->type, embedding ? WEIGHT_ROWS : WEIGHT_PANELS))
        return false;
    for (uint32_t k = 0; k < ROW_RUNS; k++)
        if (!(runs >> k & 1) &&
            !check_equal(c, row_run_names[k], tensor_run(t, (enum row_run)k), BLOB_ABSENT))
            return false;
    return true;
}

/* Gains of `heads` heads. */
static bool gain_holds(struct reader *r, const char *field, uint32_t at, uint32_t heads) {
    return at == BLOB_ABSENT || blob_run_holds(r, field, at, heads * r->blob.model->head_dim);
}

/* Whether the norms of a layer have gains where they stand behind its parts, and none elsewhere. */
static bool norms_hold(struct reader *r, const struct blob_variant *v) {
    const uint32_t dim = r->blob.model->dim;
    struct check *c = &r->c;
    if (!check_range(c, "norms", v->norms, 0, v->experts ? 0 : BLOB_NORMS - 1) ||
        !check_range(c, "whole", v->whole, 0, 1))
        return false;
    if (norms_behind(v))
        return blob_run_holds(r, "o_gain", v->o_gain, dim) &&
               blob_run_holds(r, "down_gain", v->down_gain, dim);
    return check_equal(c, "o_gain", v->o_gain, 0) && check_equal(c, "down_gain", v->down_gain, 0);
}

/* Whether a layer has the experts that its variant says. */
static bool experts_hold(struct reader *r, uint32_t index, const struct blob_variant *v) {
    const struct blob_model *m = r->blob.model;
    struct check *c = &r->c;
    const uint32_t most = v->experts < BLOB_ACTIVE_MAX ? v->experts : BLOB_ACTIVE_MAX;
    check_at(c, "variant", index, NULL);
    if (!v->experts)
        return check_equal(c, "router", v->router, BLOB_ABSENT) &&
               check_equal(c, "active", v->active, 0);
    if (!check_range(c, "active", v->active, 1, most) ||
        !check_range(c, "router", v->router, 0, m->tensors - 1))
        return false;
    if (!activation_gated(v->activation))
        return check_fail(c, "activation is # where there are # experts, must be one with a gate",
                          NULL, CHECK_NUMBERS(v->activation, v->experts));
    if (m->dim % PANEL_ROWS)
        return check_fail(c, "experts is # where dim is #, must be 0", NULL,
                          CHECK_NUMBERS(v->experts, m->dim));
    return role_holds(r, v->router, v->experts, m->dim, false, HAS_BIAS);
}

static bool variant_holds(struct reader *r, uint32_t index) {
    const struct blob_variant *v = &blob_variants(&r->blob)[index];
    struct check *c = &r->c;
    check_at(c, "variant", index, NULL);
    const uint32_t rotations = r->blob.rope_tables > 1 ? BLOB_ROTATIONS : ROTATION_SECOND;
    if (!check_range(c, "rotation", v->rotation, 0, rotations - 1) ||
        !check_range(c, "window", v->window, 0, BLOB_POSITIONS_MAX) ||
        !gain_holds(r, "q_gain", v->q_gain, 1) || !gain_holds(r, "k_gain", v->k_gain, 1) ||
        !check_range(c, "activation", v->activation, 0, BLOB_ACTIVATIONS - 1) ||
        !check_range(c, "experts", v->experts, 0, BLOB_EXPERTS_MAX) ||
        !check_range(c, "mixing", v->mixing, 0, v->experts ? BLOB_MIXINGS - 1 : 0) ||
        !norms_hold(r, v))
        return false;
    for (size_t i = 0; i < sizeof v->zero / sizeof v->zero[0]; i++)
        if (!check_equal(c, "zero", v->zero[i], 0)) return false;
    return experts_hold(r, index, v);
}

/* A second table of RoPE is for some layer. */
static bool rotations_hold(struct reader *r) {
    if (r->blob.rope_tables < 2) return true;
    for (uint32_t i = 0; i < r->blob.variant_count; i++)
        if (blob_variants(&r->blob)[i].rotation == ROTATION_SECOND) return true;
    check_at(&r->c, "section", BLOB_ROPE, blob_section_name(BLOB_ROPE));
    return check_fail(&r->c, "has # tables, must have 1 where no variant has rotation #", NULL,
                      CHECK_NUMBERS(r->blob.rope_tables, ROTATION_SECOND));
}

/* Every layer's cache is as long as its window, and a pass has columns for each window. */
static bool windows_hold(struct reader *r) {
    uint32_t window[BLOB_WINDOWS_MAX + 1] = {0}, count = 1;
    for (uint32_t i = 0; i < r->blob.variant_count; i++) {
        uint32_t k = 0;
        while (k < count && window[k] != blob_variants(&r->blob)[i].window) k++;
        if (k < count) continue;
        check_at(&r->c, "variant", i, NULL);
        if (count > BLOB_WINDOWS_MAX)
            return check_fail(&r->c, "window is #, one of more than # different ones", NULL,
                              CHECK_NUMBERS(blob_variants(&r->blob)[i].window, BLOB_WINDOWS_MAX));
        window[count++] = blob_variants(&r->blob)[i].window;
    }
    return true;
}

/* The layer's matrices have the shapes that roles.h gives. */
static bool layer_holds(struct reader *r, uint32_t index) {
    const struct blob_model *m = r->blob.model;
    const struct blob_layer *l = &r->blob.layers[index];
    struct check *c = &r->c;
    check_at(c, "layer", index, NULL);
    if (!check_range(c, "heads", l->heads, 0, BLOB_DIM_MAX / m->head_dim) ||
        !check_range(c, "kv_heads", l->kv_heads, l->heads ? 1 : 0, l->heads) ||
        !check_range(c, "ffn", l->ffn, 0, BLOB_DIM_MAX) ||
        !check_multiple(c, "ffn", l->ffn, GROUP) ||
        !check_range(c, "variant", l->variant, 0, r->blob.variant_count) ||
        !check_equal(c, "zero", l->zero, 0))
        return false;
    if (l->heads && l->heads % l->kv_heads)
        return check_fail(c, "kv_heads is #, must divide # heads", NULL,
                          CHECK_NUMBERS(l->kv_heads, l->heads));
    const struct blob_variant *variant = layer_variant(l, blob_variants(&r->blob));
    if (variant->experts && !l->ffn)
        return check_fail(c, "ffn is 0 where the variant has # experts, must be more", NULL,
                          CHECK_NUMBERS(variant->experts));
    if (l->heads && variant->sinks != BLOB_ABSENT &&
        !blob_run_holds(r, "sinks", variant->sinks, l->heads))
        return false;
    if (l->heads && variant->whole &&
        (!gain_holds(r, "q_gain", variant->q_gain, l->heads) ||
         !gain_holds(r, "k_gain", variant->k_gain, l->kv_heads)))
        return false;
    for (uint32_t k = 0; k < LT_COUNT; k++) {
        const struct layer_role *role = &layer_roles[k];
        const struct layer_shape is = layer_shape(m, l, variant, (enum layer_tensor)k);
        check_at(c, "layer", index, NULL);
        if (layer_lacks(m, l, variant, (enum layer_tensor)k)) {
            if (!check_equal(c, role->field, l->tensor[k], BLOB_ABSENT)) return false;
            continue;
        }
        if (!check_range(c, role->field, l->tensor[k], 0, m->tensors - 1) ||
            !role_holds(r, l->tensor[k], is.rows, is.cols, false, role->runs))
            return false;
    }
    return true;
}

bool blob_layers_hold(struct reader *r) {
    const struct blob_model *m = r->blob.model;
    for (uint32_t i = 0; i < r->blob.variant_count; i++)
        if (!variant_holds(r, i)) return false;
    if (!windows_hold(r) || !rotations_hold(r)) return false;
    for (uint32_t i = 0; i < m->layers; i++)
        if (!layer_holds(r, i)) return false;
    return role_holds(r, m->embed, m->vocab, m->dim, true, HAS_NONE) &&
           role_holds(r, m->head, head_rows(m), m->dim, false, HAS_BIAS);
}
