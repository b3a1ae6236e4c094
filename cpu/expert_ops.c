#include <string.h>

#include "cpu/backend_inside.h"

/* A quantized vector of a pair. */
static uint8_t *pair_column(const struct cpu_program *p, const struct hal_op *op, uint32_t slot,
                            uint32_t pair) {
    return act_column(p, slot, op->width, pair);
}

/* The floats of a pair, `rows` of them. */
static float *pair_floats(const struct cpu_program *p, uint32_t slot, uint32_t rows,
                          uint32_t pair) {
    return float_column(p, slot, 0) + (size_t)pair * padded_rows(rows);
}

uint32_t experts_spread(const struct cpu_program *p, const struct hal_op *op, uint32_t column) {
    const uint32_t active = op->mixture.active;
    const uint8_t *from = act_column(p, op->in[0], op->width, column);
    for (uint32_t i = 0; i < active; i++)
        memcpy(pair_column(p, op, op->out[0], p->mixture.pair[column * active + i]), from,
               act_stride(padded_cols(op->width)));
    return 0;
}

/* The pairs are shared among units by their place, not by their column. */
uint32_t experts_act(const struct cpu_program *p, const struct hal_op *op, uint32_t unit) {
    const uint32_t active = op->mixture.active;
    uint32_t bad = 0;
    for (uint32_t pair = unit * active; pair < (unit + 1) * active; pair++)
        bad |= p->kernels.act[op->activation](pair_floats(p, op->in[0], op->width, pair),
                                              pair_floats(p, op->in[1], op->width, pair), op->width,
                                              pair_column(p, op, op->out[0], pair));
    return bad;
}

uint32_t experts_mix(const struct cpu_program *p, const struct hal_op *op, uint32_t column) {
    const uint32_t active = op->mixture.active;
    const struct hal_choice *choice = choices_of(p, column);
    uint32_t bad = 0;
    for (uint32_t i = 0; i < active; i++) {
        const uint32_t pair = p->mixture.pair[column * active + i];
        bad |=
            p->kernels.mix(float_column(p, op->out[0], column),
                           pair_floats(p, op->in[0], op->width, pair), choice[i].weight, op->width);
    }
    return bad;
}

/* The operation's products, in the form of cpu/mixture.h. Returns how many they are. */
static uint32_t expert_products(const struct cpu_program *p, const struct hal_op *op,
                                struct mixture_product product[HAL_OP_SLOTS]) {
    const struct hal_model *m = p->setup.model;
    for (uint32_t i = 0; i < op->weights.count; i++) {
        const struct blob_tensor *t = op_tensor(p, op, i);
        const uint32_t kp = padded_cols(t->cols), rows = hal_rows(op, t);
        product[i] = (struct mixture_product){
            .gemv = p->kernels.gemv[t->type],
            .args = {.panels = m->weights + t->offset,
                     .row_scale = m->rows + t->row_scales,
                     .bias = t->bias == BLOB_ABSENT ? NULL : m->rows + t->bias,
                     .kp = kp,
                     .x = p->setup.slot[op->in[0]],
                     .x_stride = act_stride(kp),
                     .y = float_column(p, op->out[i], 0),
                     .y_stride = padded_rows(rows),
                     .ahead = p->ahead},
            .rows = rows,
            .panel_bytes = panel_bytes(t->type, t->cols)};
    }
    return op->weights.count;
}

uint32_t experts_units(const struct cpu_program *p, const struct hal_op *op) {
    struct mixture_product product[HAL_OP_SLOTS];
    return mixture_units(&p->mixture, product, expert_products(p, op, product));
}

uint32_t experts_run(const struct cpu_program *p, const struct hal_op *op, struct team_run run) {
    struct mixture_product product[HAL_OP_SLOTS];
    return mixture_multiply(&p->mixture, product, expert_products(p, op, product), run.begin,
                            run.end);
}

void experts_begin(struct cpu_program *p, const struct hal_op *op) {
    if (op->kind == HAL_SPREAD)
        mixture_lay_out(&p->mixture, &op->mixture, p->setup.slot[SLOT_CHOICES],
                        p->setup.program->stride[SLOT_CHOICES], p->pass->columns);
    for (uint32_t i = 0; op->kind == HAL_EXPERTS && p->pass->chosen_bytes && i < op->weights.count;
         i++)
        *p->pass->chosen_bytes += p->mixture.runs * hal_expert_bytes(op, op_tensor(p, op, i));
}

struct pool_ahead experts_ahead(const struct cpu_program *p, const struct hal_op *op,
                                uint32_t thread) {
    struct mixture_product product[HAL_OP_SLOTS];
    struct pool_ahead ahead = {NULL, 0};
    const uint32_t products = expert_products(p, op, product);
    const struct team_run run =
        team_stretch(mixture_units(&p->mixture, product, products), p->threads, thread);
    if (run.begin < run.end)
        ahead.at = mixture_ahead(&p->mixture, product, products, run.begin, run.end, &ahead.bytes);
    return ahead;
}
