// What the GEMV shaders share: their parameters, and how a sum becomes an element of y.
layout(constant_id = 1) const uint TYPES = 3; // bit 0: some weight is W8; bit 1: some weight is W4
const bool TABLE = TYPES == 16;              // all are W4T
layout(push_constant) uniform Push {
    uint kp, tail, add, w4; // w4: bit i is set if weight i is W4
    uint end0, end1;        // panels before weight 1, 2
    uint row_scales[3];     // index of the first row's scale
    uint first_row[3];      // the row of y that row 0 of panel 0 gives
    uint stride[3];         // floats from column to column of y
    uint bias[3];           // index of the first row's bias in rows, or NO_BIAS
};
const uint NO_BIAS = 0xffffffffu;
layout(set = 0, binding = 3, std430) readonly buffer Act { uint act[]; };
layout(set = 0, binding = 3, std430) readonly buffer Act4 { uvec4 act4[]; };
layout(set = 0, binding = 4, std430) readonly buffer Weights { uvec4 line[]; } weights[3];
layout(set = 0, binding = 5, std430) buffer Y { float y[]; } outputs[3];

uint which_weight(uint panel) { return panel < end0 ? 0 : panel < end1 ? 1 : 2; }
uint first_panel(uint which) { return which == 0 ? 0 : which == 1 ? end0 : end1; }
// Whether the weight has W4's lines.
bool is_w4(uint which) {
    return TYPES == 2 || TABLE || (TYPES == 3 && (w4 >> which & 1u) != 0);
}

// The weights + 16 of W4T from four places p of 0..15 (WEIGHT_TABLE in weights/types.h). Each byte
// is p + 6, plus one for each of 1, 2, 14 and 15 that p has reached: 16 less that number added to p
// sets bit 4.
uint placed(uint p) {
    uint reached = ((p + 0x0f0f0f0fu) & 0x10101010u) + ((p + 0x0e0e0e0eu) & 0x10101010u) +
                   ((p + 0x02020202u) & 0x10101010u) + ((p + 0x01010101u) & 0x10101010u);
    return p + 0x06060606u + (reached >> 4);
}

// Stores the sum of row r of the weight's panel times column c of the tile that begins at word
// `tile` of act: scales it, adds its bias, and adds it to y if `add` says so. column: its index in
// y.
void put(int sum, uint which, uint panel, uint r, uint tile, uint c, uint cols, uint column) {
    precise float v = float(sum) * rows[row_scales[which] + panel * 16 + r];
    v = v * uintBitsToFloat(act[tile + act_scale(kp, c, cols)]);
    v = num_snap(v);
    if (bias[which] != NO_BIAS) {
        precise float b = v + rows[bias[which] + panel * 16 + r];
        v = num_snap(b);
    }
    uint at = column * stride[which] + first_row[which] + panel * 16 + r;
    if (add != 0) {
        precise float n = outputs[which].y[at] + v;
        v = num_snap(n);
    }
    outputs[which].y[at] = v;
}
