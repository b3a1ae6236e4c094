#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "act.glsl"
#include "dot.glsl"
#include "experts.glsl"
layout(constant_id = 1) const uint TYPES = 1; // as in gemv.glsl, of the one weight
const bool TABLE = TYPES == 16;
layout(push_constant) uniform Push {
    uint kp, panels, magic; // panels of an expert, and 2^32 / panels, rounded down
    uint first_panel;       // panel 0 of the weight in the dispatch is this one of all experts
    uint row_scales, bias;  // of row 0 of expert 0, in rows; or NO_BIAS
    uint stride;            // floats from pair to pair of y
};
const uint NO_BIAS = 0xffffffffu;
layout(set = 0, binding = 3, std430) readonly buffer Act { uint act[]; };
layout(set = 0, binding = 3, std430) readonly buffer Act4 { uvec4 act4[]; };
layout(set = 0, binding = 4, std430) readonly buffer Weights { uvec4 line[]; } weights[3];
layout(set = 0, binding = 4, std430) readonly buffer Runs { uint runs[]; } found[3];
layout(set = 0, binding = 5, std430) buffer Y { float y[]; } outputs[3];
bool is_w4(uint which) { return TYPES == 2 || TABLE; }

// As in gemv.glsl, whose parameters are others.
uint placed(uint p) {
    uint reached = ((p + 0x0f0f0f0fu) & 0x10101010u) + ((p + 0x0e0e0e0eu) & 0x10101010u) +
                   ((p + 0x02020202u) & 0x10101010u) + ((p + 0x01010101u) & 0x10101010u);
    return p + 0x06060606u + (reached >> 4);
}
#include "panel.glsl"
// Pairs times their experts' rows. Grid (panels of all experts): a workgroup takes a panel and all
// pairs of its expert, COLS at a time; most experts have none.
uint whole, expert_row;   // the panel among those of all experts; the first row of its expert
uint first, count;        // pairs first .. first + count - 1

// Past the last pair it is computed again, and not stored.
uint pair_of(uint c) { return first + min(c, count - 1); }
uint q_at(uint group, uint c) {
    return pair_tile(kp, pair_of(c)) + act_q(group, pair_of(c) % PAIR_TILE, PAIR_TILE);
}
uint gsum_at(uint group, uint c) {
    return pair_tile(kp, pair_of(c)) + act_gsum(kp, group, pair_of(c) % PAIR_TILE, PAIR_TILE);
}

void store(int sum, uint row, uint c) {
    if (c >= count) return;
    uint r = whole * 16 + row;
    precise float v = float(sum) * rows[row_scales + r];
    v = v * uintBitsToFloat(
        act[pair_tile(kp, first + c) + act_scale(kp, (first + c) % PAIR_TILE, PAIR_TILE)]);
    v = num_snap(v);
    if (bias != NO_BIAS) {
        precise float b = v + rows[bias + r];
        v = num_snap(b);
    }
    outputs[0].y[(first + c) * stride + r - expert_row] = v;
}

void main() {
    whole = first_panel + gl_WorkGroupID.x;
    uint expert, rest; // whole / panels, without a division
    umulExtended(whole, magic, expert, rest);
    if ((expert + 1) * panels <= whole) expert++;
    expert_row = expert * panels * 16;
    first = found[1].runs[2 * expert];
    uint left = found[1].runs[2 * expert + 1];
    while (left > 0) {
        count = min(left, COLS);
        multiply(0, gl_WorkGroupID.x);
        first += count;
        left -= count;
        if (left > 0) barrier();
    }
    report_bad();
}
