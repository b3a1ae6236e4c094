#include "tests/speculate/late.h"

#include <string.h>

#include "tests/speculate/fixture.h"

enum { COLUMNS = 512, RANGES = 4 * COLUMNS };

struct late late;

/* In front of the CPU's program. */
struct late_program {
    struct hal_pass pass;
    struct hal_column column[HAL_VIEWS][COLUMNS];
    struct kv_range range[RANGES];
    uint32_t left, polls;
    int waits; /* a pass is there */
};
static uint64_t front(void) { return place_up(sizeof(struct late_program), PLACE_LINE); }
static void *behind(void *memory) { return place_at(memory, front()); }

static apus_status prepare_measure(const struct hal_setup *setup, struct hal_need *need) {
    apus_status s = hal_cpu_engine.prepare_measure(setup, need);
    need->bytes += front();
    return s;
}

static apus_status prepare(void *memory, const struct hal_setup *setup) {
    memset(memory, 0, (size_t)front());
    return hal_cpu_engine.prepare(behind(memory), setup);
}

static void release(void *memory) { hal_cpu_engine.release(behind(memory)); }

static apus_status submit(void *memory, const struct hal_pass *pass, uint64_t *ticket) {
    static uint32_t rng = 1;
    struct late_program *p = memory;
    assert_false(p->waits);
    assert_true(pass->columns <= COLUMNS && pass->ranges <= RANGES);
    p->pass = *pass;
    for (uint32_t v = 0; v < HAL_VIEWS && pass->column[v]; v++) {
        memcpy(p->column[v], pass->column[v], pass->columns * sizeof **pass->column);
        p->pass.column[v] = p->column[v];
    }
    memcpy(p->range, pass->range, pass->ranges * sizeof *pass->range);
    p->pass.range = p->range;
    rng = rng * 1664525u + 1013904223u;
    p->left = late.random ? (rng >> 16) % (late.busy + 1) : late.busy;
    p->polls = 0;
    p->waits = 1;
    *ticket = 7;
    return APUS_OK;
}

static int done(void *memory, uint64_t ticket) {
    struct late_program *p = memory;
    assert_true(p->waits);
    assert_int_equal(ticket, 7);
    p->polls++;
    if (late.polled) late.polled();
    return p->left ? p->left--, 0 : 1;
}

static apus_status wait(void *memory, uint64_t ticket) {
    struct late_program *p = memory;
    uint64_t cpu_ticket;
    assert_true(p->waits);
    assert_int_equal(ticket, 7);
    p->waits = 0;
    if (late.clock) *late.clock += p->polls ? late.beside_ns : late.alone_ns;
    if (++late.passes == late.fail_at) return APUS_E_ENGINE;
    apus_status s = hal_cpu_engine.submit(behind(memory), &p->pass, &cpu_ticket);
    return s ? s : hal_cpu_engine.wait(behind(memory), cpu_ticket);
}

void late_use(const apus_model *model) {
    static struct hal_engine engine;
    struct apus_model *m = (struct apus_model *)(uintptr_t)model;
    engine = hal_cpu_engine;
    engine.name = "late";
    engine.prepare_measure = prepare_measure;
    engine.prepare = prepare;
    engine.release = release;
    engine.submit = submit;
    engine.wait = wait;
    engine.done = done;
    m->engine[1] = m->engine[0];
    m->engine[1].engine = &hal_cpu_engine;
    m->engine[0].engine = &engine, m->engines = 2;
}

static uint64_t step_ns;

static apus_status timed_submit(void *memory, const struct hal_pass *pass, uint64_t *ticket) {
    *late.clock += step_ns;
    return hal_cpu_engine.submit(memory, pass, ticket);
}

void late_time(const apus_model *model, uint64_t ns) {
    static struct hal_engine engine;
    engine = hal_cpu_engine;
    engine.name = "timed";
    engine.submit = timed_submit;
    step_ns = ns;
    ((struct apus_model *)(uintptr_t)model)->engine[0].engine = &engine;
}
