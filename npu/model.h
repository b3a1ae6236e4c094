/* A model on the NPU: the device, its weights, and control code for every shape; programs and their
 * passes (npu/npu_program.c, npu/multiply.c). */
#ifndef NPU_MODEL_H
#define NPU_MODEL_H

#include "hal/hal.h"
#include "hal/words.h"
#include "npu/gemv.h"
#include "npu/provider.h"

/* A dispatch takes about as long as the array's memory path needs for this many bytes (50 us at 55
 * GB/s, as others report them: docs/npu.md; not measured here): matrices of one operation that are
 * smaller together stay with the CPU. */
enum { WORTH_BYTES = 2750000 };

/* hal_model_setup.device and .options for this engine. */
struct npu_options {
    uint32_t index; /* the device: a digit, default 0 */
    int all;        /* "all": every matrix on the NPU, small ones too */
    int xrt;        /* "provider=xrt", and not the default, "provider=kernel" */
};
/* NULL, or what is wrong. */
const char *npu_options_read(struct npu_options *o, const char *device, const char *text);

/* Whether the port lends what npu/provider_uapi.c asks for. */
int npu_has_devices(const apus_port *port);

struct npu_code {
    uint64_t offset; /* in the code buffer */
    uint32_t words;  /* 0: none */
};

struct npu_tensor {
    struct gemv_shape shape;
    uint32_t columns_max; /* 0: stays with the CPU */
    uint32_t copied;      /* in the buffer of copies, else in the imported section */
    uint64_t offset;
    struct npu_code code[GEMV_BUCKETS];
};

struct npu_model {
    apus_port port;
    const struct npu_provider *provider;
    void *library; /* the provider's, or NULL */
    struct npu_facts facts;
    struct overlay overlay; /* a view of the caller's bytes */
    struct npu_options options;
    struct npu_buffer weights, copies, code;
    struct npu_tensor *tensor; /* [tensors] */
    uint32_t tensors;
    void *cpu; /* the CPU engine's model */
    int device_open;
    _Alignas(16) uint8_t device[NPU_DEVICE_BYTES];
};

struct npu_program {
    struct npu_model *model;
    struct hal_setup setup;
    struct npu_buffer x, sums;
    uint8_t *takes; /* [operations] */
    void *cpu;      /* the CPU engine's program, which runs every pass */
    int context_open, recreated, lost;
    _Alignas(16) uint8_t context[NPU_CONTEXT_BYTES];
};

/* npu/explain.c: why an NPU cannot be opened, and how to mend it. */
void explain_open(struct words *w, int error, const apus_port *port);
void explain_ready(struct words *w, const struct npu_facts *facts, const apus_port *port);
void explain_import(struct words *w, int error, const apus_port *port, uint64_t bytes);
void explain_context(struct words *w, int error);

apus_status npu_model_measure(const struct hal_model_setup *setup, struct hal_need *need);
apus_status npu_model_open(void *memory, const struct hal_model_setup *setup);
void npu_model_close(void *memory);
const char *npu_model_detail(const void *memory);

/* npu/npu_weights.c: which tensors go to the NPU and where they lie; control code for them. 0 or an
 * errno value, with the call's name in *call. */
void weights_plan(struct npu_model *m, const struct hal_model *model,
                  const struct hal_program *program);
int weights_open(struct npu_model *m, const struct hal_model *model, const char **call);
int code_open(struct npu_model *m, const char **call);

apus_status npu_prepare_measure(const struct hal_setup *setup, struct hal_need *need);
apus_status npu_prepare(void *memory, const struct hal_setup *setup);
void npu_release(void *memory);

/* npu/multiply.c: hal_matrices of the program. */
apus_status npu_multiply(void *program, const struct hal_op *op, uint32_t columns, uint32_t *bad);

#endif
