#include "weights/pack/quantize/budget.h"

#include <math.h>
#include <stdlib.h>

/* The types a tensor may get, and the KL that each leaves of what it costs at 4 bits. An error goes
 * with the square of the distance between levels: the mean square error of SmolLM2-135M's tensors
 * with W5, W6 and W8 is 1/3.9, 1/15.9 and 1/145 of W4's, and W4T's is 0.86 of it (medians of 210).
 * At 8 bits groups have no scales. A tensor's steps save less for each bit, one after the other. */
struct level {
    enum weight_type type;
    double kl;
};
static const struct level dense[] = {
    {WEIGHT_W4T, 1}, {WEIGHT_W5, 0.3}, {WEIGHT_W6, 0.074}, {WEIGHT_W8, 0.0081}};
/* What zeros in the place of weights cost is the same at 4 and at 8 bits. */
static const struct level sparse[] = {{WEIGHT_W4S, 1}, {WEIGHT_W8S, 1.0 / 145}};
enum {
    STEPS = sizeof dense / sizeof *dense - 1,
    SPARSE_STEPS = sizeof sparse / sizeof *sparse - 1
};

static const struct level *levels_for(const struct blob_tensor *record) {
    return weight_traits(record->type)->sparse ? sparse : dense;
}

/* From one level to the next one. */
struct candidate {
    uint32_t tensor, step;
    enum weight_type from, to;
    uint64_t more; /* how many more bits that takes */
    double worth;  /* KL that each of these bits saves */
};

static int by_worth(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;
    if (x->worth != y->worth) return x->worth > y->worth ? -1 : 1;
    if (x->tensor != y->tensor) return x->tensor < y->tensor ? -1 : 1;
    return x->step < y->step ? -1 : 1;
}

/* What 4 bits cost a tensor, up to a factor that all tensors share: the geometric mean of what was
 * measured, on little text and with rounding that has no feedback, and of what the tensor's role
 * cost in another model on more text and with feedback. */
static double cost_of(const double *kl, uint32_t tensor, enum layer_tensor which, double weights) {
    const double role = packed_roles[which].kl * weights;
    return kl ? sqrt(kl[tensor] * role) : role;
}

/* Adds a tensor's steps at list, and says how many. kl: what 4 bits cost it. */
static uint32_t add_steps(struct candidate *list, uint32_t tensor, const struct blob_tensor *record,
                          double kl) {
    const struct level *levels = levels_for(record);
    const uint32_t steps = levels == sparse ? SPARSE_STEPS : STEPS;
    for (uint32_t step = 0; step < steps; step++) {
        const struct level *from = &levels[step], *to = from + 1;
        uint64_t more = plan_counted_bits(to->type, record->rows, record->cols) -
                        plan_counted_bits(from->type, record->rows, record->cols);
        list[step] = (struct candidate){tensor,   step, from->type,
                                        to->type, more, kl * (from->kl - to->kl) / (double)more};
    }
    return steps;
}

bool budget_spend(struct plan *plan, const double *kl, struct diag *d) {
    size_t count = 0;
    uint64_t bits = 0;
    double weights = 0;
    struct candidate *list = malloc((plan->model.tensors + 1) * STEPS * sizeof *list);
    if (!list) return diag_fail(d, "out of memory");
    for (uint32_t i = 0; i < plan->model.layers; i++)
        for (int which = 0; which < LT_COUNT; which++) {
            uint32_t index = plan->layers[i].tensor[which];
            if (index == BLOB_ABSENT) continue;
            struct blob_tensor *record = &plan->tensors[index].record;
            double own = (double)record->rows * record->cols;
            record->type = levels_for(record)->type;
            count += add_steps(list + count, index, record,
                               cost_of(kl, index, (enum layer_tensor)which, own));
            bits += plan_counted_bits((enum weight_type)record->type, record->rows, record->cols);
            weights += own;
        }
    uint64_t budget = (uint64_t)(plan->bits * weights + 0.5);
    if (bits > budget) {
        free(list);
        return diag_fail(d,
                         "--bits is %g where this model takes %.3f with 4 bits everywhere, scales "
                         "of groups included",
                         plan->bits, (double)bits / weights);
    }
    qsort(list, count, sizeof *list, by_worth);
    for (size_t i = 0; i < count; i++) {
        struct blob_tensor *record = &plan->tensors[list[i].tensor].record;
        if (record->type != (uint32_t)list[i].from || bits + list[i].more > budget) continue;
        bits += list[i].more;
        record->type = list[i].to;
    }
    free(list);
    plan_place(plan);
    return true;
}
