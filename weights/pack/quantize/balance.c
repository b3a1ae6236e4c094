#include "weights/pack/quantize/balance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double LEAST = 0x1p-8, MOST = 0x1p+8; /* bounds of c, chosen: far enough for any
                                                      trained model, and no weight leaves its
                                                      range */

/* Adds the squares of a tensor's weights, gain included, to squares[row] or squares[column]. */
static bool add_squares(struct source *source, const struct source_tensor *tensor,
                        const float *gain, bool by_row, float *room, size_t room_floats,
                        double *squares, struct diag *d) {
    size_t cols = (size_t)tensor->cols;
    uint64_t most = room_floats / cols;
    for (uint64_t first = 0; first < tensor->rows; first += most) {
        uint64_t rows = tensor->rows - first < most ? tensor->rows - first : most;
        if (!source_read_rows(source, tensor, first, rows, room, d)) return false;
        for (uint64_t r = 0; r < rows; r++)
            for (size_t c = 0; c < cols; c++) {
                double w = (double)room[r * cols + c] * (gain ? (double)gain[c] : 1.0);
                squares[by_row ? first + r : c] += w * w;
            }
    }
    return true;
}

/* Root mean square of silu(g z) for a normal z, within 5 %: g / 2 for a small g, g / sqrt(2) for a
 * large one. */
static double silu_size(double g) { return g * (0.5 + 0.2071 * g * g / (g * g + 4)); }

bool balance_layer(struct source *source, const struct plan *plan, uint32_t layer, uint32_t part,
                   float *room, size_t room_floats, float *c, struct diag *d) {
    const struct blob_layer *l = &plan->layers[layer];
    const struct plan_tensor part_of[] = {plan_part(source, &plan->tensors[l->tensor[LT_GATE]],
                                                    part),
                                          plan_part(source, &plan->tensors[l->tensor[LT_UP]], part),
                                          plan_part(source, &plan->tensors[l->tensor[LT_DOWN]],
                                                    part)},
                             *gate = &part_of[0], *up = &part_of[1], *down = &part_of[2];
    uint32_t ffn = up->record.rows;
    double *squares = calloc(3 * (size_t)ffn, sizeof *squares);
    float *gain = malloc(plan->model.dim * sizeof *gain);
    if (!squares || !gain) {
        free(gain);
        free(squares);
        return diag_fail(d, "out of memory");
    }
    const float *gains = up->gain ? gain : NULL;
    bool good = (!gains || source_read_rows(source, up->gain, 0, 1, gain, d)) &&
                add_squares(source, gate->from, gains, true, room, room_floats, squares, d) &&
                add_squares(source, up->from, gains, true, room, room_floats, squares + ffn, d) &&
                add_squares(source, down->from, NULL, false, room, room_floats,
                            squares + 2 * (size_t)ffn, d);
    for (uint32_t i = 0; good && i < ffn; i++) {
        double in = sqrt(squares[ffn + i]) * silu_size(sqrt(squares[i])),
               out = sqrt(squares[2 * (size_t)ffn + i]);
        /* false for NaN; then the tensor itself is refused, with its name */
        double balance = in > 0 && out > 0 ? sqrt(out / in) : 1;
        c[i] = (float)(balance < LEAST ? LEAST : balance > MOST ? MOST : balance);
    }
    free(gain);
    free(squares);
    return good;
}
