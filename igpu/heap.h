/* Device memory that the host sees, with one buffer over each allocation. An APU has one memory for
 * both, so nothing is staged; on other devices the first type that the driver grants is taken. */
#ifndef IGPU_HEAP_H
#define IGPU_HEAP_H

#include <assert.h>

#include "igpu/device.h"

struct heap {
    VkDeviceMemory memory;
    VkBuffer buffer;
    uint8_t *map; /* NULL where the memory is imported */
    uint64_t bytes;
    uint64_t shift; /* where an imported range begins inside the buffer's first page */
};

/* A part of a buffer as a shader sees it. */
struct range {
    VkBuffer buffer;
    uint64_t offset, bytes;
};

enum heap_use {
    HEAP_DEVICE, /* the device computes in it: device-local if possible */
    HEAP_HOST    /* the host reads it back: cached if possible */
};

/* bytes: not 0. Zeroed. VK_SUCCESS, or what the driver says; then nothing is held. */
VkResult heap_open(struct heap *heap, struct device *device, enum heap_use use, uint64_t bytes);
/* The same over the host's own pages (read only on the device), where the device's facts say that
 * it imports. data: any address; whole pages
 * around it must be readable. */
VkResult heap_import(struct heap *heap, struct device *device, const void *data, uint64_t bytes);
void heap_close(struct heap *heap, struct device *device);

/* bytes from `offset` on, which the heap has. */
static inline struct range heap_range(const struct heap *heap, uint64_t offset, uint64_t bytes) {
    assert(heap->shift + offset <= heap->bytes && bytes <= heap->bytes - heap->shift - offset);
    return (struct range){heap->buffer, heap->shift + offset, bytes};
}

#endif
