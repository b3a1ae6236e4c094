#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
// The activation of g and u, or of g alone, replaces g after a Hadamard transform in blocks of 64,
// and the column's largest magnitude is found. Grid (blocks of 64, columns).
layout(push_constant) uniform Push { uint stride, activation, vectors; }; // vectors of a column
const uint ACTIVATION_SILU = 0, ACTIVATION_GELU = 1; // weights/format.h; any other is CLAMPED
layout(set = 0, binding = 4, std430) readonly buffer U { float u[]; };
layout(set = 0, binding = 5, std430) buffer G { float g[]; };
layout(set = 0, binding = 3, std430) buffer Largest { uint largest[]; };

shared float h[64];
shared uint most;

// x / (1 + 2^t), with t limited to what num_exp2 takes
float shared_of(float x, float power) {
    precise float t = power < -30.0 ? -30.0 : power;
    t = t > 30.0 ? 30.0 : t;
    precise float d = 1.0 + num_exp2(t);
    precise float s = x * num_recip(d);
    return num_snap(s);
}

float silu(float x, float y) {
    precise float t = x * uintBitsToFloat(0xbfb8aa3bu); // -log2(e)
    precise float r = shared_of(x, t) * y;
    return num_snap(r);
}

float gelu(float x) {
    precise float y = x < -8.0 ? -8.0 : x > 8.0 ? 8.0 : x;
    precise float square = y * y;
    precise float t = uintBitsToFloat(0xbdd2d3e8u) * square;
    t = uintBitsToFloat(0xc0135761u) + t;
    t = y * t;
    return shared_of(x, t);
}

float clamped(float x, float y) {
    precise float g = x > 7.0 ? 7.0 : x;
    precise float n = y < -7.0 ? -7.0 : y > 7.0 ? 7.0 : y;
    n = n + 1.0;
    precise float t = g * uintBitsToFloat(0xc01d265fu); // -1.702 log2(e)
    precise float r = shared_of(g, t) * n;
    return num_snap(r);
}

float activated(uint at) {
    if (activation == ACTIVATION_SILU) return silu(g[at], u[at]);
    return activation == ACTIVATION_GELU ? gelu(g[at]) : clamped(g[at], u[at]);
}

void main() {
    uint column = gl_WorkGroupID.y, t = gl_LocalInvocationID.x;
    if (column >= args[ARGS_COLUMNS] * vectors) return;
    uint at = column * stride + gl_WorkGroupID.x * 64 + t;
    if (t == 0) most = 0;
    h[t] = activated(at);
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
