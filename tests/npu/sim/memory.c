/* Buffers: the host's pages, what the device sees of them, and at which address.
 *
 * The device sees a copy of the pages, which only a sync updates, in the direction that the sync
 * names. Pages that the process lends (imports) are read where they lie, page by page as far as
 * they were synced. Buffers lie apart at the device, with holes between. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/npu/sim/sim_parts.h"

#define HEAP_ADDRESS  0x4000000ull /* the address that the driver gives */
#define SHARE_ADDRESS 0x100000000ull
enum { HEAP_MOST = 64 << 20 };

struct sim_buffer *sim_buffer(struct sim_client *c, uint64_t handle) {
    return handle && handle < CLIENT_BUFFERS && c->buffer[handle].kind ? &c->buffer[handle] : NULL;
}

static struct sim_buffer *heap_of(struct sim_client *c) {
    for (uint32_t i = 1; i < CLIENT_BUFFERS; i++)
        if (c->buffer[i].kind == UAPI_BUFFER_HEAP) return &c->buffer[i];
    return NULL;
}

static uint64_t lockable(void) {
    struct rlimit limit;
    if (sim.config.lockable) return sim.config.lockable;
    return getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX
                                                                                : limit.rlim_cur;
}

/* Whether the driver can pin these pages. It pins for writing, which fails for private mappings of
 * files. */
static int may_be_pinned(uint64_t from, uint64_t to) {
    char line[512], mode[8];
    unsigned long begin, end, inode;
    FILE *maps = fopen("/proc/self/maps", "r");
    uint64_t seen = from;
    if (!maps) return 0;
    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx %7s %*s %*s %lu", &begin, &end, mode, &inode) != 4 ||
            end <= from || begin >= to)
            continue;
        if (begin > seen || mode[0] != 'r' || (mode[1] != 'w' && mode[3] == 'p')) break;
        seen = end;
    }
    fclose(maps);
    return seen >= to;
}

static int create_import(struct sim_client *c, struct sim_buffer *b,
                         const struct uapi_create_buffer *r) {
    const struct uapi_ranges *t = (const struct uapi_ranges *)(uintptr_t)r->ranges;
    if (r->kind != UAPI_BUFFER_SHARE || r->bytes || t->count != 1 || t->dmabuf >= 0) return EINVAL;
    const struct uapi_range *p = &t->range[0];
    if (!p->bytes || p->address % PAGE_BYTES || p->bytes % PAGE_BYTES) return EINVAL;
    if (c->pinned + p->bytes > lockable()) return ENOMEM;
    if (!may_be_pinned(p->address, p->address + p->bytes)) return EFAULT;
    c->pinned += p->bytes;
    b->imported = 1;
    b->bytes = p->bytes;
    b->host = (uint8_t *)(uintptr_t)p->address;
    b->synced = calloc(p->bytes / PAGE_BYTES, 1);
    return b->synced ? 0 : ENOMEM;
}

/* Finds room in the heap by first fit, so that a freed piece is used again. */
static int create_in_heap(struct sim_client *c, struct sim_buffer *b, uint64_t bytes) {
    const struct sim_buffer *heap = heap_of(c);
    uint64_t at = 0;
    if (!heap) return EINVAL;
    for (uint32_t i = 1; i < CLIENT_BUFFERS; i++) {
        const struct sim_buffer *o = &c->buffer[i];
        if (o == b || o->kind != UAPI_BUFFER_DEVICE || at + bytes <= o->offset ||
            at >= o->offset + o->bytes)
            continue;
        at = (o->offset + o->bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
        i = 0;
    }
    if (at + bytes > heap->bytes) return EAGAIN; /* the heap is full */
    b->offset = at;
    b->host = heap->host + at;
    b->address = heap->address + at;
    return 0;
}

static int create_in_file(struct sim_client *c, struct sim_buffer *b, uint64_t bytes) {
    b->offset = c->file_bytes;
    if (ftruncate(c->fd, (off_t)(b->offset + bytes))) return ENOMEM;
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, (off_t)b->offset);
    if (at == MAP_FAILED) return ENOMEM;
    c->file_bytes += bytes;
    b->host = at;
    return 0;
}

static int create(struct sim_client *c, struct sim_buffer *b, const struct uapi_create_buffer *r) {
    uint64_t bytes = (r->bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    int e;
    if (r->flags || r->kind < UAPI_BUFFER_SHARE || r->kind > UAPI_BUFFER_COMMAND ||
        (!r->ranges && !bytes))
        return EINVAL;
    if (r->kind == UAPI_BUFFER_HEAP && (heap_of(c) || r->ranges || bytes > HEAP_MOST))
        return heap_of(c) ? EBUSY : EINVAL;
    b->bytes = r->kind == UAPI_BUFFER_DEVICE ? r->bytes : bytes;
    e = r->ranges                       ? create_import(c, b, r)
        : r->kind == UAPI_BUFFER_DEVICE ? create_in_heap(c, b, bytes)
                                        : create_in_file(c, b, bytes);
    if (e) return e;
    int own_view = !b->imported &&
                   (r->kind == UAPI_BUFFER_SHARE || r->kind == UAPI_BUFFER_DEVICE) &&
                   !sim.config.coherent;
    if (own_view) {
        b->device = malloc(bytes);
        if (!b->device) return ENOMEM;
        sim_noise(b->device, bytes, (uint32_t)sim.figures.buffers);
    }
    if (r->kind == UAPI_BUFFER_HEAP) {
        b->address = HEAP_ADDRESS;
    } else if (r->kind != UAPI_BUFFER_DEVICE && sim.config.shared_addresses) {
        b->address = b->imported ? (uintptr_t)b->host : UAPI_NO_ADDRESS;
    } else if (r->kind != UAPI_BUFFER_DEVICE) {
        b->address = SHARE_ADDRESS + c->next_address;
        c->next_address += (b->bytes + 3 * PAGE_BYTES) / PAGE_BYTES * PAGE_BYTES;
    }
    return 0;
}

static void release(struct sim_client *c, struct sim_buffer *b) {
    if (b->host && !b->imported && b->kind != UAPI_BUFFER_DEVICE) munmap(b->host, b->bytes);
    if (b->imported) c->pinned -= b->bytes;
    free(b->device);
    free(b->synced);
    memset(b, 0, sizeof *b);
}

int sim_buffer_create(struct sim_client *c, struct uapi_create_buffer *r) {
    uint32_t handle = 1;
    while (handle < CLIENT_BUFFERS && c->buffer[handle].kind) handle++;
    if (handle == CLIENT_BUFFERS) return ENOSPC;
    struct sim_buffer *b = &c->buffer[handle];
    int e = create(c, b, r);
    if (e) {
        release(c, b);
        return e;
    }
    b->kind = r->kind;
    r->handle = handle;
    sim.figures.buffers++;
    return 0;
}

int sim_buffer_close(struct sim_client *c, uint32_t handle) {
    struct sim_buffer *b = sim_buffer(c, handle);
    if (!b) return EINVAL;
    if (b->kind == UAPI_BUFFER_HEAP)
        for (uint32_t i = 1; i < CLIENT_BUFFERS; i++)
            if (c->buffer[i].kind == UAPI_BUFFER_DEVICE)
                sim_complain("the heap is closed before what was cut from it");
    release(c, b);
    return 0;
}

int sim_buffer_sync(struct sim_client *c, const struct uapi_sync_buffer *s) {
    struct sim_buffer *b = sim_buffer(c, s->handle);
    if (!b || s->direction > UAPI_FROM_DEVICE || !s->bytes || s->offset > b->bytes ||
        s->bytes > b->bytes - s->offset)
        return EINVAL;
    if (sim.syncs++ == sim.sync_dropped) return 0;
    if (b->synced)
        for (uint64_t p = s->offset / PAGE_BYTES; p * PAGE_BYTES < s->offset + s->bytes; p++)
            b->synced[p] = 1;
    if (b->device && s->direction == UAPI_TO_DEVICE)
        memcpy(b->device + s->offset, b->host + s->offset, s->bytes);
    if (b->device && s->direction == UAPI_FROM_DEVICE)
        memcpy(b->host + s->offset, b->device + s->offset, s->bytes);
    return 0;
}

uint8_t *sim_access(struct sim_buffer *b, uint64_t offset, uint64_t bytes, int write) {
    if (offset > b->bytes || bytes > b->bytes - offset) {
        sim_complain("the device reaches %llu bytes at %llu of a buffer of %llu",
                     (unsigned long long)bytes, (unsigned long long)offset,
                     (unsigned long long)b->bytes);
        return NULL;
    }
    if (b->imported && write) {
        sim_complain("the device writes to imported pages");
        return NULL;
    }
    for (uint64_t p = offset / PAGE_BYTES;
         b->synced && !sim.config.coherent && p * PAGE_BYTES < offset + bytes; p++)
        if (!b->synced[p]) {
            sim_complain("the device reads imported pages that were not synced");
            return NULL;
        }
    return (b->device ? b->device : b->host) + offset;
}
