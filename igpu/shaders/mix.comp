#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "act.glsl"
#include "experts.glsl"
// Adds what a column's experts gave to the residual stream, by expert. Grid (blocks of 64,
// columns).
layout(push_constant) uniform Push { uint dim, used, stride, pair_stride; };
layout(set = 0, binding = 4, std430) readonly buffer In { float y[]; } inputs[3];
layout(set = 0, binding = 4, std430) readonly buffer Choices { uint choices[]; } chosen[3];
layout(set = 0, binding = 5, std430) buffer X { float x[]; };

void main() {
    uint column = gl_WorkGroupID.y, i = gl_GlobalInvocationID.x;
    if (column >= args[ARGS_COLUMNS] || i >= dim) return;
    float sum = x[column * stride + i];
    for (uint k = 0; k < used; k++) {
        uint at = (column * used + k) * CHOICE_WORDS;
        precise float part = inputs[0].y[chosen[1].choices[at + CHOICE_PAIR] * pair_stride + i] *
                             uintBitsToFloat(chosen[1].choices[at + CHOICE_WEIGHT]);
        precise float next = sum + num_snap(part);
        sum = num_snap(next);
    }
    x[column * stride + i] = sum;
    report_bad();
}
