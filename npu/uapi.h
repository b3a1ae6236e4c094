/* The part of the amdxdna driver's kernel interface that Apus uses: requests, structures and
 * command packets.
 *
 * Written from what the driver documents (include/uapi/drm/amdxdna_accel.h of Linux 6.14 and newer,
 * drivers/accel/amdxdna); layouts are those of a 64-bit machine. tests/npu compares them with the
 * system's own header if there is one. The kernel distinguishes requests by their numbers alone:
 * structures grew between versions, and it accepts any size. */
#ifndef NPU_UAPI_H
#define NPU_UAPI_H

#include <stdint.h>

/* ioctl: direction (2 bits), size (14), type 'd' (8), number (8) */
#define UAPI_REQUEST(direction, number, type)                                                      \
    ((unsigned long)(direction) << 30 | (unsigned long)sizeof(type) << 16 | 0x64ul << 8 | (number))
#define UAPI_NUMBER(request) ((uint32_t)(request)&0xff)
enum { UAPI_WRITE = 1, UAPI_READ = 2, UAPI_BOTH = 3 };

enum {
    UAPI_VERSION = 0x00,
    UAPI_GEM_CLOSE = 0x09,
    UAPI_CREATE_CONTEXT = 0x40,
    UAPI_DESTROY_CONTEXT = 0x41,
    UAPI_CONFIG_CONTEXT = 0x42,
    UAPI_CREATE_BUFFER = 0x43,
    UAPI_BUFFER_INFO = 0x44,
    UAPI_SYNC_BUFFER = 0x45,
    UAPI_EXECUTE = 0x46,
    UAPI_GET_INFO = 0x47,
    UAPI_SET_STATE = 0x48,
    UAPI_WAIT = 0x49,            /* not in the kernel's own driver */
    UAPI_SYNCOBJ_DESTROY = 0xc0, /* this and the next one belong to every DRM driver */
    UAPI_TIMELINE_WAIT = 0xca
};

/* Asks which driver it is. The lengths say how much room there is, and afterwards how long the
 * texts are, which do not end in a zero byte. */
struct uapi_version {
    int32_t major, minor, patch;
    uint32_t pad;
    uint64_t name_bytes, name;
    uint64_t date_bytes, date;
    uint64_t description_bytes, description;
};

struct uapi_gem_close {
    uint32_t handle, pad;
};

struct uapi_qos {
    uint32_t gops, fps, dma_bandwidth, latency, frame_exec_time, priority;
};

struct uapi_create_context {
    uint64_t ext, ext_flags; /* 0 */
    uint64_t qos;            /* address of struct uapi_qos */
    uint32_t umq_buffer, log_buffer;
    uint32_t max_opc;
    uint32_t tiles; /* compute tiles: columns times rows */
    uint32_t mem_bytes;
    uint32_t umq_doorbell;
    uint32_t handle; /* out */
    uint32_t syncobj;
};

struct uapi_destroy_context {
    uint32_t handle, pad;
};

struct uapi_unit {   /* a compute unit, which is the program of an overlay */
    uint32_t buffer; /* a device buffer with the overlay's image */
    uint8_t function;
    uint8_t pad[3];
};

enum { UAPI_UNITS_MAX = 1 };
struct uapi_units {
    uint16_t count;
    uint16_t pad[3];
    struct uapi_unit unit[UAPI_UNITS_MAX];
};

enum { UAPI_CONFIG_UNITS = 0 };
struct uapi_config_context {
    uint32_t handle;
    uint32_t kind;  /* UAPI_CONFIG_UNITS */
    uint64_t value; /* address of struct uapi_units */
    uint32_t value_bytes;
    uint32_t pad;
};

enum uapi_buffer_kind {
    UAPI_BUFFER_SHARE = 1,  /* pages that the host maps or lends */
    UAPI_BUFFER_HEAP = 2,   /* the process's window of device memory; a process makes one, before
                               any context */
    UAPI_BUFFER_DEVICE = 3, /* a piece of the heap: control code, overlay images */
    UAPI_BUFFER_COMMAND = 4
};

struct uapi_range {
    uint64_t address, bytes; /* whole pages */
};

struct uapi_ranges { /* what `ranges` of uapi_create_buffer points to */
    int32_t dmabuf;  /* -1 */
    uint32_t count;  /* 1 */
    struct uapi_range range[1];
};

struct uapi_create_buffer {
    uint64_t flags;  /* 0 */
    uint64_t ranges; /* 0, or the address of struct uapi_ranges: the process's own pages */
    uint64_t bytes;
    uint32_t kind;
    uint32_t handle; /* out */
};

#define UAPI_NO_ADDRESS UINT64_MAX
struct uapi_buffer_info {
    uint64_t ext, ext_flags;
    uint32_t handle, pad;
    uint64_t map_offset; /* out: for mmap */
    uint64_t host;       /* out: the address in the process, if the driver knows one */
    uint64_t address;    /* out: the device's address; UAPI_NO_ADDRESS: the same as in the
                            process */
};

enum { UAPI_TO_DEVICE = 0, UAPI_FROM_DEVICE = 1 };
struct uapi_sync_buffer {
    uint32_t handle, direction;
    uint64_t offset, bytes;
};

struct uapi_execute {
    uint64_t ext, ext_flags;
    uint32_t context;
    uint32_t type;     /* 0 */
    uint64_t commands; /* the handle of the only command buffer, not an address */
    uint64_t buffers;  /* address of uint32_t [buffers_count]: handles of the buffers that the
                          commands use */
    uint32_t commands_count, buffers_count;
    uint64_t sequence; /* out */
};

struct uapi_wait {
    uint32_t context;
    uint32_t timeout_ms; /* 0: for ever */
    uint64_t sequence;
};

/* The timeline of a context outlives the context, and needs this request to be destroyed. */
struct uapi_syncobj_destroy {
    uint32_t handle, pad;
};

/* Waits until a context's timeline (its syncobj) reaches a point. Submission n reaches point n. */
struct uapi_timeline_wait {
    uint64_t handles, points; /* addresses of uint32_t [count], uint64_t [count] */
    int64_t until_ns;         /* of the monotonic clock */
    uint32_t count, flags, first, pad;
};
enum { UAPI_TIMELINE_FOR_SUBMIT = 2 };

enum { UAPI_INFO_METADATA = 1, UAPI_INFO_FIRMWARE = 8 };
struct uapi_get_info {
    uint32_t kind;
    uint32_t bytes;
    uint64_t buffer;
};

struct uapi_tile_metadata {
    uint16_t rows, row_start, dma_channels, locks, events;
    uint16_t pad[3];
};

struct uapi_metadata {
    uint32_t column_bytes;
    uint16_t columns, rows;
    uint32_t major, minor;
    struct uapi_tile_metadata core, mem, shim;
};

struct uapi_firmware {
    uint32_t major, minor, patch, build;
};

#ifndef __cplusplus
_Static_assert(sizeof(struct uapi_version) == 64 && sizeof(struct uapi_create_context) == 56,
               "layout");
_Static_assert(sizeof(struct uapi_config_context) == 24 && sizeof(struct uapi_units) == 16,
               "layout");
_Static_assert(sizeof(struct uapi_create_buffer) == 32 && sizeof(struct uapi_ranges) == 24,
               "layout");
_Static_assert(sizeof(struct uapi_buffer_info) == 48 && sizeof(struct uapi_sync_buffer) == 24,
               "layout");
_Static_assert(sizeof(struct uapi_execute) == 56 && sizeof(struct uapi_wait) == 16, "layout");
_Static_assert(sizeof(struct uapi_metadata) == 64 && sizeof(struct uapi_get_info) == 16, "layout");
_Static_assert(sizeof(struct uapi_timeline_wait) == 40, "layout");
#endif

/* Command packets, in command buffers. A packet begins with a header word: state (bits 0-3), extra
 * unit masks (10-11), words behind the header (12-22), opcode (23-27). */
enum uapi_state {
    UAPI_STATE_NEW = 1,
    UAPI_STATE_COMPLETED = 4,
    UAPI_STATE_ERROR = 5,
    UAPI_STATE_ABORT = 6,
    UAPI_STATE_TIMEOUT = 8
};
enum { UAPI_OP_START = 0, UAPI_OP_CHAIN = 19, UAPI_CHAIN_MAX = 24 };

static inline uint32_t uapi_header(uint32_t opcode, uint32_t words) {
    return UAPI_STATE_NEW | words << 12 | opcode << 23;
}
static inline uint32_t uapi_state(uint32_t header) { return header & 15; }
static inline uint32_t uapi_words(uint32_t header) { return header >> 12 & 0x7ff; }
static inline uint32_t uapi_opcode(uint32_t header) { return header >> 23 & 31; }

/* UAPI_OP_START: the unit mask, then the kernel's arguments where its metadata places them. In
 * every overlay that is made with mlir-aie they are: 64 bits of opcode, 64 bits of the control
 * code's address, 32 bits of how many words that has, then 64 bits for each buffer. The numbers
 * here are indices of words. */
enum {
    START_MASK,
    START_OPCODE,   /* low, high */
    START_CODE = 3, /* low, high */
    START_CODE_WORDS = 5,
    START_BUFFERS = 6, /* low, high each */
    START_WORDS_MAX = START_BUFFERS + 10
};
enum { START_TRANSACTION = 3 }; /* the opcode for control code of npu/txn.h */

/* UAPI_OP_CHAIN: how many commands, the index of the one that was submitted last, the index of the
 * one that failed, 3 reserved words, then 64 bits for the handle of each command. */
enum { CHAIN_COUNT, CHAIN_SUBMITTED, CHAIN_ERROR, CHAIN_HANDLES = 6 };

/* What a packet with the state TIMEOUT has behind its header. */
struct uapi_health {
    uint32_t version, generation;
    uint32_t operation; /* of the control code: the last operation that began */
    uint32_t pc, fatal_type, exception_type, exception_pc, module;
};

#endif
