/* The blob's weights as a device sees them: imported where the driver takes the host's pages, else
 * copied once.
 *
 * A tensor is cut into pieces of whole panels that a storage buffer may span everywhere (128 MiB),
 * pieces lie in regions of at most 1 GiB, which every driver allocates in one. Both limits are the
 * least that Vulkan promises, so the walk does not depend on the device and measuring needs none.
 * The embedding stays with the host: its rows travel with a pass's arguments. */
#ifndef IGPU_WEIGHTS_H
#define IGPU_WEIGHTS_H

#include "hal/program.h"
#include "igpu/heap.h"

#define PIECE_BYTES  ((uint64_t)128 << 20)
#define REGION_BYTES ((uint64_t)1 << 30)
enum { PIECE_PANELS_MAX = 65532 }; /* workgroups in one direction */

struct region {
    uint64_t begin, end; /* of the weights section, in bytes */
    struct heap heap;
};

/* Panels of every piece of a tensor but its last. */
uint32_t piece_panels(const struct blob_tensor *tensor);

/* Of the weights of some layers. */
uint32_t regions_count(const struct hal_model *model, struct hal_range layers);
uint64_t regions_bytes(const struct hal_model *model, struct hal_range layers);
/* Opens all; on failure those that were opened are closed again. *imported: bytes that were not
 * copied. */
VkResult regions_open(struct region *regions, struct device *device, const struct hal_model *model,
                      struct hal_range layers, uint64_t *imported);
void regions_close(struct region *regions, uint32_t count, struct device *device);

/* Piece `piece`, which there is, of a tensor in these regions; *panels is its count of panels. */
struct range region_piece(const struct region *regions, const struct blob_tensor *tensor,
                          uint32_t piece, uint32_t *panels);

/* Floats of the row section that tensors use. */
uint64_t rows_count(const struct hal_model *model);

#endif
