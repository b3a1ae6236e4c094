#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "act.glsl"
#include "quant.glsl"
// Floats -> A, where the largest magnitude is known. Grid (runs of 64 groups, columns).
layout(push_constant) uniform Push { uint width, kp, cols, stride, vectors; }; // of a column
layout(set = 0, binding = 3, std430) buffer Act { uint act[]; };
layout(set = 0, binding = 4, std430) readonly buffer X { float x[]; };
layout(set = 0, binding = 5, std430) readonly buffer Largest { uint largest[]; };

void main() {
    uint column = gl_WorkGroupID.y, g0 = gl_GlobalInvocationID.x;
    if (column >= args[ARGS_COLUMNS] * vectors) return;
    uint at = column * stride;
    float factor = quant_factor(largest[column]);
#define source(i) x[at + (i)]
    QUANT_GROUPS(g0, gl_NumWorkGroups.x * 64, width, kp, cols, column, factor)
    if (g0 == 0)
        act[(column >> findLSB(cols)) * act_tile_words(kp, cols) +
            act_scale(kp, column & (cols - 1), cols)] =
            floatBitsToUint(quant_scale(largest[column]));
    report_bad();
}
