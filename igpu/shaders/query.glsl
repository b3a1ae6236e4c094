// A query against the cache: the scores of its slots. Include after attend.glsl,
// kv.glsl and dot.glsl; grid (splits of SPLIT slots, heads, columns).
// group: heads per kv head
layout(push_constant) uniform Push { uint head_dim, heads, group, slots, qi_stride, block_words; };
layout(set = 0, binding = 4, std430) readonly buffer In { uint v[]; } inputs[2];
layout(set = 0, binding = 5, std430) buffer State { uint state[]; };
#define qi inputs[0].v // queries
#define kv inputs[1].v // the layer's cache

shared uint query[64];

struct query_view {
    uint block;               // of the kv head, in words
    uint prefix, tail, mask;
    float scale;
    uint state;
};

query_view query_open(uint head, uint column) {
    query_view v;
    v.block = head / group * block_words;
    v.prefix = column_word(column, COLUMN_PREFIX);
    v.tail = column_word(column, COLUMN_TAIL);
    v.mask = column_word(column, COLUMN_MASK);
    v.scale = uintBitsToFloat(qi[column * qi_stride + heads * (head_dim / 4) + head]);
    v.state = (column * heads + head) * state_words(head_dim);
    uint t = gl_LocalInvocationID.x;
    if (t < head_dim / 4) query[t] = qi[column * qi_stride + head * (head_dim / 4) + t];
    barrier();
    return v;
}

// One past the last visible slot.
uint query_end(uint column) {
    uint mask = column_word(column, COLUMN_MASK);
    return mask != 0 ? column_word(column, COLUMN_TAIL) + uint(findMSB(mask)) + 1
                     : column_word(column, COLUMN_PREFIX);
}

bool query_sees(query_view v, uint slot) {
    if (slot < v.prefix) return true;
    return slot >= v.tail && slot - v.tail < 16 && (v.mask >> (slot - v.tail) & 1u) != 0;
}

float query_score(query_view v, uint slot) {
    uint at = kv_k_at(v.block, head_dim, slot);
    int sum = 0;
    for (uint i = 0; i < head_dim / 4; i++)
        sum += dot4(kv_k_word(kv[at + i * KV_K_STEP]), query[i]);
    precise float s = float(sum) * v.scale;
    s = s * uintBitsToFloat(kv[kv_kscale_at(v.block, head_dim, slots, slot)]);
    return s;
}

float query_vscale(query_view v, uint slot) {
    return uintBitsToFloat(kv[kv_vscale_at(v.block, head_dim, slots, slot)]);
}
