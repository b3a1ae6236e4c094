// A panel of 16 rows times COLS columns (docs/numerics.md 4). An invocation takes 4 rows (one
// 16-byte load of weights serves all columns) and every 16th line (W8) or group (the others) of the
// panel. The 16 partial sums are added as integers, so their order does not matter.
//
// Includers declare kp, TYPES, TABLE, placed, is_w4, act, act4 and weights before, and define the
// functions below.
layout(constant_id = 0) const uint COLS = 1;
uint q_at(uint group, uint c);    // where the group's 16 words of column c begin in act
uint gsum_at(uint group, uint c); // the word of their sum
void store(int sum, uint row, uint c); // takes the sum of a row of the panel and column c

// The bits that a weight has above its nibble: 1 in W5 and 2 in W6, which share no dispatch with
// other types. Nor does W4T. A group has lines of nibbles and, before every 4 or 2 of them, one of
// high bits.
const uint MORE = TYPES == 4 ? 1 : TYPES == 8 ? 2 : 0;
const uint GROUP_WORDS = (8 + 2 * MORE) * 4; // of 16 bytes
// Lines of W8 that an invocation loads before it uses the first.
const uint AHEAD = 4;

#define W8_LINE(at, packed)                                                                        \
    [[unroll]] for (uint c = 0; c < COLS; c++) {                                                   \
        uint x = act[q_at((at) / 16, c) + (at) % 16];                                              \
        acc[c] +=                                                                                  \
            ivec4(dot4(packed[0], x), dot4(packed[1], x), dot4(packed[2], x), dot4(packed[3], x)); \
    }

// How many columns' partial sums are added at a time: each invocation then adds one sum, and little
// shared memory is used, so that more workgroups fit.
const uint SUMMED = COLS < 4 ? COLS : 4;
// Where the line of nibbles of 8 columns from 8 * j on begins in a group, in words of 16 bytes.
uint nibbles_at(uint j) { return (MORE == 0 ? j : MORE == 1 ? j + j / 4 + 1 : j + j / 2 + 1) * 4; }

// The same for the line of high bits before that one, and for which of those of the group it is.
uint high_of(uint j) { return MORE == 1 ? j / 4 : j / 2; }
uint high_at(uint i) { return (MORE == 1 ? i * 5 : i * 3) * 4; }

// The high bits of the four weights of run `run` under their line, above where nibbles are.
uint above(uint high, uint run) {
    int up = 4 - int(MORE * run);
    return (up >= 0 ? high << up : high >> -up) & (MORE == 1 ? 0x10101010u : 0x30303030u);
}

shared int share[SUMMED * 256]; // [column][partial sum][row]

void multiply(uint which, uint panel) {
    uint t = gl_LocalInvocationID.x, quad = t % 4, first = t / 4, groups = kp / 64;
    ivec4 acc[COLS];
    [[unroll]] for (uint c = 0; c < COLS; c++) acc[c] = ivec4(0);

    if (MORE > 0 || is_w4(which)) {
        uint base = panel * ((groups + 3) / 4 * 4 + groups * GROUP_WORDS);
        for (uint g = first; g < groups; g += 16) {
            uint block = base + g / 4 * (4 + 4 * GROUP_WORDS),
                 lines = block + 4 + g % 4 * GROUP_WORDS + quad;
            uint s = weights[which].line[block + g % 4][quad];
            ivec4 scale = ivec4(int(s << 24), int(s << 16), int(s << 8), int(s)) >> 24;
            uvec4 w[8], high[4];
            [[unroll]] for (uint j = 0; j < 8; j++)
                w[j] = weights[which].line[lines + nibbles_at(j)];
            [[unroll]] for (uint i = 0; i < 4; i++)
                high[i] = i < 2 * MORE ? weights[which].line[lines + high_at(i)] : uvec4(0);
            [[unroll]] for (uint c = 0; c < COLS; c++) {
                ivec4 sum = ivec4(-(TABLE ? 16 : 8 << MORE) * int(act[gsum_at(g, c)]));
                uint at = q_at(g, c) / 4;
                [[unroll]] for (uint j = 0; j < 8; j++) {
                    uvec4 x = act4[at + j / 2];
                    [[unroll]] for (uint r = 0; r < 4; r++) {
                        uint low = w[j][r] & 0x0f0f0f0fu, up = w[j][r] >> 4 & 0x0f0f0f0fu;
                        if (TABLE) low = placed(low), up = placed(up);
                        if (MORE > 0) {
                            uint run = 2 * j % (8 / max(MORE, 1));
                            low |= above(high[high_of(j)][r], run);
                            up |= above(high[high_of(j)][r], run + 1);
                        }
                        sum[r] += dot4(low, x[j % 2 * 2]);
                        sum[r] += dot4(up, x[j % 2 * 2 + 1]);
                    }
                }
                acc[c] += sum * scale;
            }
        }
    } else {
        // 16 rows of kp bytes are kp words of 16 bytes
        uint base = panel * kp + quad, lines = kp / 4, l = first;
        for (; l + 16 * (AHEAD - 1) < lines; l += 16 * AHEAD) {
            uvec4 w[AHEAD];
            // stored + 128
            [[unroll]] for (uint j = 0; j < AHEAD; j++)
                w[j] = weights[which].line[base + (l + j * 16) * 4] ^ 0x80808080u;
            [[unroll]] for (uint j = 0; j < AHEAD; j++) W8_LINE(l + j * 16, w[j])
        }
        for (; l < lines; l += 16) {
            uvec4 w = weights[which].line[base + l * 4] ^ 0x80808080u;
            W8_LINE(l, w)
        }
    }

    [[unroll]] for (uint from = 0; from < COLS; from += SUMMED) {
        if (from > 0) barrier();
        [[unroll]] for (uint c = 0; c < SUMMED; c++)
            [[unroll]] for (uint r = 0; r < 4; r++)
                share[(c * 16 + first) * 16 + quad * 4 + r] = acc[from + c][r];
        barrier();
        if (t / 16 >= SUMMED) continue;
        int sum = 0;
        [[unroll]] for (uint k = 0; k < 16; k++) sum += share[(t / 16 * 16 + k) * 16 + t % 16];
        store(sum, t % 16, from + t / 16);
    }
}
