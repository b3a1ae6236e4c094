#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "attend.glsl"
// Attention, last pass: converts the sums to floats, which replace Q, and finds the column's
// largest magnitude. Grid (heads, columns).
layout(push_constant) uniform Push { uint head_dim, heads, stride, sinks; };
layout(set = 0, binding = 4, std430) readonly buffer State { uint state[]; };
layout(set = 0, binding = 5, std430) writeonly buffer Q { float q[]; };
layout(set = 0, binding = 3, std430) buffer Largest { uint largest[]; };

shared uint most;

// x sign-extended to 64 bits, shifted left by `by` bits, 0 .. 31
uvec2 shifted(int x, uint by) {
    return uvec2(uint(by == 0 ? x >> 31 : x >> (32 - by)), uint(x) << by);
}

void main() {
    uint head = gl_WorkGroupID.x, column = gl_WorkGroupID.y, t = gl_LocalInvocationID.x;
    if (column >= args[ARGS_COLUMNS]) return;
    uint at = (column * heads + head) * state_words(head_dim),
         to = column * stride + head * head_dim;
    if (t == 0) most = 0;
    barrier();
    float vmax = uintBitsToFloat(state[at + STATE_VMAX]);
    uint m = 0;
    if (vmax == 0.0) {
        for (uint c = t; c < head_dim; c += 64) q[to + c] = 0.0;
    } else {
        // the float nearest 2^24 / (2^21 - 1)
        precise float u = vmax * uintBitsToFloat(0x41000004u);
        float unit = num_snap(u);
        uint high = state[at + STATE_HIGH];
        uvec2 total = add64(uvec2(high >> 20, high << 12), uvec2(0, state[at + STATE_LOW]));
        if (sinks != NO_SINKS) {
            precise float x = rows[sinks + head] - key_float(state[at + STATE_MAX]);
            precise float e24 = x < -30.0 ? 0.0 : num_exp2(x);
            e24 = e24 * 16777216.0;
            total = add64(total, uvec2(0, round_positive(e24)));
        }
        float inv = num_recip(float64(total));
        for (uint c = t; c < head_dim; c += 64) {
            uint acc = at + STATE_ACC + c * 3;
            uvec2 sum = add64(shifted(int(state[acc]), 0), add64(shifted(int(state[acc + 1]), 7),
                                                                 shifted(int(state[acc + 2]), 14)));
            precise float f = float64(sum) * unit;
            f = f * inv;
            f = num_snap(f);
            q[to + c] = f;
            m = max(m, magnitude_bits(f));
        }
    }
    atomicMax(most, m);
    barrier();
    if (t == 0) atomicMax(largest[column], most);
    report_bad();
}
