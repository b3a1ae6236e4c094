/* The compute tile's kernel as its core calls it, and the device model. */
#ifndef NPU_AIE_GEMV_H
#define NPU_AIE_GEMV_H

#include <stdint.h>

/* Parameters as the control code writes them (struct gemv_parameters). */
enum { APUS_NPU_TYPE, APUS_NPU_GROUPS, APUS_NPU_TOKENS, APUS_NPU_CHUNKS, APUS_NPU_PANELS };
enum { APUS_NPU_W8 = 1, APUS_NPU_W4 = 2 }; /* enum weight_type */
/* How far a tile's two buffers of weights and of x lie apart, and its two of sums (npu/gemv.h). */
enum { APUS_NPU_BUFFER = 0x1000, APUS_NPU_SUMS = 0x400 };
/* Which buffers are next, and the chunk of the panel; the core's own. */
enum { APUS_NPU_AT_CHUNK, APUS_NPU_AT_W, APUS_NPU_AT_X, APUS_NPU_AT_Y, APUS_NPU_AT };

#ifdef __cplusplus
extern "C" {
#endif

/* A chunk: w and x 64-aligned, y [tokens / 8][16 rows][8], 64-aligned; first: y begins at 0. */
void apus_npu_chunk(const uint8_t *w, const int8_t *x, int32_t *y, const uint32_t *parameters,
                    uint32_t first);

/* What a core does between its locks (npu/aie/design.py): the beginning of its work, and each chunk
 * of it in turn, from the buffers that are next. */
void apus_npu_begin(uint32_t *at);
void apus_npu_step(const uint8_t *w, const int8_t *x, int32_t *y, const uint32_t *parameters,
                   uint32_t *at);

#ifdef __cplusplus
}
#endif

#endif
