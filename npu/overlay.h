/* An overlay: the compiled program of the array (routes, tile programs, locks), in the container
 * that AMD's tools write ("xclbin"). One overlay serves every shape of matrix; all that differs is
 * in the control code. */
#ifndef NPU_OVERLAY_H
#define NPU_OVERLAY_H

#include <stddef.h>
#include <stdint.h>

struct overlay {
    const uint8_t *file; /* the caller's, which must stay as it is */
    size_t bytes;
    uint8_t id[16];       /* the container's UUID */
    const uint8_t *image; /* what the firmware loads; a part of the file */
    size_t image_bytes;
    uint32_t columns; /* of the partition that it is made for */
};

/* Reads a container and checks all that is used of it. Returns NULL, or what is wrong with it. */
const char *overlay_read(struct overlay *o, const void *file, size_t bytes);

/* The id of the overlay of the device model in tests/npu/sim. That overlay is no program for a real
 * array, and the engine refuses it if the device is not that model. */
extern const uint8_t overlay_of_model[16];
/* How the device model's driver describes itself. A real driver gives another description. */
#define OVERLAY_MODEL_DESCRIPTION "Apus NPU device model, not hardware"

#endif
