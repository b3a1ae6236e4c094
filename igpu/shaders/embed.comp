#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
// Makes X of a column from its row of the embedding, which the host has put into the arguments.
// Grid (columns).
layout(push_constant) uniform Push { uint dim, row_words, rows_at, stride; };
layout(set = 0, binding = 5, std430) writeonly buffer X { float x[]; };

void main() {
    uint column = gl_WorkGroupID.x;
    if (column >= args[ARGS_COLUMNS]) return;
    float scale = uintBitsToFloat(column_word(column, COLUMN_SCALE));
    for (uint i = gl_LocalInvocationID.x; i < dim; i += 64) {
        uint word = args[rows_at + column * row_words + i / 4];
        precise float v = float(int(word << (24 - i % 4 * 8)) >> 24) * scale;
        x[column * stride + i] = num_snap(v);
    }
    report_bad();
}
