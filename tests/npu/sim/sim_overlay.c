/* The model's overlay: routes and locks as data, as an overlay for hardware would have them, under
 * an id that no real overlay has. */
#include <string.h>

#include "npu/overlay.h"
#include "tests/npu/sim/sim_parts.h"

static void route(struct sim_image *m, uint32_t column, uint32_t row, uint32_t channel,
                  uint32_t to_column, uint32_t to_row, uint32_t to_channel) {
    m->route[m->routes++] =
        (struct sim_route){(uint8_t)column,    (uint8_t)row,    (uint8_t)channel,
                           (uint8_t)to_column, (uint8_t)to_row, (uint8_t)to_channel};
}

void sim_image(struct sim_image *m, uint32_t generation) {
    memset(m, 0, sizeof *m);
    memcpy(m->id, overlay_of_model, sizeof m->id);
    m->generation = generation;
    m->columns = array_columns(generation);
    for (uint32_t c = 0; c < m->columns; c++) {
        route(m, c, ROW_SHIM, 0, c, ROW_MEM, 0);        /* weights */
        if (c) route(m, c, ROW_SHIM, 1, c, ROW_MEM, 5); /* and more weights */
        route(m, 0, ROW_SHIM, 1, c, ROW_MEM, 1);        /* x, to all */
        for (uint32_t t = 0; t < CORE_ROWS; t++) {
            route(m, c, ROW_MEM, t, c, ROW_CORE + t, 0);
            route(m, c, ROW_MEM, 4, c, ROW_CORE + t, 1);
            if (t < CORE_ROWS - 1) route(m, c, ROW_CORE + t, 0, c, ROW_MEM, 2 + t);
        }
        /* the last tile's sums go directly to the shim */
        route(m, c, ROW_CORE + CORE_ROWS - 1, 0, c, ROW_SHIM, 1);
        route(m, c, ROW_MEM, 5, c, ROW_SHIM, 0); /* sums */
    }
}

int32_t sim_first_lock(uint32_t row, uint32_t lock) {
    if (row == ROW_MEM)
        return lock < MEM_LOCK_W_FULL || (lock >= MEM_LOCK_Y_EMPTY && lock < MEM_LOCK_Y_FULL) ? 2
                                                                                              : 0;
    return row >= ROW_CORE && (lock == LOCK_W_EMPTY || lock == LOCK_X_EMPTY || lock == LOCK_Y_EMPTY)
               ? 2
               : 0;
}
