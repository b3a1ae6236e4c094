/* npu_model_overlay GENERATION FILE: writes the overlay that the device model takes. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/npu/sim/sim.h"

int main(int argc, char **argv) {
    static uint8_t bytes[16384];
    if (argc != 3) return 2;
    uint64_t n = sim_overlay((uint32_t)atoi(argv[1]), bytes, sizeof bytes);
    FILE *f = fopen(argv[2], "wb");
    if (!f) return 1;
    int good = n <= sizeof bytes && fwrite(bytes, n, 1, f) == 1;
    return fclose(f) || !good;
}
