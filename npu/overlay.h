/* An overlay: the compiled program of the array (routes, tile programs, locks), in the container
 * that AMD's tools write ("xclbin"). One serves every shape; control code does the rest. */
#ifndef NPU_OVERLAY_H
#define NPU_OVERLAY_H

#include <stddef.h>
#include <stdint.h>

struct overlay {
    const uint8_t *file; /* as given */
    size_t bytes;
    uint8_t id[16];       /* the container's UUID */
    const uint8_t *image; /* what the firmware loads, inside the file */
    size_t image_bytes;
    uint32_t columns; /* of the partition it is made for */
};

/* Parses a container completely; NULL, or what is wrong with it. */
const char *overlay_read(struct overlay *o, const void *file, size_t bytes);

/* The overlay of the device model in tests/npu/sim: no program for a real array, and refused by the
 * backend wherever the device is not that model. */
extern const uint8_t overlay_of_model[16];
/* What the model's driver says of itself, where a real one says something else. */
#define OVERLAY_MODEL_DESCRIPTION "Apus NPU device model, not hardware"

#endif
