#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "attend.glsl"
// Normalises where there are gains, applies RoPE and Hadamard (Q and K only) and quantizes one head
// of Q, K or V. Grid (heads + 2 * kv_heads, columns). A query goes to QI, and its state of
// attention is cleared. K and V rows go to the cache (hal/kv.h) and to the rows that the host
// copies into the arena.
layout(push_constant) uniform Push {
    uint head_dim, heads, kv_heads, slots;
    uint q_stride, kv_stride, qi_stride, block_words; // of Q; K and V; QI; a kv head's block
    uint cos_sin;                                     // in args, [columns][head_dim], or UNROTATED
    uint block;                                       // of the Hadamard transform: 16, 32 or 64
    uint columns_at;                                  // in args, of the layer's view
    uint gain[2];                                     // of Q and K: index in rows, or NO_GAIN
    float inv_dim, eps;
    uint k_bits, v_bits;                              // of a value in the cache
};
#include "kv.glsl"
const uint UNROTATED = 0xffffffffu, NO_GAIN = 0xffffffffu;
layout(set = 0, binding = 3, std430) writeonly buffer State { uint state[]; };
layout(set = 0, binding = 4, std430) readonly buffer In { float x[]; } inputs[3];
layout(set = 0, binding = 5, std430) buffer Out { uint v[]; } outputs[3];
#define qi outputs[0].v    // queries
#define kv outputs[1].v    // the layer's cache
#define fresh outputs[2].v // [columns][kv_heads]: K and V words, two scales

shared float h[256];
shared float part[64];
shared uint most;

void store(uint kind, uint head, uint column, uint word, ivec4 q) {
    uint slot = sight_word(columns_at, column, COLUMN_SLOT), words = head_dim / 4;
    if (kind == 0) {
        qi[column * qi_stride + head * words + word] = pack4(q);
        return;
    }
    uint row = (column * kv_heads + head) * (2 * words + 2);
    fresh[row + (kind - 1) * words + word] = pack4(q);
    uint block = head * block_words;
    if (kind == 1 && k_bits == 8) {
        kv[kv_k_at(block, head_dim, slot) + word * KV_K_STEP] = kv_k_word(pack4(q));
        return;
    }
    if (kind == 1) {
        // the other halves of the bytes are another invocation's
        uint at = kv_k_at(block, head_dim, slot) + word / 2 * KV_K_STEP, shift = word % 2 * 4,
             codes = 0;
        for (uint i = 0; i < 4; i++) codes |= kv_code(q[i]) << i * 8;
        atomicAnd(kv[at], ~(0x0f0f0f0fu << shift));
        atomicOr(kv[at], codes << shift);
        return;
    }
    // A word of V holds four slots; other columns of this pass may write the other three bytes at
    // the same time.
    uint at = kv_v_at(block, head_dim, slots, slot), mask = v_bits == 8 ? 255 : 15;
    for (uint i = 0; i < 4; i++) {
        uint c = word * 4 + i, to = at + kv_v_word(c), shift = slot % 4 * 8 + kv_v_shift(c);
        uint bits = v_bits == 8 ? uint(q[i]) & 255u : kv_code(q[i]);
        atomicAnd(kv[to], ~(mask << shift));
        atomicOr(kv[to], bits << shift);
    }
}

void store_scale(uint kind, uint head, uint column, float scale) {
    uint slot = sight_word(columns_at, column, COLUMN_SLOT), bits = floatBitsToUint(scale);
    if (kind == 0) {
        qi[column * qi_stride + heads * (head_dim / 4) + head] = bits;
        return;
    }
    fresh[(column * kv_heads + head) * (head_dim / 2 + 2) + head_dim / 2 + kind - 1] = bits;
    uint block = head * block_words;
    if (kind == 1)
        kv[kv_kscale_at(block, head_dim, slots, slot)] = bits;
    else
        kv[kv_vscale_at(block, head_dim, slots, slot)] = bits;
}

// Multiplies h by the gains, and returns the factor of RMSNorm (docs/numerics.md 5). Each
// invocation reads and writes only its own elements of h.
float normalise(uint gains) {
    uint t = gl_LocalInvocationID.x;
    precise float p = 0.0;
    for (uint i = t; i < head_dim; i += 64) {
        precise float square = h[i] * h[i];
        p = p + square;
        precise float v = h[i] * rows[gains + i];
        h[i] = num_snap(v);
    }
    part[t] = p;
    barrier();
    for (uint w = 32; w > 0; w /= 2) {
        if (t < w) {
            precise float sum = part[t] + part[t + w];
            part[t] = sum;
        }
        barrier();
    }
    precise float mean = part[0] * inv_dim;
    mean = mean + eps;
    return num_rsqrt(mean);
}

void main() {
    uint column = gl_WorkGroupID.y, t = gl_LocalInvocationID.x, task = gl_WorkGroupID.x;
    if (column >= args[ARGS_COLUMNS]) return;
    uint kind = task < heads ? 0 : task < heads + kv_heads ? 1 : 2;
    uint head = task - (kind == 0 ? 0 : kind == 1 ? heads : heads + kv_heads);
    uint from = column * (kind == 0 ? q_stride : kv_stride) + head * head_dim,
         half_dim = head_dim / 2;
    if (t == 0) most = 0;
    for (uint i = t; i < head_dim; i += 64) h[i] = inputs[kind].x[from + i];
    bool normed = kind != 2 && gain[kind] != NO_GAIN;
    float r = 1;
    if (normed) r = normalise(gain[kind]);
    barrier();
    if (kind != 2)
        for (uint i = t; i < half_dim; i += 64) {
            float a = h[i], b = h[i + half_dim];
            float c = 1, s = 0;
            if (cos_sin != UNROTATED) {
                c = uintBitsToFloat(args[cos_sin + column * head_dim + i]);
                s = uintBitsToFloat(args[cos_sin + column * head_dim + half_dim + i]);
            }
            precise float ac = a * c, bs = b * s, as = a * s, bc = b * c;
            precise float first = ac - bs, second = as + bc;
            h[i] = num_snap(first);
            h[i + half_dim] = num_snap(second);
        }
    barrier();
    for (uint len = 1; len < block && kind != 2; len *= 2) {
        float next[4]; // of elements t, t + 64 ...: a block lies within 64 of them
        [[unroll]] for (uint k = 0; k < 4; k++) {
            uint i = min(k * 64 + t, head_dim - 1);
            float a = h[i & ~len], b = h[i | len];
            precise float sum = a + b;
            precise float difference = a - b;
            next[k] = (i & len) != 0 ? difference : sum;
        }
        barrier();
        [[unroll]] for (uint k = 0; k < 4; k++)
            if (k * 64 + t < head_dim) h[k * 64 + t] = next[k];
        barrier();
    }
    uint m = 0;
    for (uint i = t; i < head_dim; i += 64) m = max(m, magnitude_bits(h[i]));
    atomicMax(most, m);
    barrier();
    float factor = quant_factor(most);
    if (t < head_dim / 4) {
        ivec4 q;
        for (uint i = 0; i < 4; i++) q[i] = quantize(h[t * 4 + i], factor);
        store(kind, head, column, t, q);
    }
    if (t == 0) {
        precise float scale = quant_scale(most) * r;
        store_scale(kind, head, column, normed ? num_snap(scale) : quant_scale(most));
    }
    if (kind == 0)
        for (uint i = t; i < state_words(head_dim); i += 64)
            state[(column * heads + head) * state_words(head_dim) + i] = 0;
    report_bad();
}
