#include "runtime/costs.h"

#include <string.h>

#include "hal/fenv.h"

/* A model of so many bytes stays in a processor's last cache, and a pass takes 0.1 to 0.5 ms. */
enum { SMALL_BYTES = 16 << 20, BUDGET_NS = 4000000, TURNS = 3 };

apus_status costs_read(struct costs *costs, const apus_costs *from, const apus_port *port) {
    apus_costs c = {.size = sizeof c};
    memset(costs, 0, sizeof *costs);
    if (!from) return APUS_OK;
    apus_status status = config_read(&c, from, STRUCT(apus_costs), port);
    if (status) return status;
    for (uint32_t n = 1; n <= LENGTH_COLUMNS; n++) costs->verify_ns[n] = (float)c.verify_ns[n - 1];
    costs->draft_ns = (float)c.draft_ns;
    return APUS_OK;
}

APUS_API apus_status apus_get_costs(const apus_session *s, apus_costs *costs) {
    apus_status status = session_look(s);
    if (!status) status = config_check(costs, STRUCT(apus_costs), &s->model->port);
    if (status) return status;
    const struct length *l = &s->length;
    apus_costs known = {.size = sizeof known, .draft_ns = (uint64_t)l->draft_ns};
    for (uint32_t n = 1; n <= LENGTH_COLUMNS; n++)
        known.verify_ns[n - 1] = (uint64_t)l->verify_ns[n];
    config_write(costs, &known, sizeof known);
    return APUS_OK;
}

float costs_share(const apus_session *s) {
    if (track_engine(&s->draft.track)->engine != track_engine(&s->target)->engine) return 0.0f;
    return (float)blob_pass_bytes(model_blob(s->draft.track.model)) /
           (float)blob_pass_bytes(model_blob(s->model));
}

/* A pass from an empty context; 0 where it failed. */
static uint64_t time_pass(const apus_session *s, struct track *t, uint32_t columns) {
    static const int32_t ids[LENGTH_COLUMNS] = {0};
    uint64_t began = port_now(&s->model->port);
    apus_status status = track_pass(t, ids, columns, columns, session_stop(s, 0));
    uint64_t ns = port_now(&s->model->port) - began;
    track_rewind(t, 0);
    return status ? 0 : ns;
}

static int is_small(const struct track *t) {
    return t->model && blob_pass_bytes(model_blob(t->model)) <= SMALL_BYTES;
}

/* The least of a few turns, the first of which brings pages in. In turns, because the clock of a
 * processor that was idle rises within these milliseconds: what is timed one after another seems to
 * get cheaper. */
void costs_measure(apus_session *s, struct costs *costs) {
    static const uint8_t columns[] = {1, 2, 4, 8};
    uint64_t until = port_now(&s->model->port) + BUDGET_NS;
    float *cost[1 + sizeof columns] = {NULL};
    if (is_small(&s->draft.track) && costs->draft_ns == 0.0f) cost[0] = &costs->draft_ns;
    for (size_t i = 0; i < sizeof columns && is_small(&s->target) && columns[i] <= s->target.chunk;
         i++)
        if (costs->verify_ns[columns[i]] == 0.0f) cost[1 + i] = &costs->verify_ns[columns[i]];
    for (uint32_t turn = 0; turn < TURNS; turn++)
        for (size_t i = 0; i < 1 + sizeof columns; i++) {
            if (!cost[i]) continue;
            if (port_now(&s->model->port) >= until) return;
            float ns = (float)(i ? time_pass(s, &s->target, columns[i - 1])
                                 : time_pass(s, &s->draft.track, 1));
            if (ns == 0.0f) return;
            if (turn == 1 || (turn && ns < *cost[i])) *cost[i] = ns;
            if (turn == 1 && i == 1) costs->timed = 1;
        }
}
