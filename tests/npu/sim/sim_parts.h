/* The inside of the model; its users see only tests/npu/sim/sim.h. All of it runs under one mutex
 * (driver.c). */
#ifndef NPU_SIM_PARTS_H
#define NPU_SIM_PARTS_H

#include <stddef.h>
#include <stdint.h>

#include "npu/aie/gemv.h"
#include "npu/array.h"
#include "npu/gemv.h"
#include "tests/npu/sim/sim.h"
#include "npu/uapi.h"

/* tests/npu/sim/sim_state.c */
struct sim_state {
    struct sim_config config;
    struct sim_figures figures;
    uint64_t fail_first, fail_times, sync_dropped, syncs;
    enum sim_end fail_end;
    uint32_t age; /* resets so far */
    int gone;
    char complaint[256];
};
extern struct sim_state sim;
extern const struct uapi_firmware sim_firmware_version;
/* Keeps the first complaint. Always returns -1. */
int sim_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- descriptors: decode.c */
/* Returns 0 if the words are no valid descriptor: the valid bit is clear, reserved bits are set, or
 * they use something that this project does not use. */
int sim_decode(struct descriptor *d, uint32_t row, const uint32_t words[BD_WORDS_MAX]);

/* ---- memory: memory.c */
enum { CLIENT_BUFFERS = 256, CLIENT_CONTEXTS = 6, CLIENT_SYNCOBJS = 64, PAGE_BYTES = 4096 };

struct sim_buffer {
    uint32_t kind; /* enum uapi_buffer_kind; 0: no buffer */
    uint32_t imported;
    uint64_t bytes, offset; /* offset: in the file; for a device buffer in the heap */
    uint64_t address;       /* at which the device sees it */
    uint8_t *host;          /* the process's pages, as the model maps them */
    uint8_t *device;        /* what the device sees of them; NULL: the same */
    uint8_t *synced;        /* [pages] imported ones */
};

struct sim_client; /* an open file */
struct sim_buffer *sim_buffer(struct sim_client *c, uint64_t handle);
int sim_buffer_create(struct sim_client *c, struct uapi_create_buffer *request);
int sim_buffer_close(struct sim_client *c, uint32_t handle);
int sim_buffer_sync(struct sim_client *c, const struct uapi_sync_buffer *s);
/* Where the device reads or writes `bytes` bytes of a buffer from `offset` on; NULL with a
 * complaint if it may not. */
uint8_t *sim_access(struct sim_buffer *b, uint64_t offset, uint64_t bytes, int write);

/* ---- the array: array.c, dma.c, core.c */
struct sim_bd {
    uint32_t word[BD_WORDS_MAX];
    uint32_t iteration;
};

struct sim_task {
    uint32_t bd, runs;
    int token;
};

enum { STREAM_WORDS = 64, STREAMS_OUT = ARRAY_COLUMNS_MAX };
struct sim_stream { /* into one channel */
    uint32_t word[STREAM_WORDS];
    uint32_t from, count;
};

struct sim_channel {
    uint32_t column, row, index;
    int to_memory; /* S2MM */
    struct sim_task queue[QUEUE_DEPTH];
    uint32_t queued, tokens, controller; /* controller: the number of the controller that its tokens
                                            go to */
    int busy, started;                   /* a task is in progress; its present descriptor has
                                            acquired its lock */
    struct sim_task now;
    uint32_t bd, at; /* the present descriptor, and how many of its words are done */
    uint64_t moved;  /* words of the present command */
    struct descriptor d;
    struct sim_stream in;                 /* S2MM */
    struct sim_channel *out[STREAMS_OUT]; /* MM2S: the channels that all get its words */
    uint32_t outs;
};

struct sim_core {
    uint32_t panel, at[APUS_NPU_AT]; /* progress */
    int at_work;
    uint32_t parameter[GEMV_PARAMETERS];
};

struct sim_tile {
    uint8_t *memory; /* NULL: the tile is a shim */
    uint32_t bytes;
    int32_t lock[MEM_LOCKS];
    struct sim_bd bd[MEM_BDS];
    struct sim_channel to_memory[MEM_CHANNELS], to_stream[MEM_CHANNELS];
    struct sim_core core;
};

/* What a command may touch. */
struct sim_command {
    struct sim_buffer *buffer[64];
    uint32_t buffers;
};

struct sim_array {
    uint32_t columns, generation;
    int loaded;
    struct sim_tile tile[ARRAY_COLUMNS_MAX][ARRAY_ROWS];
    struct sim_command *command;
    uint64_t bytes_read, bytes_written, macs; /* of the present command */
};

void sim_array_open(struct sim_array *a, uint32_t generation);
void sim_array_close(struct sim_array *a);
/* Loads an overlay's image. Returns 0, or -1 with a complaint. */
int sim_array_load(struct sim_array *a, const uint8_t *file, uint64_t bytes);
/* Write registers and tile memory. Return 0, or -1 with a complaint. */
int sim_array_write(struct sim_array *a, uint32_t address, uint32_t value);
int sim_array_block(struct sim_array *a, uint32_t address, const uint32_t *values, uint32_t count);
int sim_array_patch(struct sim_array *a, uint32_t address, uint64_t value);
/* Runs until nothing moves. */
int sim_array_run(struct sim_array *a);
/* Takes a token of every column. Returns 1 if all were there. */
int sim_array_token(struct sim_array *a, uint32_t column, uint32_t columns, uint32_t direction,
                    uint32_t channel);
/* Returns 0 if everything is as after the load: queues are empty, tokens are taken, and locks have
 * their first values. */
int sim_array_quiet(const struct sim_array *a);

/* Sets locks and memory to what they are after an overlay was loaded. */
void sim_tile_start(struct sim_array *a, uint32_t column, uint32_t row);
/* Each returns 1 if something moved, 0 if nothing can, -1 with a complaint. */
int sim_channel_step(struct sim_array *a, struct sim_channel *c);
int sim_core_step(struct sim_array *a, struct sim_tile *t);

static inline uint32_t sim_channels(uint32_t row) {
    return row == ROW_MEM ? MEM_CHANNELS : CORE_CHANNELS;
}
static inline uint32_t sim_bds(uint32_t row) { return row == ROW_MEM ? MEM_BDS : CORE_BDS; }
static inline uint32_t sim_locks(uint32_t row) {
    return row == ROW_MEM ? MEM_LOCKS : row >= ROW_CORE ? CORE_LOCKS : 0;
}

/* ---- the cycle model: time.c. How long a command that has run would take if only one thing
 * bounded it, for each of these (docs/npu.md has the assumptions). */
struct sim_time {
    double memory_ns;  /* bytes through all shims over the bandwidth of all shims together */
    double channel_ns; /* words of the busiest channel, one a cycle */
    double work_ns;    /* multiply-adds of the kernel over the array's peak */
};
enum { SIM_DISPATCH_NS = 50000 }; /* of a submission, to the array and back; assumed */
struct sim_time sim_time(const struct sim_array *a);
uint64_t sim_time_ns(const struct sim_array *a); /* the largest of them */
void sim_time_begin(struct sim_array *a);

/* ---- the firmware: firmware.c. Interprets control code with the addresses of its buffers. Returns
 * 0, or with a complaint -1, or 1 if the control code hangs. */
int sim_firmware(struct sim_array *a, const uint32_t *words, uint32_t count,
                 const uint64_t *argument, uint32_t arguments);

/* ---- commands: command.c */
struct sim_context {
    uint32_t handle; /* 0: none */
    int configured, lost;
    uint64_t submitted, done; /* sequence numbers */
    uint32_t waiting[16];     /* command buffers by sequence, not run yet */
    enum sim_end end[16];
    uint32_t listed[16][64], listed_count[16];
    struct sim_array array;
};

int sim_execute(struct sim_client *c, struct sim_context *x, struct uapi_execute *request);
/* Runs what was submitted up to a sequence number. Returns 0 or an errno value. */
int sim_finish(struct sim_client *c, struct sim_context *x, uint64_t sequence, uint64_t timeout_ms);

struct sim_client {
    int fd; /* -1: free */
    uint32_t age;
    uint64_t file_bytes, next_address, pinned;
    struct sim_buffer buffer[CLIENT_BUFFERS]; /* by handle, from 1 */
    struct sim_context context[CLIENT_CONTEXTS];
    uint32_t syncobj[CLIENT_SYNCOBJS]; /* timelines, by handle - SYNCOBJ_BASE: the handle of the
                                          context; it stays after the context is destroyed */
};

/* The overlay's image, which says the first values of locks and the ways of streams:
 * sim_overlay.c. */
struct sim_route {
    uint8_t column, row, channel, to_column, to_row, to_channel;
};
enum { IMAGE_ROUTES_MAX = 256 };
struct sim_image {
    uint8_t id[16];
    uint32_t generation, columns, routes;
    struct sim_route route[IMAGE_ROUTES_MAX];
};
void sim_image(struct sim_image *image, uint32_t generation);
int32_t sim_first_lock(uint32_t row, uint32_t lock);

void sim_noise(uint8_t *to, uint64_t bytes, uint32_t seed);

#endif
