// A tile of `cols` quantized columns of padded width kp, as words:
//   q     [kp / 64][cols][16]   4 signed bytes in a word
//   gsum  [kp / 64][cols]       sums of 64
//   scale [cols]                float bits
// The 16 words of a group of one column lie together, as W4 kernels read them. All columns of a
// group lie together, because they are read together.
uint act_tile_words(uint kp, uint cols) { return cols * (kp / 64 * 17 + 1); }
uint act_q(uint group, uint column, uint cols) { return (group * cols + column) * 16; }
uint act_gsum(uint kp, uint group, uint column, uint cols) {
    return kp / 64 * 16 * cols + group * cols + column;
}
uint act_scale(uint kp, uint column, uint cols) { return kp / 64 * 17 * cols + column; }
