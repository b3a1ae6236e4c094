/* A compute tile's program: the loop that an overlay gives to every core, with the kernel of
 * npu/aie/gemv.cc itself. */
#include <string.h>

#include "npu/aie/gemv.h"
#include "tests/npu/sim/sim_parts.h"

static int check(const struct sim_core *c) {
    const uint32_t *p = c->parameter;
    uint32_t bytes = p[APUS_NPU_TYPE] == APUS_NPU_W8 ? p[APUS_NPU_GROUPS] * 1024
                                                     : (1 + p[APUS_NPU_GROUPS] * 8) * 64;
    int sound = (p[APUS_NPU_TYPE] == APUS_NPU_W8 || p[APUS_NPU_TYPE] == APUS_NPU_W4 ||
                 p[APUS_NPU_TYPE] == APUS_NPU_W4T) &&
                p[APUS_NPU_GROUPS] && p[APUS_NPU_GROUPS] <= 4 &&
                (p[APUS_NPU_TOKENS] == 8 || p[APUS_NPU_TOKENS] == 16) && p[APUS_NPU_CHUNKS] &&
                p[APUS_NPU_PANELS] && bytes <= CORE_BUFFER &&
                p[APUS_NPU_GROUPS] * 64 * p[APUS_NPU_TOKENS] <= CORE_BUFFER;
    return sound ? 0 : sim_complain("a core has parameters that mean nothing");
}

_Static_assert((int)APUS_NPU_BUFFER == (int)CORE_BUFFER && (int)APUS_NPU_SUMS == (int)CORE_Y_BUFFER,
               "buffers lie where the kernel looks for them");

/* Computes one chunk, if its inputs are there and, at the beginning of a panel, there is room for
 * its sums. It uses the locks like npu/aie/design.py. */
int sim_core_step(struct sim_array *a, struct sim_tile *t) {
    struct sim_core *c = &t->core;
    uint8_t *m = t->memory;
    if (t->lock[LOCK_W_FULL] < 1 || t->lock[LOCK_X_FULL] < 1) return 0;
    if ((!c->at_work || c->at[APUS_NPU_AT_CHUNK] == 0) && t->lock[LOCK_Y_EMPTY] < 1) return 0;
    if (!c->at_work) {
        memset(c, 0, sizeof *c);
        memcpy(c->parameter, m + CORE_PARAMETERS, sizeof c->parameter);
        if (check(c)) return -1;
        apus_npu_begin(c->at);
        c->at_work = 1;
    }
    const uint32_t *p = c->parameter;
    t->lock[LOCK_W_FULL]--, t->lock[LOCK_X_FULL]--;
    if (c->at[APUS_NPU_AT_CHUNK] == 0) t->lock[LOCK_Y_EMPTY]--;
    apus_npu_step(m + CORE_W, (const int8_t *)(m + CORE_X), (int32_t *)(void *)(m + CORE_Y), p,
                  c->at);
    a->macs += (uint64_t)p[APUS_NPU_GROUPS] * GROUP * PANEL_ROWS * p[APUS_NPU_TOKENS];
    t->lock[LOCK_W_EMPTY]++, t->lock[LOCK_X_EMPTY]++;
    if (c->at[APUS_NPU_AT_CHUNK]) return 1;
    t->lock[LOCK_Y_FULL]++;
    if (++c->panel == p[APUS_NPU_PANELS]) c->at_work = 0;
    return 1;
}
