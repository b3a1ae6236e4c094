#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "attend.glsl"
#include "dot.glsl"
#include "query.glsl"
// Attention, first pass: the largest score and the largest value scale of every query.
shared uint most, vmost;

void main() {
    uint head = gl_WorkGroupID.y, column = gl_WorkGroupID.z, t = gl_LocalInvocationID.x,
         from = query_split();
    if (column >= args[ARGS_COLUMNS] || !query_near(column, from, from + SPLIT)) return;
    query_view v = query_open(head, column);
    if (t == 0) most = vmost = 0;
    barrier();
    uint key = 0, vbits = 0;
    for (uint slot = from + t; slot < from + SPLIT; slot += 64) {
        if (!query_sees(v, slot)) continue;
        key = max(key, float_key(query_score(v, slot)));
        // scales are not negative, so their bits have the same order as they
        vbits = max(vbits, floatBitsToUint(query_vscale(v, slot)));
    }
    atomicMax(most, key);
    atomicMax(vmost, vbits);
    barrier();
    if (t == 0) {
        if (sinks != NO_SINKS) most = max(most, float_key(rows[sinks + head]));
        atomicMax(state[v.state + STATE_MAX], most);
        atomicMax(state[v.state + STATE_VMAX], vmost);
    }
}
