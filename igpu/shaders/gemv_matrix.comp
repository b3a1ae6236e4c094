#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#include "common.glsl"
#include "act.glsl"
#include "gemv.glsl"
// y = W x like gemv.comp, but for prompts and by cooperative matrices of 8 bits. Grid (runs of
// TILES tiles of 16 columns, panels of all weights).
//
// A workgroup takes a panel of 16 rows. Each of its subgroups takes every WAVES-th group of 64 and
// lays it out for the matrices in shared memory of its own as [row][k], once for all tiles. The
// subgroups' sums are integers, so the order of adding them does not matter.
//
// Compilers from before 2024 do not know the extension, so gemv_matrix.spv is checked in
// (toolchain/test-long.sh vulkan compiles it again and compares).
layout(constant_id = 0) const uint SIZE = 16;  // of the device's matrices: 8 or 16
layout(constant_id = 2) const uint WAVES = 1;  // subgroups of the workgroup
const uint COLS = 16, TILES = 4, BLOCKS = 16 / SIZE;

shared uint staged[WAVES * 256]; // [subgroup][row][16 words of 4 k]
shared int scales[WAVES * 16];   // [subgroup][row] of the group
shared int sums[WAVES * 256];    // [subgroup][row][column]

#define MATRIX(type, use) coopmat<type, gl_ScopeSubgroup, SIZE, SIZE, use>

// Converts four unsigned nibbles in bytes, which are stored as the weight + 8, or as its place in
// W4T's table, to signed bytes.
uint signed4(uint n) {
    if (TABLE) return ((placed(n) | 0x80808080u) - 0x10101010u) ^ 0x80808080u;
    return ((n | 0x80808080u) - 0x08080808u) ^ 0x80808080u;
}

void stage_w8(uint which, uint panel, uint group, uint at) {
    uint base = panel * kp + group * 64;
    for (uint i = gl_SubgroupInvocationID; i < 64; i += gl_SubgroupSize) {
        uvec4 w = weights[which].line[base + i] ^ 0x80808080u; // stored + 128
        [[unroll]] for (uint r = 0; r < 4; r++) staged[at + (i % 4 * 4 + r) * 16 + i / 4] = w[r];
    }
}

void stage_w4(uint which, uint panel, uint group, uint at, uint scales_at) {
    uint groups = kp / 64, block = panel * ((groups + 3) / 4 + groups * 8) * 4 + group / 4 * 132,
         base = block + 4 + group % 4 * 32;
    for (uint i = gl_SubgroupInvocationID; i < 32; i += gl_SubgroupSize) {
        uvec4 w = weights[which].line[base + i];
        [[unroll]] for (uint r = 0; r < 4; r++) {
            uint to = at + (i % 4 * 4 + r) * 16 + i / 4 * 2;
            staged[to] = signed4(w[r] & 0x0f0f0f0fu);
            staged[to + 1] = signed4(w[r] >> 4 & 0x0f0f0f0fu);
        }
    }
    for (uint i = gl_SubgroupInvocationID; i < 16; i += gl_SubgroupSize)
        scales[scales_at + i] =
            int(weights[which].line[block + group % 4][i / 4] << (24 - i % 4 * 8)) >> 24;
}

void main() {
    uint t = gl_LocalInvocationID.x, wave = gl_SubgroupID, at = wave * 256, groups = kp / 64,
         count = op_columns(tail);
    uint which = which_weight(gl_WorkGroupID.y), panel = gl_WorkGroupID.y - first_panel(which);
    uint first_tile = gl_WorkGroupID.x * TILES, words = act_tile_words(kp, COLS),
         tiles = min((count + 15) / 16 - first_tile, TILES);
    bool four = is_w4(which);

    MATRIX(int, gl_MatrixUseAccumulator) total[TILES * BLOCKS * BLOCKS];
    [[unroll]] for (uint i = 0; i < TILES * BLOCKS * BLOCKS; i++)
        total[i] = MATRIX(int, gl_MatrixUseAccumulator)(0);
    // Every subgroup runs the loop equally often, because the barrier of a subgroup waits for all
    // subgroups of the workgroup with some drivers.
    for (uint from = 0; from < groups; from += WAVES) {
        uint group = from + wave;
        bool takes = group < groups;
        subgroupBarrier();
        if (takes && four) stage_w4(which, panel, group, at, wave * 16);
        if (takes && !four) stage_w8(which, panel, group, at);
        subgroupBarrier();
        if (!takes) continue;
        [[unroll]] for (uint m = 0; m < BLOCKS; m++) {
            MATRIX(int8_t, gl_MatrixUseA) a[64 / SIZE];
            MATRIX(int, gl_MatrixUseAccumulator) scale; // of a row, in every column
            [[unroll]] for (uint k = 0; k < 64 / SIZE; k++)
                coopMatLoad(a[k], staged, at + m * SIZE * 16 + k * SIZE / 4, 16,
                            gl_CooperativeMatrixLayoutRowMajor);
            coopMatLoad(scale, scales, wave * 16 + m * SIZE, 0,
                        gl_CooperativeMatrixLayoutColumnMajor);
            [[unroll]] for (uint tile = 0; tile < TILES; tile++) {
                if (tile >= tiles) break;
                uint columns = (first_tile + tile) * words + act_q(group, 0, COLS);
                [[unroll]] for (uint n = 0; n < BLOCKS; n++) {
                    uint i = (tile * BLOCKS + m) * BLOCKS + n;
                    MATRIX(int, gl_MatrixUseAccumulator) sum =
                        MATRIX(int, gl_MatrixUseAccumulator)(0);
                    [[unroll]] for (uint k = 0; k < 64 / SIZE; k++) {
                        MATRIX(int8_t, gl_MatrixUseB) b;
                        coopMatLoad(b, act, columns + n * SIZE * 16 + k * SIZE / 4, 16,
                                    gl_CooperativeMatrixLayoutColumnMajor);
                        sum = coopMatMulAdd(a[k], b, sum);
                    }
                    if (four) sum = sum * scale;
                    total[i] += sum;
                }
            }
        }
    }

    [[unroll]] for (uint tile = 0; tile < TILES; tile++) {
        if (tile >= tiles) break;
        [[unroll]] for (uint m = 0; m < BLOCKS; m++)
            [[unroll]] for (uint n = 0; n < BLOCKS; n++)
                coopMatStore(total[(tile * BLOCKS + m) * BLOCKS + n], sums,
                             at + m * SIZE * 16 + n * SIZE, 16,
                             gl_CooperativeMatrixLayoutRowMajor);
        barrier();
        for (uint i = t; i < 256; i += 64) {
            uint r = i % 16, c = i / 16, column = (first_tile + tile) * COLS + c;
            if (column >= count) break;
            int sum = 0;
            [[unroll]] for (uint w = 0; w < WAVES; w++) sum += sums[w * 256 + r * 16 + c];
            put(sum, which, panel, r, (first_tile + tile) * words, c, COLS, column);
        }
        barrier();
    }
    report_bad();
}
