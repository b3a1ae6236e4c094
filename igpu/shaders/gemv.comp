#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "act.glsl"
#include "dot.glsl"
#include "gemv.glsl"
#include "panel.glsl"
// y = W x for a tile of COLS columns (docs/numerics.md 4) and up to three weights. Grid (tiles,
// panels of all weights): the tiles of one panel are neighbours in the grid, so that a prompt's
// tiles find the panel's weights in the caches. A workgroup takes a panel.
uint which, panel, tile;

uint q_at(uint group, uint c) { return tile + act_q(group, c, COLS); }
uint gsum_at(uint group, uint c) { return tile + act_gsum(kp, group, c, COLS); }

void store(int sum, uint row, uint c) {
    uint column = gl_WorkGroupID.x * COLS + c;
    if (column < op_columns(tail)) put(sum, which, panel, row, tile, c, COLS, column);
}

void main() {
    which = which_weight(gl_WorkGroupID.y);
    panel = gl_WorkGroupID.y - first_panel(which);
    tile = gl_WorkGroupID.x * act_tile_words(kp, COLS);
    multiply(which, panel);
    report_bad();
}
