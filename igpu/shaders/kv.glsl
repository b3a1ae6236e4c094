// The layout of the cache of 8 bits (hal/kv.h) in words of four bytes: the shaders' way to it.
// block: where a kv head begins; slots: of the cache.

// Four channels of K in a slot, signed, and from them to the next four.
const uint KV_K_STEP = 16;
uint kv_k_at(uint block, uint head_dim, uint slot) {
    return block + slot / 16 * 4 * head_dim + slot % 16;
}
uint kv_k_word(uint word) { return word ^ 0x80808080u; } // stored + 128; either way

// V of four slots, the first a multiple of 4: word c is channel c of all four, signed.
uint kv_v_at(uint block, uint head_dim, uint slots, uint slot) {
    return block + slots * head_dim / 4 + slot / 4 * head_dim;
}

uint kv_kscale_at(uint block, uint head_dim, uint slots, uint slot) {
    return block + slots * head_dim / 2 + slot;
}
uint kv_vscale_at(uint block, uint head_dim, uint slots, uint slot) {
    return block + slots * head_dim / 2 + slots + slot;
}
