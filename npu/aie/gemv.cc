// The compute tile's kernel: it multiplies one chunk of a panel. It uses AMD's AIE API and serves
// both generations of the array.
//
//   y[r][c] += sum over k of w[r][k] * x[k][c]
//
// in int32, modulo 2^32, for 16 rows r, groups * 64 values of k, and 8 or 16 columns c.
//
// w is a chunk of a panel as weights/format.h has it: lines of 64 bytes, [row][4 k], which are four
// 4 x 4 matrices one below the other. W8 weights are stored as value + 128 and become 16 bits wide;
// W4 nibbles, or the weights whose places W4T's are, times their group's scale are 12 bits wide. In
// all cases the matrix instruction
// multiplies 16 by 8 bits in the shape 4 x 4 x 8, which both generations have, with 32-bit sums
// that do not saturate. Memory is the bottleneck of a tile, not its multipliers: with one byte of
// weights in a cycle, 8 columns need 2 matrix instructions in 64 cycles.
//
// Native builds compile this same file with an emulation of aie_api/aie.hpp. The device model in
// tests/npu/sim executes the result.
#include <cstdint>

#include <aie_api/aie.hpp>

#include "npu/aie/gemv.h"

namespace {

using step = aie::mmul<4, 4, 8, int16, int8>;
constexpr unsigned line = 64;     // bytes
constexpr unsigned row_tiles = 4; // of 4 rows

// Multiplies 4 values of k of all 16 rows, as int16: one matrix instruction for each tile of 4 rows
// and each 8 columns.
template <unsigned column_tiles>
inline void multiply(step *sums, const aie::vector<int16, 64> &w, const int8 *__restrict x) {
    for (unsigned g = 0; g < column_tiles; g++) {
        const aie::vector<int8, step::size_B> b = aie::load_v<step::size_B>(x + g * step::size_B);
        for (unsigned t = 0; t < row_tiles; t++)
            sums[g * row_tiles + t].mac(w.template extract<step::size_A>(t), b);
    }
}

inline aie::vector<int16, 64> widen(const aie::vector<int8, 64> &v) {
    return aie::concat(v.template extract<32>(0).unpack(), v.template extract<32>(1).unpack());
}

template <unsigned column_tiles>
inline void chunk_w8(step *sums, const uint8 *__restrict w, const int8 *__restrict x,
                     unsigned groups) {
    const aie::vector<uint8, line> sign = aie::broadcast<uint8, line>(0x80);
    for (unsigned i = 0; i < groups * 16; i++) {
        const aie::vector<uint8, line> v = aie::bit_xor(aie::load_v<line>(w + i * line), sign);
        multiply<column_tiles>(sums, widen(v.template cast_to<int8>()), x + i * 32 * column_tiles);
    }
}

// The scales of a group, each four times, so that they fit the layout of 4 values of k of 16 rows.
inline aie::vector<int16, 64> spread(const int8 *__restrict scales) {
    const aie::vector<int16, 16> s = aie::load_v<16>(scales).unpack();
    const auto [a, b] = aie::interleave_zip(s, s, 1);
    const aie::vector<int16, 32> twice = aie::concat(a, b);
    const auto [c, d] = aie::interleave_zip(twice, twice, 1);
    return aie::concat(c, d);
}

// The weights of W4T for places -8..7 (WEIGHT_TABLE in weights/types.h): from 5 on and from -6 on
// outwards every second integer. So they are p + max(p, 5) + min(p, -6) + 1.
inline aie::vector<int8, line> placed(const aie::vector<int8, line> &p) {
    const aie::vector<int8, line> beyond = aie::add(aie::max(p, aie::broadcast<int8, line>(5)),
                                                    aie::min(p, aie::broadcast<int8, line>(-6)));
    return aie::add(aie::add(p, beyond), aie::broadcast<int8, line>(1));
}

template <bool table>
inline aie::vector<int16, 64> scaled(const aie::vector<uint8, line> &nibbles,
                                     const aie::vector<int16, 64> &scales) {
    aie::vector<int8, line> v =
        aie::sub(nibbles.template cast_to<int8>(), aie::broadcast<int8, line>(8));
    if (table) v = placed(v);
    const aie::vector<int16, 64> w = widen(v);
    return aie::concat(aie::mul(w.template extract<32>(0), scales.template extract<32>(0))
                           .template to_vector<int16>(0),
                       aie::mul(w.template extract<32>(1), scales.template extract<32>(1))
                           .template to_vector<int16>(0));
}

template <unsigned column_tiles, bool table>
inline void chunk_w4(step *sums, const uint8 *__restrict w, const int8 *__restrict x,
                     unsigned groups) {
    const aie::vector<uint8, line> low = aie::broadcast<uint8, line>(15);
    const int8 *scales = reinterpret_cast<const int8 *>(w);
    w += line;
    for (unsigned g = 0; g < groups; g++) {
        const aie::vector<int16, 64> s = spread(scales + g * 16);
        for (unsigned i = 0; i < 8; i++, w += line, x += 2 * 32 * column_tiles) {
            const aie::vector<uint8, line> v = aie::load_v<line>(w);
            multiply<column_tiles>(sums, scaled<table>(aie::bit_and(v, low), s), x);
            multiply<column_tiles>(sums, scaled<table>(aie::logical_downshift(v, 4), s),
                                   x + 32 * column_tiles);
        }
    }
}

template <unsigned column_tiles>
inline void chunk(const uint8 *__restrict w, const int8 *__restrict x, int32 *__restrict y,
                  const uint32_t *parameters, unsigned first) {
    step sums[row_tiles * column_tiles];
    for (unsigned i = 0; i < row_tiles * column_tiles; i++)
        sums[i] = step(first ? aie::zeros<int32, step::size_C>()
                             : aie::load_v<step::size_C>(y + i * step::size_C));
    if (parameters[APUS_NPU_TYPE] == APUS_NPU_W4)
        chunk_w4<column_tiles, false>(sums, w, x, parameters[APUS_NPU_GROUPS]);
    else if (parameters[APUS_NPU_TYPE] == APUS_NPU_W4T)
        chunk_w4<column_tiles, true>(sums, w, x, parameters[APUS_NPU_GROUPS]);
    else
        chunk_w8<column_tiles>(sums, w, x, parameters[APUS_NPU_GROUPS]);
    for (unsigned i = 0; i < row_tiles * column_tiles; i++)
        aie::store_v(y + i * step::size_C, sums[i].template to_vector<int32>());
}

} // namespace

extern "C" void apus_npu_chunk(const uint8_t *w, const int8_t *x, int32_t *y,
                               const uint32_t *parameters, uint32_t first) {
    aie::set_saturation(aie::saturation_mode::none);
    if (parameters[APUS_NPU_TOKENS] == 16)
        chunk<2>(w, x, y, parameters, first);
    else
        chunk<1>(w, x, y, parameters, first);
}

extern "C" void apus_npu_begin(uint32_t *at) {
    for (unsigned i = 0; i < APUS_NPU_AT; i++) at[i] = 0;
}

extern "C" void apus_npu_step(const uint8_t *w, const int8_t *x, int32_t *y,
                              const uint32_t *parameters, uint32_t *at) {
    apus_npu_chunk(w + at[APUS_NPU_AT_W] * APUS_NPU_BUFFER, x + at[APUS_NPU_AT_X] * APUS_NPU_BUFFER,
                   y + at[APUS_NPU_AT_Y] * (APUS_NPU_SUMS / sizeof(int32_t)), parameters,
                   at[APUS_NPU_AT_CHUNK] == 0);
    at[APUS_NPU_AT_W] ^= 1;
    at[APUS_NPU_AT_X] ^= 1;
    if (++at[APUS_NPU_AT_CHUNK] < parameters[APUS_NPU_CHUNKS]) return;
    at[APUS_NPU_AT_CHUNK] = 0;
    at[APUS_NPU_AT_Y] ^= 1;
}
