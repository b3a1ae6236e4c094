/* A model on the NPU: the device, the weights, and control code for every shape of tensor. Also its
 * programs and their passes (npu/npu_program.c, npu/multiply.c). */
#ifndef NPU_MODEL_H
#define NPU_MODEL_H

#include "hal/hal.h"
#include "hal/words.h"
#include "npu/gemv.h"
#include "npu/provider.h"

/* Matrices of one operation that have fewer bytes than this together stay with the CPU. For so many
 * bytes the array's path to memory needs about as long as a dispatch takes: 50 us at 55 GB/s, as
 * others report them (docs/npu.md). Neither was measured here. */
enum { WORTH_BYTES = 2750000 };

/* hal_model_setup.device and .options for this engine. */
struct npu_options {
    uint32_t index; /* index of the device, 0 .. 7; default 0 */
    int all;        /* "all": every matrix goes to the NPU, small ones too */
    int xrt;        /* 1 for "provider=xrt", 0 for the default, "provider=kernel" */
};
/* Reads them. Returns NULL, or a sentence that says what is wrong. */
const char *npu_options_read(struct npu_options *o, const char *device, const char *text);

/* Whether the port has the functions for devices that npu/provider_uapi.c needs. */
int npu_has_devices(const apus_port *port);

struct npu_code {
    uint64_t offset; /* in the code buffer, in bytes */
    uint32_t words;  /* 0: there is no code */
};

struct npu_tensor {
    struct gemv_shape shape;
    uint32_t columns_max; /* most columns of one command; 0: the tensor stays with the CPU */
    uint32_t copied;      /* 1: it lies in the buffer of copies, 0: in the imported section */
    uint64_t offset;
    struct npu_code code[GEMV_BUCKETS];
};

struct npu_model {
    apus_port port;
    const struct npu_provider *provider;
    void *library; /* the provider's shared library, or NULL */
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
    uint8_t *takes; /* [operations] 1: the NPU computes the operation */
    void *cpu;      /* the CPU engine's program, which runs every pass */
    int context_open, recreated, lost;
    _Alignas(16) uint8_t context[NPU_CONTEXT_BYTES];
};

/* npu/explain.c: sentences that say why an NPU cannot be used, and what to do about it. error: an
 * errno value. */
void explain_open(struct words *w, int error, const apus_port *port);
void explain_ready(struct words *w, const struct npu_facts *facts, const apus_port *port);
void explain_import(struct words *w, int error, const apus_port *port, uint64_t bytes);
void explain_context(struct words *w, int error);

apus_status npu_model_measure(const struct hal_model_setup *setup, struct hal_need *need);
apus_status npu_model_open(void *memory, const struct hal_model_setup *setup);
void npu_model_close(void *memory);
const char *npu_model_detail(const void *memory);

/* npu/npu_weights.c: weights_plan decides which tensors go to the NPU, weights_open makes them
 * accessible to it, and code_open writes their control code. The last two return 0, or an errno
 * value with the name of the call that failed in *call. */
void weights_plan(struct npu_model *m, const struct hal_model *model,
                  const struct hal_program *program);
int weights_open(struct npu_model *m, const struct hal_model *model, const char **call);
int code_open(struct npu_model *m, const char **call);

apus_status npu_prepare_measure(const struct hal_setup *setup, struct hal_need *need);
apus_status npu_prepare(void *memory, const struct hal_setup *setup);
void npu_release(void *memory);

/* npu/multiply.c: the function of the program's struct hal_matrices. */
apus_status npu_multiply(void *program, const struct hal_op *op, uint32_t columns, uint32_t *bad);

#endif
