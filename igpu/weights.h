/* The blob's weights on a device: imported if the driver accepts the host's pages, else copied
 * once.
 *
 * A tensor is cut into pieces of whole panels, of at most 128 MiB each: as much as a storage buffer
 * may span on every device. Pieces lie in regions of at most 1 GiB, which every driver can allocate
 * in one piece. Both limits are the least that Vulkan guarantees. So the walk over pieces does not
 * depend on the device, and measuring needs no device. The embedding stays with the host: a pass's
 * arguments carry the rows that it needs. */
#ifndef IGPU_WEIGHTS_H
#define IGPU_WEIGHTS_H

#include "hal/program.h"
#include "igpu/heap.h"

#define PIECE_BYTES  ((uint64_t)128 << 20)
#define REGION_BYTES ((uint64_t)1 << 30)
/* Every device takes so many workgroups in one direction of a dispatch. */
enum { PIECE_PANELS_MAX = 65532 };

struct region {
    uint64_t begin, end; /* bytes in the section of weights */
    struct heap heap;
};

/* How many panels each piece of a tensor has; the last piece may have fewer. */
uint32_t piece_panels(const struct blob_tensor *tensor);

/* How many regions the weights of these layers take, and their bytes. */
uint32_t regions_count(const struct hal_model *model, struct hal_range layers);
uint64_t regions_bytes(const struct hal_model *model, struct hal_range layers);
/* Opens all regions. On failure those that were opened are closed again. *imported gets the bytes
 * that were imported rather than copied. */
VkResult regions_open(struct region *regions, struct device *device, const struct hal_model *model,
                      struct hal_range layers, uint64_t *imported);
void regions_close(struct region *regions, uint32_t count, struct device *device);

/* The range of piece `piece` of a tensor, which must exist in these regions. *panels gets the
 * number of its panels. */
struct range region_piece(const struct region *regions, const struct blob_tensor *tensor,
                          uint32_t piece, uint32_t *panels);

/* How many floats of the row section the tensors use. */
uint64_t rows_count(const struct hal_model *model);

#endif
