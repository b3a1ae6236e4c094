/* The driver: the requests of an open file, distinguished by their numbers. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "npu/overlay.h"
#include "tests/npu/sim/sim_parts.h"

enum { CLIENTS = 16, DRM_TYPE = 0x64, SYNCOBJ_BASE = 100 };
#define ORPHAN UINT32_MAX /* a timeline whose context was destroyed */

static struct sim_client *clients[CLIENTS];
/* Recursive: the calls that the model itself makes come back here when they are wrapped. */
static pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

static struct sim_client *client_of(int fd) {
    for (int i = 0; i < CLIENTS; i++)
        if (clients[i] && clients[i]->fd == fd) return clients[i];
    return NULL;
}

/* ---------------------------------------------------------------------------------- contexts -- */

static struct sim_context *context_of(struct sim_client *c, uint32_t handle) {
    return handle && handle <= CLIENT_CONTEXTS && c->context[handle - 1].handle
               ? &c->context[handle - 1]
               : NULL;
}

static int create_context(struct sim_client *c, struct uapi_create_context *r) {
    struct sim_context *x = c->context;
    uint32_t heap = 1, columns = r->tiles / CORE_ROWS, timeline = 0;
    while (heap < CLIENT_BUFFERS && c->buffer[heap].kind != UAPI_BUFFER_HEAP) heap++;
    if (r->ext || r->ext_flags || !r->qos || r->umq_buffer || r->log_buffer || r->tiles % CORE_ROWS)
        return EINVAL;
    if (sim.config.context_error) return sim.config.context_error;
    if (heap == CLIENT_BUFFERS) return ENOENT; /* the heap comes first */
    if (!columns || columns > array_columns(sim.config.generation)) return EINVAL;
    while (x < c->context + CLIENT_CONTEXTS && x->handle) x++;
    while (timeline < CLIENT_SYNCOBJS && c->syncobj[timeline]) timeline++;
    if (x == c->context + CLIENT_CONTEXTS) return ENOSPC;
    if (timeline == CLIENT_SYNCOBJS) return ENOMEM;
    memset(x, 0, sizeof *x);
    sim_array_open(&x->array, sim.config.generation);
    x->handle = r->handle = (uint32_t)(x - c->context) + 1;
    c->syncobj[timeline] = x->handle;
    r->syncobj = SYNCOBJ_BASE + timeline;
    return 0;
}

static int destroy_context(struct sim_client *c, uint32_t handle) {
    struct sim_context *x = context_of(c, handle);
    if (!x) return EINVAL;
    for (uint32_t i = 0; i < CLIENT_SYNCOBJS; i++)
        if (c->syncobj[i] == handle) c->syncobj[i] = ORPHAN;
    sim_array_close(&x->array);
    memset(x, 0, sizeof *x);
    return 0;
}

static int config_context(struct sim_client *c, const struct uapi_config_context *r) {
    struct sim_context *x = context_of(c, r->handle);
    const struct uapi_units *u = (const struct uapi_units *)(uintptr_t)r->value;
    if (!x || r->kind != UAPI_CONFIG_UNITS || r->value_bytes < sizeof *u || !u || x->configured)
        return EINVAL;
    if (u->count != 1) return EINVAL;
    struct sim_buffer *image = sim_buffer(c, u->unit[0].buffer);
    if (!image || image->kind != UAPI_BUFFER_DEVICE || u->unit[0].function) return EINVAL;
    const uint8_t *bytes = sim_access(image, 0, image->bytes, 0);
    if (!bytes || sim_array_load(&x->array, bytes, image->bytes)) return EINVAL;
    x->configured = 1;
    return 0;
}

/* ------------------------------------------------------------------------------- information -- */

static void text_out(uint64_t at, uint64_t *bytes, const char *text) {
    uint64_t n = strlen(text);
    if (at && *bytes) memcpy((void *)(uintptr_t)at, text, n < *bytes ? n : *bytes);
    *bytes = n;
}

static int version(struct uapi_version *v) {
    v->major = 0, v->minor = 0, v->patch = 0;
    text_out(v->name, &v->name_bytes, "amdxdna");
    text_out(v->date, &v->date_bytes, "20260101");
    text_out(v->description, &v->description_bytes,
             sim.config.poses ? "AMD XDNA DRM implementation" : OVERLAY_MODEL_DESCRIPTION);
    return 0;
}

static void metadata(struct uapi_metadata *m) {
    *m = (struct uapi_metadata){.column_bytes = 1 << 25,
                                .columns = (uint16_t)array_columns_all(sim.config.generation),
                                .rows = ARRAY_ROWS,
                                .major = 2,
                                .core = {CORE_ROWS, ROW_CORE, CORE_CHANNELS, CORE_LOCKS, 128, {0}},
                                .mem = {1, ROW_MEM, MEM_CHANNELS, MEM_LOCKS, 160, {0}},
                                .shim = {1, ROW_SHIM, SHIM_CHANNELS, 16, 128, {0}}};
}

static int get_info(struct uapi_get_info *g) {
    union {
        struct uapi_metadata metadata;
        struct uapi_firmware firmware;
        uint32_t version[2];
        uint8_t clock[48];
        uint8_t power[8];
    } out;
    size_t bytes;
    memset(&out, 0, sizeof out);
    switch (g->kind) {
    case UAPI_INFO_METADATA:
        metadata(&out.metadata), bytes = sizeof out.metadata;
        break;
    case 2:
        out.version[0] = 2, bytes = sizeof out.version;
        break; /* of the array */
    case 3:
        memcpy(out.clock, "MP-NPU Clock", 12), memcpy(out.clock + 24, "H Clock", 7),
            bytes = sizeof out.clock;
        break;
    case UAPI_INFO_FIRMWARE:
        out.firmware = sim_firmware_version, bytes = sizeof out.firmware;
        break;
    case 9:
        bytes = sizeof out.power;
        break;
    case 5:
        g->bytes = 0;
        return 0; /* contexts of others */
    default:
        return EOPNOTSUPP;
    }
    if (!g->buffer || g->bytes < bytes) return ENOSPC;
    memcpy((void *)(uintptr_t)g->buffer, &out, bytes);
    g->bytes = (uint32_t)bytes;
    return 0;
}

static int buffer_info(struct sim_client *c, struct uapi_buffer_info *r) {
    const struct sim_buffer *b = sim_buffer(c, r->handle);
    if (!b || r->ext || r->ext_flags || r->pad) return EINVAL;
    r->map_offset = b->imported || b->kind == UAPI_BUFFER_DEVICE ? UINT64_MAX : b->offset;
    r->host = b->imported ? (uintptr_t)b->host : 0;
    r->address = b->address;
    return 0;
}

static uint32_t *timeline_of(struct sim_client *c, uint32_t syncobj) {
    uint32_t i = syncobj - SYNCOBJ_BASE;
    return i < CLIENT_SYNCOBJS && c->syncobj[i] ? &c->syncobj[i] : NULL;
}

static int destroy_timeline(struct sim_client *c, const struct uapi_syncobj_destroy *r) {
    uint32_t *timeline = timeline_of(c, r->handle);
    if (!timeline || r->pad) return EINVAL;
    *timeline = 0;
    return 0;
}

/* The kernel's own way to wait. */
static int wait_timeline(struct sim_client *c, const struct uapi_timeline_wait *w) {
    const uint32_t *handle = (const uint32_t *)(uintptr_t)w->handles, *timeline;
    const uint64_t *point = (const uint64_t *)(uintptr_t)w->points;
    if (w->count != 1 || w->flags != UAPI_TIMELINE_FOR_SUBMIT || !handle || !point) return EINVAL;
    if (!(timeline = timeline_of(c, *handle))) return ENOENT;
    struct sim_context *x = context_of(c, *timeline);
    return x ? sim_finish(c, x, *point, 5000) : ETIME;
}

/* ---------------------------------------------------------------------------------- requests -- */

union request {
    struct uapi_version version;
    struct uapi_gem_close close;
    struct uapi_create_context create_context;
    struct uapi_destroy_context destroy_context;
    struct uapi_config_context config_context;
    struct uapi_create_buffer create_buffer;
    struct uapi_buffer_info buffer_info;
    struct uapi_sync_buffer sync;
    struct uapi_execute execute;
    struct uapi_get_info info;
    struct uapi_wait wait;
    struct uapi_syncobj_destroy syncobj;
    struct uapi_timeline_wait timeline;
    uint8_t any[256];
};

static int answer(struct sim_client *c, uint32_t number, union request *r) {
    struct sim_context *x;
    switch (number) {
    case UAPI_VERSION:
        return version(&r->version);
    case UAPI_GEM_CLOSE:
        return sim_buffer_close(c, r->close.handle);
    case UAPI_CREATE_CONTEXT:
        return create_context(c, &r->create_context);
    case UAPI_DESTROY_CONTEXT:
        return destroy_context(c, r->destroy_context.handle);
    case UAPI_CONFIG_CONTEXT:
        return config_context(c, &r->config_context);
    case UAPI_CREATE_BUFFER:
        return sim_buffer_create(c, &r->create_buffer);
    case UAPI_BUFFER_INFO:
        return buffer_info(c, &r->buffer_info);
    case UAPI_SYNC_BUFFER:
        return sim_buffer_sync(c, &r->sync);
    case UAPI_GET_INFO:
        return get_info(&r->info);
    case UAPI_EXECUTE:
        return (x = context_of(c, r->execute.context)) ? sim_execute(c, x, &r->execute) : EINVAL;
    case UAPI_WAIT:
        if (sim.config.without_wait) return EINVAL; /* like a number that DRM does not know */
        return (x = context_of(c, r->wait.context))
                   ? sim_finish(c, x, r->wait.sequence, r->wait.timeout_ms)
                   : EINVAL;
    case UAPI_SYNCOBJ_DESTROY:
        return destroy_timeline(c, &r->syncobj);
    case UAPI_TIMELINE_WAIT:
        return wait_timeline(c, &r->timeline);
    default:
        sim.figures.unknown++;
        return EINVAL;
    }
}

/* Like DRM: bytes of the caller's struct beyond ours are kept, and those that it lacks count as
 * 0. */
int sim_ioctl(int fd, unsigned long request, void *argument) {
    uint32_t number = request & 0xff, type = request >> 8 & 0xff, bytes = request >> 16 & 0x3fff;
    union request r;
    int e;
    pthread_mutex_lock(&mutex);
    struct sim_client *c = client_of(fd);
    sim.figures.requests[number]++, sim.figures.all_requests++;
    memset(&r, 0, sizeof r);
    if (bytes > sizeof r) bytes = sizeof r;
    memcpy(&r, argument, bytes);
    e = !c || type != DRM_TYPE          ? ENOTTY
        : c->age != sim.age || sim.gone ? ENODEV
                                        : answer(c, number, &r);
    if (!e) memcpy(argument, &r, bytes);
    pthread_mutex_unlock(&mutex);
    if (!e) return 0;
    errno = e;
    return -1;
}

/* ------------------------------------------------------------------------------------- files -- */

int sim_open(const char *path) {
    if (strncmp(path, "/dev/accel/accel", 16) != 0) return -2;
    if (strcmp(path + 16, "0") != 0) {
        errno = ENOENT;
        return -1;
    }
    if (sim.config.open_error) {
        errno = sim.config.open_error;
        return -1;
    }
    pthread_mutex_lock(&mutex);
    int i = 0, fd = -1;
    while (i < CLIENTS && clients[i]) i++;
    struct sim_client *c = i < CLIENTS ? calloc(1, sizeof *c) : NULL;
    if (c && (fd = memfd_create("npu", MFD_CLOEXEC)) >= 0) {
        c->fd = fd, c->age = sim.age;
        clients[i] = c;
    } else {
        free(c);
        errno = EMFILE;
    }
    pthread_mutex_unlock(&mutex);
    return fd;
}

int sim_owns(int fd) {
    pthread_mutex_lock(&mutex);
    int owned = client_of(fd) != NULL;
    pthread_mutex_unlock(&mutex);
    return owned;
}

void sim_mapped(int fd, void *address, uint64_t bytes, uint64_t offset) {
    pthread_mutex_lock(&mutex);
    struct sim_client *c = client_of(fd);
    for (uint32_t i = 1; c && sim.config.shared_addresses && i < CLIENT_BUFFERS; i++) {
        struct sim_buffer *b = &c->buffer[i];
        if ((b->kind == UAPI_BUFFER_SHARE || b->kind == UAPI_BUFFER_COMMAND) && !b->imported &&
            b->offset == offset && bytes >= b->bytes)
            b->address = (uintptr_t)address;
    }
    pthread_mutex_unlock(&mutex);
}

void sim_close(int fd) {
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < CLIENTS; i++) {
        struct sim_client *c = clients[i];
        if (!c || c->fd != fd) continue;
        for (uint32_t t = 0; t < CLIENT_SYNCOBJS; t++)
            if (c->syncobj[t] == ORPHAN) sim_complain("a context's timeline is left behind");
        for (uint32_t x = 1; x <= CLIENT_CONTEXTS; x++) destroy_context(c, x);
        for (int heap = 0; heap < 2; heap++)
            for (uint32_t b = 1; b < CLIENT_BUFFERS; b++)
                if (c->buffer[b].kind && (heap || c->buffer[b].kind != UAPI_BUFFER_HEAP))
                    sim_buffer_close(c, b);
        free(c);
        clients[i] = NULL;
    }
    pthread_mutex_unlock(&mutex);
}

/* ---------------------------------------------------------------------------------- settings -- */

void sim_reset(const struct sim_config *config) {
    pthread_mutex_lock(&mutex);
    sim = (struct sim_state){.config = *config,
                             .age = sim.age + 1,
                             .fail_first = UINT64_MAX,
                             .sync_dropped = UINT64_MAX};
    pthread_mutex_unlock(&mutex);
}

void sim_fail(uint64_t first, uint64_t times, enum sim_end end) {
    pthread_mutex_lock(&mutex);
    sim.fail_first = first, sim.fail_times = times, sim.fail_end = end;
    pthread_mutex_unlock(&mutex);
}

void sim_drop_sync(uint64_t n) { sim.sync_dropped = n; }

struct sim_figures sim_figures(void) {
    pthread_mutex_lock(&mutex);
    struct sim_figures f = sim.figures;
    pthread_mutex_unlock(&mutex);
    return f;
}

const char *sim_complaint(void) { return sim.complaint; }
