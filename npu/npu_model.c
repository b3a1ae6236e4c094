#include "npu/model.h"

#include <string.h>

static const char *text_after(const char *text, const char *prefix) {
    while (*prefix && *text == *prefix) text++, prefix++;
    return *prefix ? NULL : text;
}

static int ends(const char *text) { return !*text || *text == ','; }

const char *npu_options_read(struct npu_options *o, const char *device, const char *text) {
    memset(o, 0, sizeof *o);
    if (device && *device) {
        if (*device < '0' || *device > '7' || device[1])
            return "NPUs are named by a number: the device is 0 to 7";
        o->index = (uint32_t)(*device - '0');
    }
    while (text && *text) {
        const char *rest;
        if ((rest = text_after(text, "all")) != NULL && ends(rest))
            o->all = 1;
        else if ((rest = text_after(text, "provider=xrt")) != NULL && ends(rest))
            o->xrt = 1;
        else if ((rest = text_after(text, "provider=kernel")) != NULL && ends(rest))
            o->xrt = 0;
        else
            return "its options are all, provider=kernel and provider=xrt, with commas between";
        text = rest + (*rest == ',');
    }
    return NULL;
}

static apus_status refuse(const apus_port *port, const char *why) {
    struct words w;
    words_begin(&w, "the npu engine cannot be used here: ");
    words_add(&w, why);
    words_log(&w, port, APUS_LOG_ERROR);
    return APUS_E_UNAVAILABLE;
}

static apus_status fail(const struct npu_model *m, const char *call, int error) {
    struct words w;
    words_begin(&w, "the NPU's driver refuses ");
    words_add(&w, call);
    words_add(&w, " (error ");
    words_number(&w, (uint64_t)error);
    words_add(&w, ")");
    words_log(&w, &m->port, APUS_LOG_ERROR);
    return APUS_E_ENGINE;
}

int npu_has_devices(const apus_port *p) {
    return p && p->device_open && p->device_request && p->device_map && p->device_unmap &&
           p->device_close;
}

/* Finds the provider that the options name. Returns NULL, or why there is none. */
static const char *find_provider(struct npu_model *m) {
    const apus_port *p = &m->port;
    m->provider = &npu_provider_uapi;
    if (!m->options.xrt) return npu_has_devices(p) ? NULL : "the port lends no device files";
    if (!p->library_open || !p->library_symbol || !p->library_close)
        return "the port lends no libraries";
    m->library = p->library_open(p->user, NPU_XRT_LIBRARY);
    if (!m->library)
        return NPU_XRT_LIBRARY " is not found, or AMD's runtime (XRT), which it needs: build Apus "
                               "where XRT is installed, or take provider=kernel, which needs "
                               "neither";
    m->provider = p->library_symbol(p->user, m->library, NPU_XRT_SYMBOL);
    return m->provider && m->provider->size == sizeof *m->provider ? NULL
                                                                   : NPU_XRT_LIBRARY
               " belongs to another version of Apus";
}

enum { E_NOENT = 2 }; /* of Linux, as providers return it */

/* Whether there is an NPU, so that only the number that was asked for is wrong. */
static int another_is_there(struct npu_model *m) {
    if (!m->options.index || m->provider->attach(m->device, &m->port, 0, &m->facts)) return 0;
    m->provider->detach(m->device);
    return 1;
}

/* The provider and its device. */
static apus_status open_device(struct npu_model *m) {
    const char *why = find_provider(m);
    if (why) return refuse(&m->port, why);
    int e = m->provider->attach(m->device, &m->port, m->options.index, &m->facts);
    if (e == E_NOENT && another_is_there(m))
        return refuse(&m->port, "there is no NPU with this number: they are counted from 0");
    if (e) {
        struct words w;
        explain_open(&w, e, &m->port);
        return refuse(&m->port, w.text);
    }
    m->device_open = 1;
    return m->facts.refusal ? refuse(&m->port, m->facts.refusal) : APUS_OK;
}

/* The overlay of the device model means nothing to a real array, and the other way round, so each
 * is refused for the other. */
static apus_status open_overlay(struct npu_model *m, const struct hal_model_setup *setup) {
    const char *why = overlay_read(&m->overlay, setup->overlay, setup->overlay_bytes);
    if (why) return refuse(&m->port, why);
    int of_model = memcmp(m->overlay.id, overlay_of_model, sizeof overlay_of_model) == 0;
    if (of_model && !m->facts.model)
        return refuse(&m->port, "the overlay is the device model's, and this is a device");
    if (!of_model && m->facts.model)
        return refuse(&m->port, "this is the device model, which takes its own overlay only");
    if (m->overlay.columns != m->facts.columns)
        return refuse(&m->port, "the overlay is made for another number of columns: one is for "
                                "XDNA, another for XDNA2 (docs/npu.md)");
    return APUS_OK;
}

static apus_status read_setup(struct npu_model *m, const struct hal_model_setup *setup) {
    memset(m, 0, sizeof *m);
    if (setup->port) m->port = *setup->port;
    const char *why = npu_options_read(&m->options, setup->device, setup->options);
    if (!why && !setup->overlay)
        why = "it needs an overlay, apus_engine_config.overlay, which is --device overlay=FILE of "
              "the command line (none for hardware exists yet: docs/npu.md)";
    return why ? refuse(&m->port, why) : APUS_OK;
}

static void close_device(struct npu_model *m) {
    if (m->device_open) m->provider->detach(m->device);
    m->device_open = 0;
    if (m->library) m->port.library_close(m->port.user, m->library);
    m->library = NULL;
}

/* Where the parts of a model's memory lie. */
struct parts {
    uint64_t tensor, cpu, bytes;
};

static struct parts lay_out(const struct hal_model *model, uint64_t cpu_bytes) {
    struct parts at;
    struct place walk = {0};
    place_next(&walk, 1, sizeof(struct npu_model));
    at.tensor = place_next(&walk, model->dims->tensors, sizeof(struct npu_tensor));
    at.cpu = place_next(&walk, 1, cpu_bytes);
    at.bytes = walk.end;
    return at;
}

apus_status npu_model_measure(const struct hal_model_setup *setup, struct hal_need *need) {
    struct npu_model m;
    struct hal_need cpu;
    apus_status s = read_setup(&m, setup);
    if (!s) {
        s = open_device(&m);
        close_device(&m);
    }
    if (!s) s = hal_cpu_engine.model_measure(setup, &cpu);
    if (s) return s;
    uint64_t weights = 0;
    for (uint32_t i = 0; i < setup->model->dims->tensors; i++)
        weights += setup->model->tensors[i].bytes;
    *need =
        (struct hal_need){lay_out(setup->model, cpu.bytes).bytes, weights + ((uint64_t)64 << 20)};
    return APUS_OK;
}

static apus_status open_parts(struct npu_model *m, const struct hal_model_setup *setup) {
    apus_status s = open_device(m);
    if (!s) s = open_overlay(m, setup);
    if (s) return s;
    weights_plan(m, setup->model, setup->program);
    const char *call = "weights";
    int e = weights_open(m, setup->model, &call);
    if (!e) e = code_open(m, &call);
    return e ? fail(m, call, e) : APUS_OK;
}

apus_status npu_model_open(void *memory, const struct hal_model_setup *setup) {
    struct npu_model *m = memory;
    const struct parts at = lay_out(setup->model, 0);
    apus_status s = read_setup(m, setup);
    if (s) return s;
    m->tensor = place_at(memory, at.tensor);
    m->tensors = setup->model->dims->tensors;
    m->cpu = place_at(memory, at.cpu);
    memset(m->tensor, 0, m->tensors * sizeof *m->tensor);
    s = hal_cpu_engine.model_open(m->cpu, setup);
    if (s) return s;
    s = open_parts(m, setup);
    if (s) npu_model_close(m);
    return s;
}

void npu_model_close(void *memory) {
    struct npu_model *m = memory;
    if (m->device_open) {
        m->provider->buffer_close(m->device, &m->code);
        m->provider->buffer_close(m->device, &m->copies);
        m->provider->buffer_close(m->device, &m->weights);
    }
    close_device(m);
    hal_cpu_engine.model_close(m->cpu);
}

const char *npu_model_detail(const void *memory) {
    return ((const struct npu_model *)memory)->facts.name;
}
