// Where the shaders find what is in the cache of 8 bits (hal/kv.h), as indices of words of four
// bytes. block: the first word of a kv head; slots: how many the cache has.

// The word with the first four channels of K in a slot. The next four are KV_K_STEP words behind
// it.
const uint KV_K_STEP = 16;
uint kv_k_at(uint block, uint head_dim, uint slot) {
    return block + slot / 16 * 4 * head_dim + slot % 16;
}
// K is stored as value + 128. The conversion is the same in both directions.
uint kv_k_word(uint word) { return word ^ 0x80808080u; }

// V of four slots, of which the first is a multiple of 4: word c behind the result is channel c of
// all four, signed.
uint kv_v_at(uint block, uint head_dim, uint slots, uint slot) {
    return block + slots * head_dim / 4 + slot / 4 * head_dim;
}

uint kv_kscale_at(uint block, uint head_dim, uint slots, uint slot) {
    return block + slots * head_dim / 2 + slot;
}
uint kv_vscale_at(uint block, uint head_dim, uint slots, uint slot) {
    return block + slots * head_dim / 2 + slots + slot;
}
