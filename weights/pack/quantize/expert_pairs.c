#include "weights/pack/quantize/expert_pairs.h"

#include <stdlib.h>
#include <string.h>

#include "weights/pack/quantize/exact.h"

static bool before(const float *router, uint32_t a, uint32_t b) {
    if (router[a] != router[b]) return router[a] > router[b];
    return a < b;
}

/* Fills best [active] with the experts that come first, as docs/numerics.md 5 orders them. */
static void rank(const float *router, uint32_t experts, uint32_t active, uint32_t *best) {
    uint32_t found = 0;
    for (uint32_t e = 0; e < experts; e++) {
        if (found == active && !before(router, e, best[active - 1])) continue;
        uint32_t at = found < active ? found++ : active - 1;
        for (; at && before(router, e, best[at - 1]); at--) best[at] = best[at - 1];
        best[at] = e;
    }
}

static double share(float logit, float most) {
    double below = (double)logit - (double)most;
    return below < -20 ? 0 : exact_exp(below);
}

/* A token's experts and their weights. */
static void choose(const struct blob_variant *v, const float *router, uint32_t *best,
                   float *weight) {
    double sum = 0;
    rank(router, v->experts, v->active, best);
    const float most = router[best[0]];
    if (v->mixing == MIXING_ALL)
        for (uint32_t e = 0; e < v->experts; e++) sum += share(router[e], most);
    else
        for (uint32_t i = 0; i < v->active; i++) sum += share(router[best[i]], most);
    for (uint32_t i = 0; i < v->active; i++)
        weight[i] = (float)(share(router[best[i]], most) / sum);
}

static bool make_room(struct expert_pairs *p, const struct blob_variant *v) {
    if (p->pairs > p->room) {
        free(p->token), free(p->weight);
        p->token = malloc(p->pairs * sizeof *p->token);
        p->weight = malloc(p->pairs * sizeof *p->weight);
        p->room = p->token && p->weight ? p->pairs : 0;
    }
    if (v->experts > p->experts_room) {
        free(p->first);
        p->first = malloc(((size_t)v->experts + 1) * sizeof *p->first);
        p->experts_room = p->first ? v->experts : 0;
    }
    return p->room >= p->pairs && p->experts_room >= v->experts;
}

bool expert_pairs_choose(struct expert_pairs *p, const struct blob_variant *v, const float *router,
                         size_t tokens) {
    uint32_t best[BLOB_ACTIVE_MAX];
    float weight[BLOB_ACTIVE_MAX];
    size_t next[BLOB_EXPERTS_MAX];
    p->pairs = tokens * v->active;
    if (!make_room(p, v)) return false;
    memset(p->first, 0, ((size_t)v->experts + 1) * sizeof *p->first);
    for (size_t t = 0; t < tokens; t++) {
        choose(v, router + t * v->experts, best, weight);
        for (uint32_t i = 0; i < v->active; i++) p->first[best[i] + 1]++;
    }
    for (uint32_t e = 0; e < v->experts; e++) p->first[e + 1] += p->first[e];
    memcpy(next, p->first, v->experts * sizeof *next);
    for (size_t t = 0; t < tokens; t++) {
        choose(v, router + t * v->experts, best, weight);
        for (uint32_t i = 0; i < v->active; i++) {
            const size_t at = next[best[i]]++;
            p->token[at] = (uint32_t)t, p->weight[at] = weight[i];
        }
    }
    return true;
}

void expert_pairs_free(struct expert_pairs *p) {
    free(p->token);
    free(p->weight);
    free(p->first);
    memset(p, 0, sizeof *p);
}

void expert_pairs_gather(const struct expert_pairs *p, uint32_t expert, const float *from,
                         size_t width, float *to) {
    for (size_t i = p->first[expert]; i < p->first[expert + 1]; i++, to += width)
        memcpy(to, from + p->token[i] * width, width * sizeof *to);
}
