/* What the engine asks of the software that drives an NPU: npu/provider_uapi.c, which speaks to the
 * kernel itself, or npu/provider_xrt.cpp, which speaks to AMD's runtime (XRT) and is a library of
 * its own, opened by name.
 *
 * Everything is created in the setup phase; submit, sync and wait create nothing. The memory of
 * device, context and buffers is the caller's. A device and its buffers may be used by several
 * threads, a context by one at a time. The device's caches are not coherent with the host's: sync
 * before the device reads what the host wrote, and before the host reads what the device wrote. */
#ifndef NPU_PROVIDER_H
#define NPU_PROVIDER_H

#include <stddef.h>
#include <stdint.h>

#include "apus/port.h"
#include "npu/array.h"
#include "npu/overlay.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { NPU_DEVICE_BYTES = 512, NPU_CONTEXT_BYTES = 1024, NPU_RUNS_MAX = 4, NPU_ARGUMENTS = 3 };

struct npu_facts {
    char name[64];       /* "NPU of 8 columns (XDNA2)" */
    uint32_t generation; /* enum npu_generation; 0: not known to Apus */
    uint32_t columns;    /* usable */
    uint32_t firmware[4];
    uint32_t model;      /* 1: the device model of tests/npu/sim */
    const char *refusal; /* NULL, or why it cannot be used */
};

enum npu_buffer_kind {
    NPU_CODE, /* control code */
    NPU_DATA  /* what both sides read and write */
};

struct npu_buffer {
    uint8_t *host;    /* NULL: closed */
    uint64_t bytes;   /* whole pages */
    uint64_t address; /* the device's */
    uint64_t handle;  /* the provider's */
    uint64_t own[2];  /* likewise */
    uint32_t kind, imported;
};

/* One command: control code with its buffers. Offsets in bytes. */
struct npu_run {
    const struct npu_buffer *code;
    uint64_t code_offset;
    uint32_t code_words;
    const struct npu_buffer *buffer[NPU_ARGUMENTS];
    uint64_t offset[NPU_ARGUMENTS];
};

enum npu_direction { NPU_TO_DEVICE, NPU_FROM_DEVICE };

/* How a command ended. */
enum npu_result {
    NPU_DONE,
    NPU_NO_DEVICE, /* the driver refused the call */
    NPU_FAILED,    /* the device reports an error */
    NPU_TIMED_OUT, /* no answer in time, or the driver gave it up */
    NPU_ABORTED
};

struct npu_provider {
    uint32_t size; /* of this struct: a shared object of another version is not used */
    const char *name;

    /* Opens the index-th NPU. 0, or an errno value (ENOENT: there is none of that index); says in
     * facts what it is. memory: NPU_DEVICE_BYTES. */
    int (*attach)(void *device, const apus_port *port, uint32_t index, struct npu_facts *facts);
    void (*detach)(void *device);

    /* 0 or an errno value. */
    int (*buffer_create)(void *device, struct npu_buffer *buffer, enum npu_buffer_kind kind,
                         uint64_t bytes);
    /* read only; whole pages */
    int (*buffer_import)(void *device, struct npu_buffer *buffer, const void *pages,
                         uint64_t bytes);
    void (*buffer_close)(void *device, struct npu_buffer *buffer);
    int (*buffer_sync)(void *device, const struct npu_buffer *buffer, uint64_t offset,
                       uint64_t bytes, enum npu_direction direction);

    /* A context with the overlay loaded and packets for `runs` commands. 0 or an errno value.
     * memory: NPU_CONTEXT_BYTES. */
    int (*context_open)(void *context, void *device, const struct overlay *overlay,
                        uint32_t columns, uint32_t runs);
    void (*context_close)(void *context);

    /* Starts 1 .. runs commands, one after the other, as one submission; waiting gives how they
     * ended and, where one failed, its index. */
    enum npu_result (*commands_start)(void *context, const struct npu_run *run, uint32_t count,
                                      uint64_t *ticket);
    enum npu_result (*commands_wait)(void *context, uint64_t ticket, uint32_t timeout_ms,
                                     uint32_t *failed);
};

extern const struct npu_provider npu_provider_uapi;

/* The provider over XRT: the library's name, and the name in it, a struct npu_provider. */
#define NPU_XRT_LIBRARY "libapus-xrt.so"
#define NPU_XRT_SYMBOL  "apus_npu_provider_xrt"

/* What the number of all columns says of a device. */
static inline void npu_facts_fill(struct npu_facts *f, uint32_t rows, uint32_t columns) {
    const char *name = "NPU of an unknown kind";
    f->generation = 0, f->columns = columns;
    if (rows == CORE_ROWS && columns == array_columns_all(NPU_XDNA1))
        f->generation = NPU_XDNA1, name = "XDNA NPU, 4 usable columns";
    if (rows == CORE_ROWS && columns == array_columns_all(NPU_XDNA2))
        f->generation = NPU_XDNA2, name = "XDNA2 NPU, 8 columns";
    if (f->generation)
        f->columns = array_columns(f->generation);
    else
        f->refusal = "its array is none of those that Apus has code for (XDNA: 5 columns, XDNA2: "
                     "8, 4 rows of compute tiles)";
    for (uint32_t i = 0; i < sizeof f->name; i++) {
        f->name[i] = name[i];
        if (!name[i]) break;
    }
}

#ifdef __cplusplus
}
#endif
#endif
