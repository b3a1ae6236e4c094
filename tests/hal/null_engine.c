/* The engine that computes nothing: every logit is 0. It shows the smallest engine there can be
 * (copy it to begin a new one), and measures what the runtime costs around a pass. Not in the list
 * of engines a user can ask for. */
#include "tests/hal/null_engine.h"

#include <string.h>

struct null_program {
    struct hal_setup setup;
};

static void null_probe(const apus_port *port, hal_say *say, void *user) {
    (void)port;
    say(user, "null", 1, "computes nothing");
}

static apus_status null_model_measure(const struct hal_model_setup *setup, struct hal_need *need) {
    (void)setup;
    *need = (struct hal_need){64, 0};
    return APUS_OK;
}

static apus_status null_model_open(void *memory, const struct hal_model_setup *setup) {
    (void)memory, (void)setup;
    return APUS_OK;
}

static void null_model_close(void *memory) { (void)memory; }

static const char *null_model_detail(const void *memory) {
    (void)memory;
    return "null";
}

static apus_status null_prepare_measure(const struct hal_setup *setup, struct hal_need *need) {
    (void)setup;
    *need = (struct hal_need){place_up(sizeof(struct null_program), PLACE_LINE), 0};
    return APUS_OK;
}

static apus_status null_prepare(void *memory, const struct hal_setup *setup) {
    ((struct null_program *)memory)->setup = *setup;
    return APUS_OK;
}

static void null_release(void *memory) { (void)memory; }

static apus_status null_submit(void *memory, const struct hal_pass *pass, uint64_t *ticket) {
    const struct hal_setup *s = &((struct null_program *)memory)->setup;
    memset(s->slot[SLOT_LOGITS], 0,
           (pass->columns - pass->logits_from) * s->program->stride[SLOT_LOGITS]);
    *ticket = 0;
    return APUS_OK;
}

static apus_status null_wait(void *memory, uint64_t ticket) {
    (void)memory, (void)ticket;
    return APUS_OK;
}

const struct hal_engine null_engine = {
    .name = "null",
    .probe = null_probe,
    .model_measure = null_model_measure,
    .model_open = null_model_open,
    .model_close = null_model_close,
    .model_detail = null_model_detail,
    .prepare_measure = null_prepare_measure,
    .prepare = null_prepare,
    .release = null_release,
    .submit = null_submit,
    .wait = null_wait,
};
