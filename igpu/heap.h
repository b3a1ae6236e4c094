/* Device memory that the host can access, with one buffer over each allocation. An APU has one
 * memory for both, so nothing is copied through staging buffers. On other devices the first memory
 * type that the driver grants is taken. */
#ifndef IGPU_HEAP_H
#define IGPU_HEAP_H

#include <assert.h>

#include "igpu/device.h"

struct heap {
    VkDeviceMemory memory;
    VkBuffer buffer;
    uint8_t *map; /* the host's address of it; NULL if the memory is imported */
    uint64_t bytes;
    uint64_t shift; /* where an imported range begins inside the buffer's first page, in bytes */
};

/* A part of a buffer, as it is bound to a shader. */
struct range {
    VkBuffer buffer;
    uint64_t offset, bytes;
};

enum heap_use {
    HEAP_DEVICE, /* the device computes in it: device-local if possible */
    HEAP_HOST    /* the host reads it back: cached if possible */
};

/* Allocates `bytes` (not 0) zeroed bytes. Returns VK_SUCCESS, or the driver's error, and then
 * nothing is allocated. */
VkResult heap_open(struct heap *heap, struct device *device, enum heap_use use, uint64_t bytes);
/* The same over the host's own pages, which the device only reads. The device's facts must say that
 * it imports. data: any address; the whole pages around the range must be readable. */
VkResult heap_import(struct heap *heap, struct device *device, const void *data, uint64_t bytes);
void heap_close(struct heap *heap, struct device *device);

/* The range of `bytes` bytes from `offset` on, which must lie inside the heap. */
static inline struct range heap_range(const struct heap *heap, uint64_t offset, uint64_t bytes) {
    assert(heap->shift + offset <= heap->bytes && bytes <= heap->bytes - heap->shift - offset);
    return (struct range){heap->buffer, heap->shift + offset, bytes};
}

#endif
