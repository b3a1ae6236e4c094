#include "speculate/costs.h"

#include <assert.h>

#include "runtime/config.h"

/* A model of at most SMALL_BYTES stays in the last-level cache of most processors, and its pass
 * takes a fraction of a millisecond. BUDGET_NS is what opening a session may take for this. Each
 * cost is timed in TURNS turns; the first brings pages in, and the least of the others counts. All
 * three are chosen, not measured. */
enum { SMALL_BYTES = 16 << 20, BUDGET_NS = 4000000, TURNS = 3 };

float costs_share(const struct sequence *target, const struct sequence *draft) {
    assert(target->model && draft->model);
    if (sequence_engine(draft)->engine != sequence_engine(target)->engine) return 0.0f;
    return (float)blob_pass_read(model_blob(draft->model), 1).bytes /
           (float)blob_pass_read(model_blob(target->model), 1).bytes;
}

/* The nanoseconds of a pass from an empty context; 0 if it failed. Its ids lie far apart, because
 * columns of the same id would choose the same experts, and the pass would read too little. */
static uint64_t time_pass(struct sequence *t, const apus_port *port, uint32_t columns) {
    int32_t ids[POLICY_COLUMNS];
    for (uint32_t i = 0; i < columns; i++)
        ids[i] = (int32_t)((uint64_t)i * t->hal.dims->vocab / POLICY_COLUMNS);
    uint64_t began = port_now(port);
    apus_status status = sequence_pass(t, ids, columns, columns, (struct hal_stop){NULL, 0, NULL});
    uint64_t ns = port_now(port) - began;
    sequence_rewind(t, 0);
    return status ? 0 : ns;
}

static int is_small(const struct sequence *t, uint32_t columns) {
    return blob_pass_read(model_blob(t->model), columns).bytes <= SMALL_BYTES;
}

static void measure_growth(float *growth, const struct sequence *t) {
    const float one = (float)blob_pass_read(model_blob(t->model), 1).bytes;
    for (uint32_t n = 1; n <= POLICY_COLUMNS; n++)
        growth[n] = (float)blob_pass_read(model_blob(t->model), n).bytes / one;
}

/* Different passes are timed in turns, because the clock of a processor that was idle rises within
 * these milliseconds: otherwise those that are timed later would seem cheaper. */
void costs_measure(struct costs *costs, struct sequence *target, struct sequence *draft,
                   const apus_port *port) {
    static const uint8_t columns[] = {1, 2, 4, 8};
    assert(!target->evaluated && (!draft || !draft->evaluated));
    measure_growth(costs->growth, target);
    if (draft) measure_growth(costs->draft_growth, draft);
    uint64_t until = port_now(port) + BUDGET_NS;
    float *cost[1 + sizeof columns] = {NULL};
    if (draft && is_small(draft, 1) && costs->draft_ns == 0.0f) cost[0] = &costs->draft_ns;
    for (size_t i = 0;
         i < sizeof columns && is_small(target, columns[i]) && columns[i] <= target->chunk; i++)
        if (costs->verify_ns[columns[i]] == 0.0f) cost[1 + i] = &costs->verify_ns[columns[i]];
    for (uint32_t turn = 0; turn < TURNS; turn++)
        for (size_t i = 0; i < 1 + sizeof columns; i++) {
            if (!cost[i]) continue;
            if (port_now(port) >= until) return;
            float ns =
                (float)(i ? time_pass(target, port, columns[i - 1]) : time_pass(draft, port, 1));
            if (ns == 0.0f) return;
            if (turn == 1 || (turn && ns < *cost[i])) *cost[i] = ns;
            if (turn == 1 && i == 1) costs->timed = 1;
        }
}
