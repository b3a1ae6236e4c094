// Where the shaders find what is in the cache (hal/kv.h), as indices of words of four bytes. block:
// the first word of a kv head; slots: how many the cache has; k_bits, v_bits: 8 or 4, the bits of a
// value, which the push constants of the shader have.

// The values of the codes of 4 bits, four in a word.
const uint KV_LEVELS[4] = uint[4](0xc3b19b83u, 0xfaede0d2u, 0x2e201306u, 0x7d654f3du);

// The four values of codes in the low halves of the bytes.
uint kv_values(uint codes) {
    uint values = 0;
    [[unroll]] for (uint i = 0; i < 32; i += 8) {
        uint code = codes >> i & 15u;
        uint four = code < 8 ? (code < 4 ? KV_LEVELS[0] : KV_LEVELS[1])
                             : (code < 12 ? KV_LEVELS[2] : KV_LEVELS[3]);
        values |= (four >> (code & 3u) * 8 & 255u) << i;
    }
    return values;
}

// The code of the nearest level, of two the upper one.
uint kv_code(int q) {
    const int least[15] =
        int[15](-113, -90, -70, -53, -39, -25, -12, 0, 13, 26, 39, 54, 70, 90, 113);
    uint code = 0;
    [[unroll]] for (uint i = 0; i < 15; i++) code += q >= least[i] ? 1 : 0;
    return code;
}

// The word with the first four bytes of K in a slot. The next four are KV_K_STEP words behind it.
const uint KV_K_STEP = 16;
uint kv_k_at(uint block, uint head_dim, uint slot) {
    return block + slot / 16 * (head_dim * k_bits / 2) + slot % 16;
}
// Values of 8 bits are stored as value + 128. The conversion is the same in both directions.
uint kv_k_word(uint word) { return word ^ 0x80808080u; }

// The words of K before those of V.
uint kv_k_words(uint head_dim, uint slots) { return slots * head_dim * k_bits / 32; }

// V of four slots, of which the first is a multiple of 4. With 8 bits word c behind the result is
// channel c of all four, signed. With 4 bits the codes of channel c are in word kv_v_word, by
// kv_v_shift bits from the low ends of its bytes.
uint kv_v_at(uint block, uint head_dim, uint slots, uint slot) {
    return block + kv_k_words(head_dim, slots) + slot / 4 * (head_dim * v_bits / 8);
}
uint kv_v_word(uint channel) {
    return v_bits == 8 ? channel : channel / 16 * 8 + channel % 8;
}
uint kv_v_shift(uint channel) { return v_bits == 8 ? 0 : channel % 16 / 8 * 4; }

uint kv_kscale_at(uint block, uint head_dim, uint slots, uint slot) {
    return block + kv_k_words(head_dim, slots) + slots * head_dim * v_bits / 32 + slot;
}
uint kv_vscale_at(uint block, uint head_dim, uint slots, uint slot) {
    return kv_kscale_at(block, head_dim, slots, slot) + slots;
}
