#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "act.glsl"
#include "quant.glsl"
// RMSNorm and quantize (docs/numerics.md 5): X -> A. Grid (columns). Invocation j computes partial
// sum j of the contract's 64. It also clears the column's largest magnitude for the quantize
// operation that follows in this part of the layer.
layout(push_constant) uniform Push { uint dim, kp, cols, stride, tail; float inv_dim, eps; };
layout(set = 0, binding = 3, std430) buffer Act { uint act[]; };
layout(set = 0, binding = 4, std430) readonly buffer X { float x[]; };
layout(set = 0, binding = 5, std430) writeonly buffer Largest { uint largest[]; };

shared float part[64];
shared uint most;

void main() {
    uint column = gl_WorkGroupID.x, t = gl_LocalInvocationID.x;
    if (column >= op_columns(tail)) return;
    uint at = (op_first(tail) + column) * stride;
    if (t == 0) {
        most = 0;
        largest[column] = 0;
    }
    precise float p = 0.0;
    uint m = 0;
    for (uint i = t; i < dim; i += 64) {
        float v = x[at + i];
        precise float square = v * v;
        p = p + square;
        m = max(m, magnitude_bits(v));
    }
    part[t] = p;
    barrier();
    atomicMax(most, m);
    for (uint w = 32; w > 0; w /= 2) {
        if (t < w) {
            precise float sum = part[t] + part[t + w];
            part[t] = sum;
        }
        barrier();
    }
    float factor = quant_factor(most);
#define source(i) x[at + (i)]
    QUANT_GROUPS(t, 64, dim, kp, cols, column, factor)
    if (t == 0) {
        precise float mean = part[0] * inv_dim;
        mean = mean + eps;
        float r = num_rsqrt(mean);
        precise float s = quant_scale(most) * r;
        act[(column >> findLSB(cols)) * act_tile_words(kp, cols) +
            act_scale(kp, column & (cols - 1), cols)] = floatBitsToUint(num_snap(s));
    }
    report_bad();
}
