#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "attend.glsl"
#include "dot.glsl"
#include "query.glsl"
// Attention, second pass: computes the scores again, so that they need not be stored, makes weights
// of them as three digits of 7 bits, and adds the digits' dot products with V.
shared uint weight[64];    // one for each of 64 slots
shared uint digits[3][16]; // a word has the digits of 4 slots
shared uint low, high;

void main() {
    uint head = gl_WorkGroupID.y, column = gl_WorkGroupID.z, t = gl_LocalInvocationID.x,
         from = query_split();
    if (column >= args[ARGS_COLUMNS] || !query_near(column, from, from + SPLIT)) return;
    query_view v = query_open(head, column);
    float vmax = uintBitsToFloat(state[v.state + STATE_VMAX]);
    if (vmax == 0.0) return;
    float largest = key_float(state[v.state + STATE_MAX]), r = num_recip(vmax);
    if (t == 0) low = high = 0;
    ivec3 acc[4] = ivec3[4](ivec3(0), ivec3(0), ivec3(0), ivec3(0)); // of channels t, t + 64 ...

    for (uint base = from; base < min(from + SPLIT, slots); base += 64) {
        if (!query_near(column, base, base + 64)) continue;
        uint slot = base + t, w = 0;
        // low and high are 0, and no invocation still reads the digits of the slots before
        barrier();
        if (query_sees(v, slot)) {
            precise float x = query_score(v, slot) - largest;
            precise float e = x < -30.0 ? 0.0 : num_exp2(x);
            precise float e24 = e * 16777216.0;
            uint big = round_positive(e24);
            atomicAdd(low, big & 4095u);
            atomicAdd(high, big >> 12);
            precise float b = query_vscale(v, slot) * r;
            precise float f = e * num_snap(b);
            f = f * 2097151.0;
            f = num_rint(f);
            w = f > 2097151.0 ? 2097151u : uint(f);
        }
        weight[t] = w;
        barrier();
        if (t < 48) {
            uint digit = t / 16, at = t % 16 * 4, packed = 0;
            for (uint i = 0; i < 4; i++) packed |= (weight[at + i] >> digit * 7 & 127u) << i * 8;
            digits[digit][t % 16] = packed;
        }
        barrier();
        uint quads = min(16u, (slots - base) / 4),
             vbase = kv_v_at(v.block, head_dim, slots, base);
        [[unroll]] for (uint k = 0; k < 4; k++) {
            uint c = k * 64 + t;
            if (c < head_dim)
                for (uint q = 0; q < quads; q++) {
                    uint values = kv[vbase + q * (head_dim * v_bits / 8) + kv_v_word(c)];
                    if (v_bits == 4) values = kv_values(values >> kv_v_shift(c));
                    acc[k] += ivec3(dot4(values, digits[0][q]), dot4(values, digits[1][q]),
                                    dot4(values, digits[2][q]));
                }
        }
    }
    barrier();
    if (t == 0) {
        atomicAdd(state[v.state + STATE_LOW], low);
        atomicAdd(state[v.state + STATE_HIGH], high);
    }
    [[unroll]] for (uint k = 0; k < 4; k++) {
        uint c = k * 64 + t;
        if (c < head_dim)
            for (uint d = 0; d < 3; d++)
                atomicAdd(state[v.state + STATE_ACC + c * 3 + d], uint(acc[k][d]));
    }
    report_bad();
}
