/* The compute tile's kernel, as the core's program calls it, and the device model too. */
#ifndef NPU_AIE_GEMV_H
#define NPU_AIE_GEMV_H

#include <stdint.h>

/* Indices of the parameters, as the control code writes them (struct gemv_parameters). */
enum { APUS_NPU_TYPE, APUS_NPU_GROUPS, APUS_NPU_TOKENS, APUS_NPU_CHUNKS, APUS_NPU_PANELS };
enum { APUS_NPU_W8 = 1, APUS_NPU_W4 = 2, APUS_NPU_W4T = 8 }; /* enum weight_type */
/* The distance in bytes between a tile's two buffers of weights, its two of x, and its two of sums
 * (npu/gemv.h). */
enum { APUS_NPU_BUFFER = 0x1000, APUS_NPU_SUMS = 0x400 };
/* Indices of the core's own progress: the next chunk of the panel, and which buffers are next. */
enum { APUS_NPU_AT_CHUNK, APUS_NPU_AT_W, APUS_NPU_AT_X, APUS_NPU_AT_Y, APUS_NPU_AT };

#ifdef __cplusplus
extern "C" {
#endif

/* Multiplies a chunk and adds it to y [tokens / 8][16 rows][8]. w, x and y are 64-aligned. first !=
 * 0: the sums begin at 0, and y need not have a value before. */
void apus_npu_chunk(const uint8_t *w, const int8_t *x, int32_t *y, const uint32_t *parameters,
                    uint32_t first);

/* What a core does while it holds its locks (npu/aie/design.py). apus_npu_begin begins its work;
 * apus_npu_step takes the next chunk, from the buffers that are next. */
void apus_npu_begin(uint32_t *at);
void apus_npu_step(const uint8_t *w, const int8_t *x, int32_t *y, const uint32_t *parameters,
                   uint32_t *at);

#ifdef __cplusplus
}
#endif

#endif
