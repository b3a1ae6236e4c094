// Integers of sums that become floats (docs/numerics.md 5 and 6).

// Rounds x >= 0 to an integer, ties to even. From 2^23 on every float is an integer.
uint round_positive(float x) {
    if (x >= 8388608.0) return uint(x);
    precise float t = x + 8388608.0;
    t = t - 8388608.0;
    return uint(t);
}

// 64-bit integers as (high, low), because shaderInt64 is optional and its conversions to float have
// no stated rounding.
uvec2 add64(uvec2 a, uvec2 b) {
    uint carry, low = uaddCarry(a.y, b.y, carry);
    return uvec2(a.x + b.x + carry, low);
}

// The nearest float, ties to even, of a signed value whose magnitude is below 2^62.
float float64(uvec2 v) {
    bool negative = (v.x & 0x80000000u) != 0;
    if (negative) v = add64(~v, uvec2(0, 1));
    int top = v.x != 0 ? 32 + findMSB(v.x) : findMSB(v.y); // -1 for 0
    if (top < 24) {
        float f = float(v.y);
        return negative ? -f : f;
    }
    uint shift = uint(top) - 23; // 1 .. 39
    // the upper 24 bits
    uint kept = shift < 32 ? v.x << (32 - shift) | v.y >> shift : v.x >> (shift - 32);
    bool half_bit = (shift <= 32 ? v.y >> (shift - 1) & 1u : v.x >> (shift - 33) & 1u) != 0;
    bool rest = shift <= 32 ? (v.y & ((1u << (shift - 1)) - 1)) != 0
                            : v.y != 0 || (v.x & ((1u << (shift - 33)) - 1)) != 0;
    if (half_bit && (rest || (kept & 1u) != 0)) kept++; // 2^24 carries into the exponent below
    uint bits = ((150 + shift) << 23) + (kept - 0x800000u);
    return uintBitsToFloat(negative ? bits | 0x80000000u : bits);
}
