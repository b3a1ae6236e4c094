#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "act.glsl"
#include "experts.glsl"
// Lays out the pass's pairs by expert, and says how many experts have some. Grid (1).
layout(push_constant) uniform Push { uint experts, used, layer; };
layout(set = 0, binding = 4, std430) buffer Choices { uint choices[]; } chosen[3];
layout(set = 0, binding = 5, std430) writeonly buffer Runs { uint runs[]; } found[3];

shared uint next[EXPERTS_MAX];

void main() {
    uint t = gl_LocalInvocationID.x, count = args[ARGS_COLUMNS] * used;
    for (uint e = t; e < experts; e += 64) next[e] = 0;
    barrier();
    for (uint i = t; i < count; i += 64)
        atomicAdd(next[chosen[0].choices[i * CHOICE_WORDS + CHOICE_EXPERT]], 1u);
    barrier();
    if (t == 0) {
        uint first = 0, some = 0;
        for (uint e = 0; e < experts; e++) {
            uint pairs = next[e];
            found[0].runs[2 * e] = first;
            found[0].runs[2 * e + 1] = pairs;
            next[e] = first;
            first += pairs;
            some += pairs > 0 ? 1 : 0;
        }
        found[1].runs[1 + layer] = some; // behind the status
    }
    barrier();
    for (uint i = t; i < count; i += 64)
        chosen[0].choices[i * CHOICE_WORDS + CHOICE_PAIR] =
            atomicAdd(next[chosen[0].choices[i * CHOICE_WORDS + CHOICE_EXPERT]], 1u);
}
