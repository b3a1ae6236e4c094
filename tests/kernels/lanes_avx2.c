#include "cpu/avx2_inl.h"
#include "lanes.h"

uint32_t lanes_avx2(enum lane_function f, const float in[16], float out[16]) {
    __m256i bad = _mm256_setzero_si256();
    for (int i = 0; i < 16; i += 8) {
        __m256 x = _mm256_loadu_ps(in + i);
        _mm256_storeu_ps(out + i, f == LANES_SNAP    ? snap8(x, &bad)
                                  : f == LANES_RINT  ? rint8(x)
                                  : f == LANES_RECIP ? recip8(x)
                                                     : exp2_8(x));
    }
    return any8(bad);
}
