/* What the engine needs from the software that drives an NPU. There are two such providers:
 * npu/provider_uapi.c calls the kernel's driver itself; npu/provider_xrt.cpp calls AMD's runtime
 * (XRT) and is a shared library of its own, which is opened by name.
 *
 * Everything is created while a model or program is opened; starting, syncing and waiting create
 * nothing. The memory of devices, contexts and buffer structs is the caller's. Several threads may
 * use a device and its buffers at the same time, but only one may use a context. The device's
 * caches are not coherent with the host's: call buffer_sync before the device reads what the host
 * wrote, and before the host reads what the device wrote. */
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
    char name[64];       /* such as "XDNA2 NPU, 8 columns" */
    uint32_t generation; /* enum npu_generation; 0: Apus does not know it */
    uint32_t columns;    /* that a program may use */
    uint32_t firmware[4];
    uint32_t model;      /* 1: the device model of tests/npu/sim */
    const char *refusal; /* NULL, or why the device cannot be used */
};

enum npu_buffer_kind {
    NPU_CODE, /* control code */
    NPU_DATA  /* what the host and the device read and write */
};

struct npu_buffer {
    uint8_t *host;    /* NULL: closed */
    uint64_t bytes;   /* whole pages */
    uint64_t address; /* at which the device sees it */
    uint64_t handle;  /* for the provider */
    uint64_t own[2];  /* for the provider */
    uint32_t kind;    /* enum npu_buffer_kind */
    uint32_t imported;
};

/* One command: control code and its buffers. Offsets are in bytes. */
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
    NPU_TIMED_OUT, /* it did not end in time, or the driver gave it up */
    NPU_ABORTED
};

struct npu_provider {
    uint32_t size; /* of this struct; a library whose struct has another size is not used */
    const char *name;

    /* Opens the index-th NPU, counted from 0, in the NPU_DEVICE_BYTES bytes at `device`, and
     * describes it in *facts. Returns 0 or an errno value (ENOENT: there is no such NPU). */
    int (*attach)(void *device, const apus_port *port, uint32_t index, struct npu_facts *facts);
    void (*detach)(void *device);

    /* Each returns 0 or an errno value. */
    int (*buffer_create)(void *device, struct npu_buffer *buffer, enum npu_buffer_kind kind,
                         uint64_t bytes);
    /* pages: whole pages of the host, which the device only reads */
    int (*buffer_import)(void *device, struct npu_buffer *buffer, const void *pages,
                         uint64_t bytes);
    void (*buffer_close)(void *device, struct npu_buffer *buffer);
    int (*buffer_sync)(void *device, const struct npu_buffer *buffer, uint64_t offset,
                       uint64_t bytes, enum npu_direction direction);

    /* Opens a context in the NPU_CONTEXT_BYTES bytes at `context`, loads the overlay, and prepares
     * packets for up to `runs` commands (1 .. NPU_RUNS_MAX). Returns 0 or an errno value. */
    int (*context_open)(void *context, void *device, const struct overlay *overlay,
                        uint32_t columns, uint32_t runs);
    void (*context_close)(void *context);

    /* commands_start submits `count` commands (1 .. runs) at once; the device runs them one after
     * the other. commands_wait returns how they ended. If one failed, *failed gets its index. */
    enum npu_result (*commands_start)(void *context, const struct npu_run *run, uint32_t count,
                                      uint64_t *ticket);
    enum npu_result (*commands_wait)(void *context, uint64_t ticket, uint32_t timeout_ms,
                                     uint32_t *failed);
};

extern const struct npu_provider npu_provider_uapi;

/* The provider over XRT: the name of its library, and the name of the struct npu_provider in it. */
#define NPU_XRT_LIBRARY "libapus-xrt.so"
#define NPU_XRT_SYMBOL  "apus_npu_provider_xrt"

/* Fills in what follows from the array's rows of compute tiles and its number of all columns. */
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
