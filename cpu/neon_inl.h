/* docs/numerics.md 1 on 4 lanes of AArch64. The operations and their order are those of
 * hal/scalar.h. Fused multiply-add is never used, because it rounds once instead of twice. */
#ifndef CPU_NEON_INL_H
#define CPU_NEON_INL_H

#include <arm_neon.h>

#include "cpu/kernels.h"
#include "hal/scalar.h"

#define INLINE static inline __attribute__((always_inline))

/* Lanes out of range are or-ed into *bad as all ones. */
INLINE float32x4_t snap4(float32x4_t x, uint32x4_t *bad) {
    const uint32x4_t m = vandq_u32(vreinterpretq_u32_f32(x), vdupq_n_u32(0x7fffffff)),
                     high = vcgtq_u32(m, vdupq_n_u32(SNAP_HIGH)),
                     low = vcltq_u32(m, vdupq_n_u32(SNAP_LOW));
    *bad = vorrq_u32(*bad, high);
    return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(x), vorrq_u32(high, low)));
}

INLINE uint32_t any4(uint32x4_t bad) { return vmaxvq_u32(bad) != 0; }

#endif
