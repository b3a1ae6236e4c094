#include "runtime/assign.h"

#include <assert.h>

#include "runtime/graph.h"

int assign_taken(const struct hal_engine *engine, const struct hal_model *model, uint32_t layer) {
    struct graph_layer l;
    if (!engine->takes) return 1;
    graph_layer(model, layer, &l);
    for (uint32_t i = 0; i < l.ops; i++)
        if (!engine->takes(model, &l.op[i], l.weight + l.op[i].weights.first)) return 0;
    return 1;
}

static int inside(const struct hal_model *model, const struct blob *blob, uint32_t layer) {
    struct graph_layer l;
    graph_layer(model, layer, &l);
    for (uint32_t i = 0; i < l.weights; i++)
        if (l.weight[i] >= blob->tensor_count) return 0;
    return 1;
}

struct hal_range assign_run(const struct hal_engine *engine, const struct hal_model *model,
                            const struct blob *blob, struct hal_range asked) {
    struct hal_range best = {asked.first, asked.first}, run = best;
    assert(asked.first < asked.end);
    if (engine == &hal_cpu_engine || asked.end > blob->layer_count) return asked;
    for (uint32_t i = asked.first; i < asked.end; i++) {
        if (!inside(model, blob, i) || !assign_taken(engine, model, i)) {
            run = (struct hal_range){i + 1, i + 1};
            continue;
        }
        run.end = i + 1;
        if (run.end - run.first > best.end - best.first) best = run;
    }
    return best;
}
