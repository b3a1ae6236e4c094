/* The provider that uses the kernel interface alone (npu/uapi.h): it sends requests through the
 * port, needs no other library, and allocates nothing.
 *
 * A process has one heap of device memory, which must exist before a context does. Control code and
 * overlay images are parts of it. Commands lie in command buffers, which the driver reads through
 * its own mapping, so they need no sync. */
#include <string.h>

#include "npu/array.h"
#include "npu/provider.h"
#include "npu/uapi.h"

/* errno values of Linux; a freestanding file has no header with their names */
enum { E_NOENT = 2, E_NOMEM = 12, E_NODEV = 19, E_INVAL = 22, E_NOTTY = 25, E_TIME = 62 };

enum { PAGE = 4096, HEAP_BYTES = 64 << 20, NODES = 8 };

struct uapi_device {
    apus_port port;
    intptr_t node;
    struct npu_buffer heap;
};

struct packet {
    struct npu_buffer buffer;
};

struct uapi_context {
    struct uapi_device *device;
    uint32_t handle, timeline, runs, count; /* count: commands of the last submission */
    uint32_t without_wait;                  /* the driver has no request to wait; wait for a point
                                               of the timeline instead */
    struct npu_buffer image;
    struct packet chain, run[NPU_RUNS_MAX];
};

_Static_assert(sizeof(struct uapi_device) <= NPU_DEVICE_BYTES,
               "a device fits what provider.h promises");
_Static_assert(sizeof(struct uapi_context) <= NPU_CONTEXT_BYTES, "and a context");

static int ask(const struct uapi_device *d, unsigned long request, void *argument) {
    return d->port.device_request(d->port.user, d->node, request, argument);
}
#define ASK(device, number, argument)                                                              \
    ask(device, UAPI_REQUEST(UAPI_BOTH, number, *(argument)), argument)

/* ----------------------------------------------------------------------------------- buffers -- */

static uint64_t whole_pages(uint64_t bytes) { return (bytes + PAGE - 1) & ~(uint64_t)(PAGE - 1); }

static void drop(const struct uapi_device *d, uint64_t handle) {
    struct uapi_gem_close close = {(uint32_t)handle, 0};
    ask(d, UAPI_REQUEST(UAPI_WRITE, UAPI_GEM_CLOSE, close), &close);
}

static int create(const struct uapi_device *d, struct npu_buffer *b, uint32_t kind, uint64_t bytes,
                  const struct uapi_ranges *ranges, struct uapi_buffer_info *info) {
    struct uapi_create_buffer c = {
        .ranges = (uintptr_t)ranges, .bytes = ranges ? 0 : bytes, .kind = kind};
    memset(b, 0, sizeof *b);
    int e = ASK(d, UAPI_CREATE_BUFFER, &c);
    if (e) return e;
    memset(info, 0, sizeof *info);
    info->handle = c.handle;
    e = ASK(d, UAPI_BUFFER_INFO, info);
    if (e) {
        drop(d, c.handle);
        return e;
    }
    b->handle = c.handle;
    b->bytes = bytes;
    b->address = info->address;
    return 0;
}

static int create_mapped(const struct uapi_device *d, struct npu_buffer *b, uint32_t kind,
                         uint64_t bytes, uint64_t alignment) {
    struct uapi_buffer_info info;
    int e = create(d, b, kind, bytes, NULL, &info);
    if (e) return e;
    b->host = d->port.device_map(d->port.user, d->node, info.map_offset, bytes, alignment);
    if (!b->host) {
        drop(d, b->handle);
        return E_NOMEM;
    }
    /* the device uses the addresses of the process */
    if (b->address == UAPI_NO_ADDRESS) b->address = (uintptr_t)b->host;
    return 0;
}

/* Creates a buffer that is a piece of the heap, so it needs no mapping of its own. */
static int create_code(const struct uapi_device *d, struct npu_buffer *b, uint64_t bytes) {
    struct uapi_buffer_info info;
    int e = create(d, b, UAPI_BUFFER_DEVICE, bytes, NULL, &info);
    if (e) return e;
    uint64_t at = b->address - d->heap.address;
    if (b->address < d->heap.address || at + bytes > d->heap.bytes) {
        drop(d, b->handle);
        return E_INVAL;
    }
    b->host = d->heap.host + at;
    return 0;
}

static int uapi_buffer_create(void *device, struct npu_buffer *b, enum npu_buffer_kind kind,
                              uint64_t bytes) {
    const struct uapi_device *d = device;
    int e = kind == NPU_CODE ? create_code(d, b, whole_pages(bytes))
                             : create_mapped(d, b, UAPI_BUFFER_SHARE, whole_pages(bytes), PAGE);
    b->kind = kind;
    return e;
}

static int uapi_buffer_import(void *device, struct npu_buffer *b, const void *pages,
                              uint64_t bytes) {
    const struct uapi_device *d = device;
    struct uapi_buffer_info info;
    const struct uapi_ranges ranges = {-1, 1, {{(uintptr_t)pages, bytes}}};
    int e = create(d, b, UAPI_BUFFER_SHARE, bytes, &ranges, &info);
    if (e) return e;
    b->host = (uint8_t *)(uintptr_t)pages;
    b->kind = NPU_DATA;
    b->imported = 1;
    if (b->address == UAPI_NO_ADDRESS) b->address = (uintptr_t)pages;
    return 0;
}

static void uapi_buffer_close(void *device, struct npu_buffer *b) {
    const struct uapi_device *d = device;
    if (!b->host) return;
    if (b->kind == NPU_DATA && !b->imported) d->port.device_unmap(d->port.user, b->host, b->bytes);
    drop(d, b->handle);
    memset(b, 0, sizeof *b);
}

static int uapi_buffer_sync(void *device, const struct npu_buffer *b, uint64_t offset,
                            uint64_t bytes, enum npu_direction direction) {
    struct uapi_sync_buffer s = {(uint32_t)b->handle,
                                 direction == NPU_TO_DEVICE ? UAPI_TO_DEVICE : UAPI_FROM_DEVICE,
                                 offset, bytes};
    return ASK((const struct uapi_device *)device, UAPI_SYNC_BUFFER, &s);
}

/* ------------------------------------------------------------------------------------ device -- */

static int same(const char *a, const char *b, size_t bytes) {
    return strlen(b) == bytes && memcmp(a, b, bytes) == 0;
}

/* Checks that the node belongs to the amdxdna driver. Returns 0 or an errno value. */
static int identify(const struct uapi_device *d, struct npu_facts *facts) {
    char name[32], description[64];
    struct uapi_version v = {.name = (uintptr_t)name,
                             .name_bytes = sizeof name,
                             .description = (uintptr_t)description,
                             .description_bytes = sizeof description};
    int e = ASK(d, UAPI_VERSION, &v);
    if (e) return e;
    if (v.name_bytes > sizeof name || !same(name, "amdxdna", (size_t)v.name_bytes)) return E_NODEV;
    facts->model = v.description_bytes <= sizeof description &&
                   same(description, OVERLAY_MODEL_DESCRIPTION, (size_t)v.description_bytes);
    return 0;
}

static int get_info(const struct uapi_device *d, uint32_t kind, void *out, uint32_t bytes) {
    struct uapi_get_info g = {kind, bytes, (uintptr_t)out};
    return ASK(d, UAPI_GET_INFO, &g);
}

static int describe(const struct uapi_device *d, struct npu_facts *facts) {
    struct uapi_metadata m;
    struct uapi_firmware f;
    memset(&m, 0, sizeof m);
    memset(&f, 0, sizeof f);
    int e = get_info(d, UAPI_INFO_METADATA, &m, sizeof m);
    if (e) return e;
    if (!get_info(d, UAPI_INFO_FIRMWARE, &f, sizeof f)) {
        facts->firmware[0] = f.major, facts->firmware[1] = f.minor, facts->firmware[2] = f.patch,
        facts->firmware[3] = f.build;
    }
    npu_facts_fill(facts, m.core.rows, m.columns);
    return 0;
}

static void node_path(char path[24], uint32_t number) {
    memcpy(path, "/dev/accel/accel0", 18);
    path[16] = (char)('0' + number);
}

static void uapi_detach(void *device) {
    struct uapi_device *d = device;
    if (d->heap.host) {
        d->port.device_unmap(d->port.user, d->heap.host, d->heap.bytes);
        drop(d, d->heap.handle);
    }
    d->port.device_close(d->port.user, d->node);
    memset(d, 0, sizeof *d);
}

/* Nodes of other drivers are skipped. If no NPU is found, the result is the error of the first node
 * that exists but cannot be opened. */
static int uapi_attach(void *device, const apus_port *port, uint32_t index,
                       struct npu_facts *facts) {
    struct uapi_device *d = device;
    int why = E_NOENT;
    memset(d, 0, sizeof *d);
    memset(facts, 0, sizeof *facts);
    d->port = *port;
    for (uint32_t n = 0; n < NODES; n++) {
        char path[24];
        node_path(path, n);
        d->node = port->device_open(port->user, path);
        if (d->node < 0) {
            if (d->node != -E_NOENT && why == E_NOENT) why = (int)-d->node;
            continue;
        }
        int e = identify(d, facts);
        if (!e && index-- == 0) {
            e = describe(d, facts);
            if (!e && !facts->refusal) {
                e = create_mapped(d, &d->heap, UAPI_BUFFER_HEAP, HEAP_BYTES, HEAP_BYTES);
                if (e) memset(&d->heap, 0, sizeof d->heap);
            }
            if (e) uapi_detach(d);
            return e;
        }
        port->device_close(port->user, d->node);
    }
    return why;
}

/* ----------------------------------------------------------------------------------- context -- */

static void packet_close(struct uapi_context *c, struct packet *p) {
    if (!p->buffer.host) return;
    c->device->port.device_unmap(c->device->port.user, p->buffer.host, p->buffer.bytes);
    drop(c->device, p->buffer.handle);
    memset(p, 0, sizeof *p);
}

static void uapi_context_close(void *context) {
    struct uapi_context *c = context;
    if (!c->device) return;
    if (c->handle) {
        struct uapi_destroy_context destroy = {c->handle, 0};
        struct uapi_syncobj_destroy timeline = {c->timeline, 0};
        ASK(c->device, UAPI_DESTROY_CONTEXT, &destroy);
        if (c->timeline) ASK(c->device, UAPI_SYNCOBJ_DESTROY, &timeline);
    }
    uapi_buffer_close(c->device, &c->image);
    packet_close(c, &c->chain);
    for (uint32_t i = 0; i < c->runs; i++) packet_close(c, &c->run[i]);
    memset(c, 0, sizeof *c);
}

static int load_image(struct uapi_context *c, const struct overlay *overlay) {
    int e = uapi_buffer_create(c->device, &c->image, NPU_CODE, overlay->image_bytes);
    if (e) return e;
    memcpy(c->image.host, overlay->image, overlay->image_bytes);
    e = uapi_buffer_sync(c->device, &c->image, 0, c->image.bytes, NPU_TO_DEVICE);
    if (e) return e;
    struct uapi_units units = {.count = 1, .unit = {{.buffer = (uint32_t)c->image.handle}}};
    struct uapi_config_context config = {.handle = c->handle,
                                         .kind = UAPI_CONFIG_UNITS,
                                         .value = (uintptr_t)&units,
                                         .value_bytes = sizeof units};
    return ASK(c->device, UAPI_CONFIG_CONTEXT, &config);
}

static int open_context(struct uapi_context *c, const struct overlay *overlay, uint32_t columns) {
    const struct uapi_qos qos = {0};
    struct uapi_create_context create_context = {
        .qos = (uintptr_t)&qos, .max_opc = 0x800, .tiles = columns * CORE_ROWS};
    int e = ASK(c->device, UAPI_CREATE_CONTEXT, &create_context);
    if (e) return e;
    c->handle = create_context.handle;
    c->timeline = create_context.syncobj;
    e = load_image(c, overlay);
    if (!e) e = create_mapped(c->device, &c->chain.buffer, UAPI_BUFFER_COMMAND, PAGE, PAGE);
    for (uint32_t i = 0; !e && i < c->runs; i++)
        e = create_mapped(c->device, &c->run[i].buffer, UAPI_BUFFER_COMMAND, PAGE, PAGE);
    return e;
}

static int uapi_context_open(void *context, void *device, const struct overlay *overlay,
                             uint32_t columns, uint32_t runs) {
    struct uapi_context *c = context;
    memset(c, 0, sizeof *c);
    if (!runs || runs > NPU_RUNS_MAX) return E_INVAL;
    c->device = device;
    c->runs = runs;
    int e = open_context(c, overlay, columns);
    if (e) uapi_context_close(c);
    return e;
}

/* ---------------------------------------------------------------------------------- commands -- */

static uint32_t *words_of(const struct packet *p) { return (uint32_t *)(void *)p->buffer.host; }

static void put64(uint32_t *at, uint64_t value) {
    at[0] = (uint32_t)value;
    at[1] = (uint32_t)(value >> 32);
}

/* Fills in a packet. The word with the state is written last, so that a packet is complete when its
 * state says that it is new. */
static void fill_run(const struct packet *p, const struct npu_run *r) {
    uint32_t *w = words_of(p), *payload = w + 1;
    payload[START_MASK] = 1;
    put64(payload + START_OPCODE, START_TRANSACTION);
    put64(payload + START_CODE, r->code->address + r->code_offset);
    payload[START_CODE_WORDS] = r->code_words;
    for (uint32_t i = 0; i < NPU_ARGUMENTS; i++)
        put64(payload + START_BUFFERS + 2 * i, r->buffer[i]->address + r->offset[i]);
    w[0] = uapi_header(UAPI_OP_START, START_BUFFERS + 2 * NPU_ARGUMENTS);
}

static void fill_chain(const struct uapi_context *c, uint32_t count) {
    uint32_t *w = words_of(&c->chain), *payload = w + 1;
    memset(payload, 0, CHAIN_HANDLES * sizeof *payload);
    payload[CHAIN_COUNT] = count;
    for (uint32_t i = 0; i < count; i++)
        put64(payload + CHAIN_HANDLES + 2 * i, c->run[i].buffer.handle);
    w[0] = uapi_header(UAPI_OP_CHAIN, CHAIN_HANDLES + 2 * count);
}

/* Lists the handles of the buffers that the commands use, each once, so that the driver keeps them
 * in place. Returns how many there are. */
static uint32_t list_buffers(const struct npu_run *run, uint32_t count,
                             uint32_t list[NPU_RUNS_MAX * (NPU_ARGUMENTS + 1)]) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t handle[NPU_ARGUMENTS + 1] = {(uint32_t)run[i].code->handle};
        for (uint32_t a = 0; a < NPU_ARGUMENTS; a++)
            handle[a + 1] = (uint32_t)run[i].buffer[a]->handle;
        for (uint32_t a = 0; a < NPU_ARGUMENTS + 1; a++) {
            uint32_t k = 0;
            while (k < n && list[k] != handle[a]) k++;
            if (k == n) list[n++] = handle[a];
        }
    }
    return n;
}

static enum npu_result uapi_commands_start(void *context, const struct npu_run *run, uint32_t count,
                                           uint64_t *ticket) {
    struct uapi_context *c = context;
    uint32_t list[NPU_RUNS_MAX * (NPU_ARGUMENTS + 1)];
    if (!count || count > c->runs) return NPU_NO_DEVICE;
    for (uint32_t i = 0; i < count; i++) fill_run(&c->run[i], &run[i]);
    if (count > 1) fill_chain(c, count);
    c->count = count;
    const struct packet *first = count > 1 ? &c->chain : &c->run[0];
    struct uapi_execute x = {.context = c->handle,
                             .commands = first->buffer.handle,
                             .commands_count = 1,
                             .buffers = (uintptr_t)list};
    x.buffers_count = list_buffers(run, count, list);
    if (ASK(c->device, UAPI_EXECUTE, &x)) return NPU_NO_DEVICE;
    *ticket = x.sequence;
    return NPU_DONE;
}

/* Waits for the point of the context's timeline with the submission's number. Without a clock only
 * the driver's own time limit applies. */
static int wait_timeline(const struct uapi_context *c, uint64_t ticket, uint32_t timeout_ms) {
    const apus_port *port = &c->device->port;
    uint32_t handle = c->timeline;
    struct uapi_timeline_wait w = {.handles = (uintptr_t)&handle,
                                   .points = (uintptr_t)&ticket,
                                   .until_ns = INT64_MAX,
                                   .count = 1};
    if (port->now_ns)
        w.until_ns = (int64_t)(port->now_ns(port->user) + (uint64_t)timeout_ms * 1000000u);
    w.flags = UAPI_TIMELINE_FOR_SUBMIT;
    return ASK(c->device, UAPI_TIMELINE_WAIT, &w);
}

/* The driver that is built outside the kernel has a request to wait for a submission. The kernel's
 * own driver has none, so the timeline is used. */
static int wait_for(struct uapi_context *c, uint64_t ticket, uint32_t timeout_ms) {
    struct uapi_wait w = {c->handle, timeout_ms, ticket};
    int e = c->without_wait ? E_NOTTY : ask(c->device, UAPI_REQUEST(UAPI_WRITE, UAPI_WAIT, w), &w);
    if (e != E_NOTTY && e != E_INVAL) return e;
    c->without_wait = 1;
    return wait_timeline(c, ticket, timeout_ms);
}

static enum npu_result uapi_commands_wait(void *context, uint64_t ticket, uint32_t timeout_ms,
                                          uint32_t *failed) {
    struct uapi_context *c = context;
    const struct packet *first = c->count > 1 ? &c->chain : &c->run[0];
    *failed = 0;
    int e = wait_for(c, ticket, timeout_ms);
    if (e) return e == E_TIME ? NPU_TIMED_OUT : NPU_NO_DEVICE;
    uint32_t state = uapi_state(__atomic_load_n(words_of(first), __ATOMIC_ACQUIRE));
    if (state == UAPI_STATE_COMPLETED) return NPU_DONE;
    if (c->count > 1) *failed = words_of(first)[1 + CHAIN_ERROR];
    return state == UAPI_STATE_TIMEOUT ? NPU_TIMED_OUT
           : state == UAPI_STATE_ABORT ? NPU_ABORTED
                                       : NPU_FAILED;
}

const struct npu_provider npu_provider_uapi = {
    .size = sizeof(struct npu_provider),
    .name = "kernel",
    .attach = uapi_attach,
    .detach = uapi_detach,
    .buffer_create = uapi_buffer_create,
    .buffer_import = uapi_buffer_import,
    .buffer_close = uapi_buffer_close,
    .buffer_sync = uapi_buffer_sync,
    .context_open = uapi_context_open,
    .context_close = uapi_context_close,
    .commands_start = uapi_commands_start,
    .commands_wait = uapi_commands_wait,
};
