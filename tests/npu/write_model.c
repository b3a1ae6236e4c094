/* npu_write_model 1|2: prints the device model's overlay of an array in words, for
 * tests/npu/design.py: "columns N", "route COLUMN ROW CHANNEL COLUMN ROW CHANNEL", "lock ROW NUMBER
 * VALUE" (the first values that are not 0). */
#include <stdio.h>
#include <stdlib.h>

#include "tests/npu/sim/sim_parts.h"

int main(int argc, char **argv) {
    static struct sim_image m;
    if (argc != 2) return 2;
    sim_image(&m, (uint32_t)atoi(argv[1]));
    printf("columns %u\n", m.columns);
    for (uint32_t i = 0; i < m.routes; i++) {
        const struct sim_route *r = &m.route[i];
        printf("route %u %u %u %u %u %u\n", r->column, r->row, r->channel, r->to_column, r->to_row,
               r->to_channel);
    }
    for (uint32_t row = 0; row < ARRAY_ROWS; row++)
        for (uint32_t l = 0; l < sim_locks(row); l++)
            if (sim_first_lock(row, l)) printf("lock %u %u %d\n", row, l, sim_first_lock(row, l));
    return 0;
}
