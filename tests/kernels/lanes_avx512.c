#include "cpu/avx512_inl.h"
#include "lanes.h"

uint32_t lanes_avx512(enum lane_function f, const float in[16], float out[16]) {
    __m512i top = _mm512_setzero_si512();
    __m512 x = _mm512_loadu_ps(in);
    _mm512_storeu_ps(out, f == LANES_SNAP    ? snap16(x, &top)
                          : f == LANES_RINT  ? rint16(x)
                          : f == LANES_RECIP ? recip16(x)
                                             : exp2_16(x));
    return beyond(top) != 0;
}
