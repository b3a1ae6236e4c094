// Quantizes groups of 64 floats into the activation buffer. The includer defines the macro
// `source(i)`, element i of the column. `cols` is a power of two, so that no division is needed,
// which GPUs compute with floats.
#define QUANT_GROUPS(from, step, width, kp, cols, column, factor)                                  \
    for (uint g = (from); g < (kp) / 64; g += (step)) {                                            \
        uint tile = ((column) >> findLSB(cols)) * act_tile_words(kp, cols),                        \
             lane = (column) & ((cols)-1);                                                         \
        int sum = 0;                                                                               \
        for (uint w = 0; w < 16; w++) {                                                            \
            ivec4 q = ivec4(0);                                                                    \
            for (uint i = 0; i < 4; i++)                                                           \
                if (g * 64 + w * 4 + i < (width))                                                  \
                    q[i] = quantize(source(g * 64 + w * 4 + i), factor);                           \
            sum += q.x + q.y + q.z + q.w;                                                          \
            act[tile + act_q(g, lane, cols) + w] = pack4(q);                                       \
        }                                                                                          \
        act[tile + act_gsum(kp, g, lane, cols)] = uint(sum);                                       \
    }
