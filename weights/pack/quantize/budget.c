#include "weights/pack/quantize/budget.h"

#include <stdlib.h>

struct candidate {
    uint32_t tensor;
    uint64_t more; /* how many more bits PLAN_MORE takes than PLAN_LESS */
    double worth;  /* KL that each of these bits saves */
};

static int by_worth(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;
    return x->worth > y->worth ? -1 : x->worth < y->worth ? 1 : x->tensor < y->tensor ? -1 : 1;
}

bool budget_spend(struct plan *plan, const double *kl, struct diag *d) {
    uint32_t count = 0;
    uint64_t bits = 0;
    double weights = 0;
    struct candidate *list = malloc((plan->model.tensors + 1) * sizeof *list);
    if (!list) return diag_fail(d, "out of memory");
    for (uint32_t i = 0; i < plan->model.layers; i++)
        for (int which = 0; which < LT_COUNT; which++) {
            uint32_t index = plan->layers[i].tensor[which];
            if (index == BLOB_ABSENT) continue;
            struct blob_tensor *record = &plan->tensors[index].record;
            double own = (double)record->rows * record->cols;
            uint64_t less = plan_counted_bits(PLAN_LESS, record->rows, record->cols);
            uint64_t more = plan_counted_bits(PLAN_MORE, record->rows, record->cols) - less;
            list[count++] = (struct candidate){
                index, more, (kl ? kl[index] : packed_roles[which].kl * own) / (double)more};
            record->type = PLAN_LESS, bits += less;
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
    for (uint32_t i = 0; i < count; i++) {
        if (bits + list[i].more > budget) continue;
        bits += list[i].more;
        plan->tensors[list[i].tensor].record.type = PLAN_MORE;
    }
    free(list);
    plan_place(plan);
    return true;
}
