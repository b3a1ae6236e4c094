#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "act.glsl"
#include "experts.glsl"
// Copies each quantized column to its pairs, and clears the pairs' largest magnitudes for the
// quantize operation that follows. Grid (used, columns).
layout(push_constant) uniform Push { uint kp, cols, used; };
layout(set = 0, binding = 3, std430) readonly buffer Act { uint act[]; };
layout(set = 0, binding = 4, std430) readonly buffer Choices { uint choices[]; };
layout(set = 0, binding = 5, std430) writeonly buffer Out { uint words[]; } outputs[3];

void main() {
    uint column = gl_WorkGroupID.y, t = gl_LocalInvocationID.x, groups = kp / 64;
    if (column >= args[ARGS_COLUMNS]) return;
    uint pair = choices[(column * used + gl_WorkGroupID.x) * CHOICE_WORDS + CHOICE_PAIR];
    uint tile = (column >> findLSB(cols)) * act_tile_words(kp, cols), lane = column & (cols - 1),
         to = pair_tile(kp, pair), place = pair % PAIR_TILE;
    for (uint w = t; w < groups * 16; w += 64)
        outputs[0].words[to + act_q(w / 16, place, PAIR_TILE) + w % 16] =
            act[tile + act_q(w / 16, lane, cols) + w % 16];
    for (uint g = t; g < groups; g += 64)
        outputs[0].words[to + act_gsum(kp, g, place, PAIR_TILE)] =
            act[tile + act_gsum(kp, g, lane, cols)];
    if (t > 0) return;
    outputs[0].words[to + act_scale(kp, place, PAIR_TILE)] = act[tile + act_scale(kp, lane, cols)];
    outputs[1].words[pair] = 0;
}
