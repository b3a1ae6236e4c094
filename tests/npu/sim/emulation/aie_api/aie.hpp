// The part of AMD's AIE API that npu/aie uses, in plain C++: it has the same names and meanings,
// and computes one lane after another. It is for native builds only.
//
// It is stricter than the hardware's compiler: loads and stores must be aligned to the vector (up
// to 32 bytes), and a value that would be rounded or saturated when it becomes a narrower type ends
// the program, since the kernel must never depend on that.
#ifndef APUS_NPU_EMULATION_AIE_HPP
#define APUS_NPU_EMULATION_AIE_HPP

#include <cstdint>
#include <cstdlib>
#include <type_traits>
#include <utility>

using int8 = std::int8_t;
using uint8 = std::uint8_t;
using int16 = std::int16_t;
using uint16 = std::uint16_t;
using int32 = std::int32_t;

namespace aie {

namespace detail {
template <typename T> struct wider;
template <> struct wider<int8> { using type = int16; };
template <> struct wider<uint8> { using type = uint16; };
template <> struct wider<int16> { using type = int32; };
template <> struct wider<int32> { using type = std::int64_t; };
inline void demand(bool good) {
    if (!good) std::abort();
}
template <typename T, unsigned N> void demand_aligned(const T *p) {
    constexpr std::uintptr_t bytes = sizeof(T) * N < 32 ? sizeof(T) * N : 32;
    demand(reinterpret_cast<std::uintptr_t>(p) % bytes == 0);
}
} // namespace detail

template <typename T, unsigned N> struct vector {
    T lane[N];
    template <unsigned M> vector<T, M> extract(unsigned i) const {
        vector<T, M> v;
        for (unsigned k = 0; k < M; k++) v.lane[k] = lane[i * M + k];
        return v;
    }
    template <typename U> vector<U, N> cast_to() const {
        static_assert(sizeof(U) == sizeof(T), "casts keep the lanes here");
        vector<U, N> v;
        for (unsigned k = 0; k < N; k++) v.lane[k] = static_cast<U>(lane[k]);
        return v;
    }
    vector<typename detail::wider<T>::type, N> unpack() const {
        vector<typename detail::wider<T>::type, N> v;
        for (unsigned k = 0; k < N; k++) v.lane[k] = lane[k];
        return v;
    }
};

template <unsigned N, typename T> vector<T, N> load_v(const T *p) {
    detail::demand_aligned<T, N>(p);
    vector<T, N> v;
    for (unsigned k = 0; k < N; k++) v.lane[k] = p[k];
    return v;
}

template <typename T, unsigned N> void store_v(T *p, const vector<T, N> &v) {
    detail::demand_aligned<T, N>(p);
    for (unsigned k = 0; k < N; k++) p[k] = v.lane[k];
}

template <typename T, unsigned N> vector<T, N> broadcast(T x) {
    vector<T, N> v;
    for (unsigned k = 0; k < N; k++) v.lane[k] = x;
    return v;
}

template <typename T, unsigned N> vector<T, N> zeros() { return broadcast<T, N>(0); }

template <typename T, unsigned N>
vector<T, 2 * N> concat(const vector<T, N> &a, const vector<T, N> &b) {
    vector<T, 2 * N> v;
    for (unsigned k = 0; k < N; k++) v.lane[k] = a.lane[k], v.lane[N + k] = b.lane[k];
    return v;
}

#define APUS_LANES(name, expression)                                                               \
    template <typename T, unsigned N>                                                              \
    vector<T, N> name(const vector<T, N> &a, const vector<T, N> &b) {                              \
        vector<T, N> v;                                                                            \
        for (unsigned k = 0; k < N; k++) v.lane[k] = static_cast<T>(expression);                   \
        return v;                                                                                  \
    }
APUS_LANES(bit_and, a.lane[k] & b.lane[k])
APUS_LANES(bit_xor, a.lane[k] ^ b.lane[k])
APUS_LANES(add, a.lane[k] + b.lane[k])
APUS_LANES(sub, a.lane[k] - b.lane[k])
APUS_LANES(max, a.lane[k] > b.lane[k] ? a.lane[k] : b.lane[k])
APUS_LANES(min, a.lane[k] < b.lane[k] ? a.lane[k] : b.lane[k])
#undef APUS_LANES

template <typename T, unsigned N>
vector<T, N> logical_downshift(const vector<T, N> &a, unsigned shift) {
    vector<T, N> v;
    for (unsigned k = 0; k < N; k++)
        v.lane[k] =
            static_cast<T>(static_cast<typename std::make_unsigned<T>::type>(a.lane[k]) >> shift);
    return v;
}

// a[0] b[0] a[1] b[1] ..., runs of `step` lanes; the first and the second half.
template <typename T, unsigned N>
std::pair<vector<T, N>, vector<T, N>> interleave_zip(const vector<T, N> &a, const vector<T, N> &b,
                                                     unsigned step) {
    vector<T, 2 * N> v;
    for (unsigned k = 0; k < N; k++) {
        unsigned at = k / step * 2 * step + k % step;
        v.lane[at] = a.lane[k], v.lane[at + step] = b.lane[k];
    }
    return {v.template extract<N>(0), v.template extract<N>(1)};
}

template <unsigned N> struct accum { // acc32
    std::uint32_t lane[N];
    template <typename T> vector<T, N> to_vector(unsigned shift) const {
        detail::demand(shift == 0);
        vector<T, N> v;
        for (unsigned k = 0; k < N; k++) {
            v.lane[k] = static_cast<T>(lane[k]);
            detail::demand(static_cast<std::uint32_t>(static_cast<std::int32_t>(v.lane[k])) ==
                           lane[k]);
        }
        return v;
    }
};

template <unsigned N> accum<N> mul(const vector<int16, N> &a, const vector<int16, N> &b) {
    accum<N> r;
    for (unsigned k = 0; k < N; k++) r.lane[k] = static_cast<std::uint32_t>(a.lane[k] * b.lane[k]);
    return r;
}

// C (M x N) += A (M x K) B (K x N), all row by row.
template <unsigned M, unsigned K, unsigned N, typename A, typename B> struct mmul {
    static constexpr unsigned size_A = M * K, size_B = K * N, size_C = M * N;
    std::uint32_t sum[size_C];
    mmul() : sum{} {}
    explicit mmul(const vector<int32, size_C> &v) {
        for (unsigned i = 0; i < size_C; i++) sum[i] = static_cast<std::uint32_t>(v.lane[i]);
    }
    void mac(const vector<A, size_A> &a, const vector<B, size_B> &b) {
        for (unsigned m = 0; m < M; m++)
            for (unsigned k = 0; k < K; k++)
                for (unsigned n = 0; n < N; n++)
                    sum[m * N + n] +=
                        static_cast<std::uint32_t>(a.lane[m * K + k] * b.lane[k * N + n]);
    }
    template <typename T> vector<T, size_C> to_vector() const {
        static_assert(sizeof(T) == 4, "sums keep their bits");
        vector<T, size_C> v;
        for (unsigned i = 0; i < size_C; i++) v.lane[i] = static_cast<T>(sum[i]);
        return v;
    }
};

enum class saturation_mode { none };
inline void set_saturation(saturation_mode) {}

} // namespace aie

#endif
