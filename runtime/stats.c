/* Figures: the costs of a generation and of passes. */
#include <string.h>

#include "runtime/session.h"
#include "runtime/stats.h"

apus_status costs_read(struct costs *costs, const apus_costs *from, const apus_port *port) {
    apus_costs c = {.size = sizeof c};
    memset(costs, 0, sizeof *costs);
    if (!from) return APUS_OK;
    apus_status status = config_read(&c, from, STRUCT(apus_costs), port);
    if (status) return status;
    for (uint32_t n = 1; n <= POLICY_COLUMNS; n++) costs->verify_ns[n] = (float)c.verify_ns[n - 1];
    costs->draft_ns = (float)c.draft_ns;
    return APUS_OK;
}

APUS_API apus_status apus_get_costs(const apus_session *s, apus_costs *costs) {
    apus_status status = session_look(s);
    if (!status) status = config_check(costs, STRUCT(apus_costs), &s->model->port);
    if (status) return status;
    const struct draft_policy *p = &s->speculation.policy;
    apus_costs known = {.size = sizeof known, .draft_ns = (uint64_t)p->draft_ns};
    for (uint32_t n = 1; n <= POLICY_COLUMNS; n++)
        known.verify_ns[n - 1] = (uint64_t)p->verify_ns[n];
    config_write(costs, &known, sizeof known);
    return APUS_OK;
}

APUS_API apus_status apus_get_stats(const apus_session *s, apus_stats *stats) {
    apus_status status = session_look(s);
    if (!status) status = config_check(stats, STRUCT(apus_stats), &s->model->port);
    if (status) return status;
    const struct generation *g = &s->generation;
    const struct sequence_engine *e = sequence_engine(&s->target);
    const uint64_t passes = g->sampler.config.size ? s->target.passes - g->passes : 0;
    apus_stats now = {.size = sizeof now,
                      .positions = s->target.evaluated,
                      .reused = s->reused,
                      .prompt_tokens = s->prompt_tokens,
                      .prompt_ns = s->prompt_ns,
                      .new_tokens = g->made,
                      .next_ns = g->ns,
                      .passes = passes,
                      .logits_hash = g->sampler.config.want_hash ? hash64_end(&g->hash) : 0,
                      .weight_bytes = blob_pass_read(model_blob(s->model), 1).bytes,
                      .arena_bytes = s->arena_bytes,
                      .engine = e->engine->name,
                      .cpu = e->engine->model_detail(e->model_memory),
                      .threads = s->threads,
                      .context = s->context,
                      .rounds = g->rounds,
                      .proposed = g->proposed,
                      .accepted = g->accepted,
                      .off_rounds = g->off_rounds,
                      .branches = g->branches,
                      .branches_taken = g->branches_taken,
                      .draft_ns = g->draft_ns,
                      .draft_prompt_ns = g->draft_prompt_ns,
                      .verify_ns = g->verify_ns,
                      .overlap_ns = g->overlap_ns,
                      .ahead = g->ahead,
                      .ahead_kept = g->kept,
                      .engines_count =
                          s->target.parts < APUS_ENGINES_MAX ? s->target.parts : APUS_ENGINES_MAX};
    if (passes)
        now.read_bytes = passes * blob_pass_read(model_blob(s->model), 0).bytes +
                         s->target.chosen_bytes - g->chosen_bytes;
    for (uint32_t i = 0; i < now.engines_count; i++)
        now.engines[i] = e[i].engine->name, now.engines_from[i] = e[i].layers.first;
    memcpy(now.proposed_at, g->proposed_at, sizeof now.proposed_at);
    memcpy(now.accepted_at, g->accepted_at, sizeof now.accepted_at);
    config_write(stats, &now, sizeof now);
    return APUS_OK;
}
