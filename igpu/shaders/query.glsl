// A query and the cache: the scores of its slots. Include this after attend.glsl and dot.glsl. Grid
// (splits of SPLIT slots, heads, columns). group: heads per kv head.
layout(push_constant) uniform Push {
    uint head_dim, heads, group, slots, qi_stride, block_words;
    // in args, of the layer's view: columns; [columns][RANGES_MAX] pairs of a first slot and the
    // slot after the last
    uint columns_at, ranges_at;
    uint splits_at; // in args: the first slot of every split
    uint sinks;     // in rows: a logit for each head; or NO_SINKS
    uint k_bits, v_bits;
};
#include "kv.glsl"
const uint RANGES_MAX = 8;
layout(set = 0, binding = 4, std430) readonly buffer In { uint v[]; } inputs[2];
layout(set = 0, binding = 5, std430) buffer State { uint state[]; };
#define qi inputs[0].v // queries
#define kv inputs[1].v // the layer's cache

shared uint query[64], seen[2 * RANGES_MAX];

struct query_view {
    uint block;               // of the kv head, in words
    uint ranges, tail, mask;  // what it sees (hal/program.h); the ranges are in `seen`
    float scale;
    uint state;
};

query_view query_open(uint head, uint column) {
    query_view v;
    v.block = head / group * block_words;
    v.ranges = sight_word(columns_at, column, COLUMN_RANGES);
    v.tail = sight_word(columns_at, column, COLUMN_TAIL);
    v.mask = sight_word(columns_at, column, COLUMN_MASK);
    v.scale = uintBitsToFloat(qi[column * qi_stride + heads * (head_dim / 4) + head]);
    v.state = (column * heads + head) * state_words(head_dim);
    uint t = gl_LocalInvocationID.x;
    if (t < head_dim / 4) query[t] = qi[column * qi_stride + head * (head_dim / 4) + t];
    if (t < 2 * v.ranges) seen[t] = args[ranges_at + column * 2 * RANGES_MAX + t];
    barrier();
    return v;
}

// The first slot of the workgroup's split.
uint query_split() { return args[splits_at + gl_WorkGroupID.x]; }

// Whether the column may see any of the slots from .. to - 1. The result is the same for all
// invocations of a workgroup.
bool query_near(uint column, uint from, uint to) {
    uint mask = sight_word(columns_at, column, COLUMN_MASK),
         tail = sight_word(columns_at, column, COLUMN_TAIL);
    if (mask != 0 && tail < to && tail + uint(findMSB(mask)) >= from) return true;
    uint at = ranges_at + column * 2 * RANGES_MAX,
         ranges = sight_word(columns_at, column, COLUMN_RANGES);
    for (uint i = 0; i < ranges; i++)
        if (args[at + 2 * i] < to && args[at + 2 * i + 1] > from) return true;
    return false;
}

bool query_sees(query_view v, uint slot) {
    for (uint i = 0; i < v.ranges; i++)
        if (slot >= seen[2 * i] && slot < seen[2 * i + 1]) return true;
    return slot >= v.tail && slot - v.tail < 16 && (v.mask >> (slot - v.tail) & 1u) != 0;
}

float query_score(query_view v, uint slot) {
    uint at = kv_k_at(v.block, head_dim, slot);
    int sum = 0;
    if (k_bits == 8)
        for (uint i = 0; i < head_dim / 4; i++)
            sum += dot4(kv_k_word(kv[at + i * KV_K_STEP]), query[i]);
    else
        for (uint i = 0; i < head_dim / 8; i++) {
            uint both = kv[at + i * KV_K_STEP];
            sum += dot4(kv_values(both), query[2 * i]);
            sum += dot4(kv_values(both >> 4), query[2 * i + 1]);
        }
    precise float s = float(sum) * v.scale;
    s = s * uintBitsToFloat(kv[kv_kscale_at(v.block, head_dim, slots, slot)]);
    return s;
}

float query_vscale(query_view v, uint slot) {
    return uintBitsToFloat(kv[kv_vscale_at(v.block, head_dim, slots, slot)]);
}
