#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "integers.glsl"
#include "act.glsl"
#include "experts.glsl"
// A column's experts and their weights, from the router's logits. Grid (columns).
layout(push_constant) uniform Push { uint experts, used, everyone, stride; }; // used: of a column
layout(set = 0, binding = 4, std430) readonly buffer X { float x[]; };
layout(set = 0, binding = 5, std430) writeonly buffer Choices { uint choices[]; };

shared float logits[EXPERTS_MAX];
shared uint ranks[EXPERTS_MAX];
shared float most;
shared uint low, high; // sums of the low 12 bits and of the other bits of E

bool before(uint a, uint b) {
    return logits[a] == logits[b] ? a < b : logits[a] > logits[b];
}

uint weigh(float logit) {
    precise float t = logit - most;
    t = t * uintBitsToFloat(0x3fb8aa3bu); // log2(e)
    if (t < -30.0) return 0;
    precise float e = num_exp2(t) * 16777216.0;
    return round_positive(e);
}

void main() {
    uint column = gl_WorkGroupID.x, t = gl_LocalInvocationID.x;
    if (column >= args[ARGS_COLUMNS]) return;
    for (uint e = t; e < experts; e += 64) logits[e] = x[column * stride + e];
    if (t == 0) low = high = 0;
    barrier();
    for (uint e = t; e < experts; e += 64) {
        uint rank = 0;
        for (uint o = 0; o < experts; o++) rank += before(o, e) ? 1 : 0;
        ranks[e] = rank;
        if (rank == 0) most = logits[e];
    }
    barrier();
    for (uint e = t; e < experts; e += 64) {
        if (everyone == 0 && ranks[e] >= used) continue;
        uint weight = weigh(logits[e]);
        atomicAdd(low, weight & 0xfffu);
        atomicAdd(high, weight >> 12);
    }
    barrier();
    float part = num_recip(float64(add64(uvec2(high >> 20, high << 12), uvec2(0, low))));
    for (uint e = t; e < experts; e += 64) {
        if (ranks[e] >= used) continue;
        uint place = 0;
        for (uint o = 0; o < e; o++) place += ranks[o] < used ? 1 : 0;
        precise float weight = float(weigh(logits[e])) * part;
        uint at = (column * used + place) * CHOICE_WORDS;
        choices[at + CHOICE_EXPERT] = e;
        choices[at + CHOICE_WEIGHT] = floatBitsToUint(num_snap(weight));
    }
    report_bad();
}
