#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
// hadamard64(silu(g) * u) replaces g, and the column's largest magnitude is found. Grid (blocks of
// 64, columns).
layout(push_constant) uniform Push { uint stride; };
layout(set = 0, binding = 4, std430) readonly buffer U { float u[]; };
layout(set = 0, binding = 5, std430) buffer G { float g[]; };
layout(set = 0, binding = 3, std430) buffer Largest { uint largest[]; };

shared float h[64];
shared uint most;

float silu(float x, float y) {
    precise float t = x * uintBitsToFloat(0xbfb8aa3bu); // -log2(e)
    t = t < -30.0 ? -30.0 : t;
    t = t > 30.0 ? 30.0 : t;
    precise float d = 1.0 + num_exp2(t);
    precise float s = x * num_recip(d);
    precise float r = num_snap(s) * y;
    return num_snap(r);
}

void main() {
    uint column = gl_WorkGroupID.y, t = gl_LocalInvocationID.x;
    if (column >= args[ARGS_COLUMNS]) return;
    uint at = column * stride + gl_WorkGroupID.x * 64 + t;
    if (t == 0) most = 0;
    h[t] = silu(g[at], u[at]);
    barrier();
    for (uint len = 1; len < 64; len *= 2) {
        float a = h[t & ~len], b = h[t | len];
        barrier();
        precise float sum = a + b;
        precise float difference = a - b;
        h[t] = (t & len) != 0 ? difference : sum;
        barrier();
    }
    g[at] = h[t];
    atomicMax(most, magnitude_bits(h[t]));
    barrier();
    if (t == 0) atomicMax(largest[column], most);
    report_bad();
}
