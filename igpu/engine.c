/* The igpu engine: its table of functions, and what it reports of this machine. */
#include "igpu/program.h"

static void igpu_probe(const apus_port *port, hal_say *say, void *user) {
    struct device device;
    struct device_facts facts;
    struct words words;
    const char *why = device_instance(&device, port);
    if (why) {
        say(user, "igpu", 0, why);
        return;
    }
    uint32_t i = 0;
    for (; device_at(&device, i, &facts); i++) {
        device_words(&facts, &words);
        say(user, "igpu", !facts.refusal, words.text);
    }
    if (!i)
        say(user, "igpu", 0, "no Vulkan device is here (Debian and Ubuntu: mesa-vulkan-drivers)");
    device_close(&device);
}

static int igpu_takes(const struct hal_model *model, const struct hal_op *op,
                      const uint32_t *weight) {
    if (!step_is_known(op->kind)) return 0;
    if (op->kind == HAL_ACT) return op->activation <= ACTIVATION_CLAMPED;
    if (op->kind == HAL_HEADS) return !(op->flags & HAL_WHOLE);
    if (op->kind == HAL_EMBED)
        return weight_traits(model->tensors[*weight].type)->form == WEIGHT_ROWS;
    return (op->kind != HAL_GEMV && op->kind != HAL_EXPERTS) ||
           (op->weights.count <= BIND_ARRAY && hal_multiplies(WEIGHT_ON_IGPU, model, op, weight));
}

const struct hal_engine hal_igpu_engine = {
    .name = "igpu",
    .probe = igpu_probe,
    .takes = igpu_takes,
    .model_measure = igpu_model_measure,
    .model_open = igpu_model_open,
    .model_close = igpu_model_close,
    .model_pipeline_cache = igpu_model_pipeline_cache,
    .model_detail = igpu_model_detail,
    .prepare_measure = igpu_prepare_measure,
    .prepare = igpu_prepare,
    .release = igpu_release,
    .submit = igpu_submit,
    .wait = igpu_wait,
    .done = igpu_done,
    .cache_written = igpu_cache_written,
};
