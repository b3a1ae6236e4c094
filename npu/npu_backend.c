/* The npu engine: its table of functions, and what it reports of this machine. */
#include "npu/model.h"

static void npu_probe(const apus_port *port, hal_say *say, void *user) {
    _Alignas(16) uint8_t device[NPU_DEVICE_BYTES];
    struct npu_facts facts;
    struct words w;
    if (!npu_has_devices(port)) {
        say(user, "npu", 0, "the port lends no device files");
        return;
    }
    int e = npu_provider_uapi.attach(device, port, 0, &facts);
    if (e) {
        explain_open(&w, e, port);
        say(user, "npu", 0, w.text);
        return;
    }
    explain_ready(&w, &facts, port);
    say(user, "npu", !facts.refusal, w.text);
    npu_provider_uapi.detach(device);
}

static apus_status npu_submit(void *memory, const struct hal_pass *pass, uint64_t *ticket) {
    struct npu_program *p = memory;
    return p->lost ? APUS_E_ENGINE : hal_cpu_engine.submit(p->cpu, pass, ticket);
}

static apus_status npu_wait(void *memory, uint64_t ticket) {
    return hal_cpu_engine.wait(((struct npu_program *)memory)->cpu, ticket);
}

const struct hal_engine hal_npu_engine = {
    .name = "npu",
    .probe = npu_probe,
    .model_measure = npu_model_measure,
    .model_open = npu_model_open,
    .model_close = npu_model_close,
    .model_detail = npu_model_detail,
    .prepare_measure = npu_prepare_measure,
    .prepare = npu_prepare,
    .release = npu_release,
    .submit = npu_submit,
    .wait = npu_wait,
};
