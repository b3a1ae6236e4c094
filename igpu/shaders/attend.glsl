#include "integers.glsl"
// What the shaders of attention share (docs/numerics.md 6). A query is one head of one column.
// `state` has for every query:
//   [0] largest score, as a key that orders like the float   [1] largest value scale, bits
//   [2], [3] sums of the low 12 bits and of the other bits of E
//   [4 ..] for every channel the sums of the three digits times V
// All sums are of 32 bits and exact: E is at most 2^24 + 1, a digit at most 127, and there are at
// most 131 072 slots.
const uint STATE_MAX = 0, STATE_VMAX = 1, STATE_LOW = 2, STATE_HIGH = 3, STATE_ACC = 4;
const uint SPLIT = 256; // slots that a workgroup takes

const uint NO_SINKS = 0xffffffffu;

// A word of a column in the table of its layer's view, which begins at args[table].
uint sight_word(uint table, uint column, uint word) {
    return args[table + column * COLUMN_WORDS + word];
}

uint state_words(uint head_dim) { return STATE_ACC + 3 * head_dim; }

// Unsigned keys in the order of floats; 0 is below all of them.
uint float_key(float x) {
    uint b = floatBitsToUint(x);
    return (b & 0x80000000u) != 0 ? ~b : b | 0x80000000u;
}
float key_float(uint k) { return uintBitsToFloat((k & 0x80000000u) != 0 ? k & 0x7fffffffu : ~k); }
