/* The NEON kernels beside plain C, in a program for Linux on AArch64 without libc, which
 * qemu-aarch64 runs on any machine: every number of columns around a tile's, all types of weights,
 * widths with one group and many, sums added and not, extreme bytes, values that leave the range.
 * Exit status 0: all bits agree. 1: some do not. 2: nothing was compared. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cpu/kernels.h"

enum { KP_MOST = 1088, COLUMNS_MOST = 9, PANELS = 3, ROWS = PANELS * PANEL_ROWS };

static _Alignas(64) uint8_t panels[PANELS * (KP_MOST * PANEL_ROWS)];
static _Alignas(64) uint8_t x[COLUMNS_MOST * 8192];
static _Alignas(64) float y[2][COLUMNS_MOST * ROWS];
static float row_scale[ROWS], bias[ROWS];
static uint64_t rng = 1;

static uint32_t dice(void) {
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(rng >> 33);
}

static _Noreturn void leave(int64_t status) {
    register int64_t x0 __asm__("x0") = status;
    register int64_t x8 __asm__("x8") = 93; /* exit */
    __asm__ volatile("svc #0" : : "r"(x0), "r"(x8) : "memory");
    __builtin_unreachable();
}

/* Some of them all at an end of their range. */
static void fill(uint32_t kp, uint32_t columns, float largest) {
    const uint32_t kind = dice() % 4;
    for (size_t i = 0; i < sizeof panels; i++)
        panels[i] = kind == 0 ? 0 : kind == 1 ? 255 : (uint8_t)dice();
    for (uint32_t c = 0; c < columns; c++) {
        uint8_t *column = x + c * act_stride(kp);
        const float scale = (float)(1 + dice() % 1000) * 0x1p-16f;
        for (uint32_t i = 0; i < kp; i++)
            column[i] = (uint8_t)(kind < 2 ? 127 : (int32_t)(dice() % 255) - 127);
        memcpy(column + act_scale_at(kp), &scale, sizeof scale);
    }
    for (uint32_t r = 0; r < ROWS; r++) row_scale[r] = (float)(1 + dice() % 1000) * 0x1p-12f;
    row_scale[dice() % ROWS] *= largest;
    for (uint32_t r = 0; r < ROWS; r++)
        bias[r] = (float)((int32_t)(dice() % 2001) - 1000) * 0x1p-7f;
    for (uint32_t i = 0; i < COLUMNS_MOST * ROWS; i++)
        y[0][i] = y[1][i] = (float)((int32_t)(dice() % 2001) - 1000) * 0x1p-6f;
}

/* Whether both give the same: bits, or that a value left the range. */
static int agree(const struct cpu_kernels *plain, const struct cpu_kernels *neon, uint32_t type,
                 uint32_t kp, uint32_t columns, int add, float largest) {
    uint32_t bad[2];
    fill(kp, columns, largest);
    for (int i = 0; i < 2; i++) {
        const struct gemv_args a = {.panels = panels,
                                    .row_scale = row_scale,
                                    .bias = columns & 1 ? bias : NULL,
                                    .kp = kp,
                                    .columns = columns,
                                    .x = x,
                                    .x_stride = act_stride(kp),
                                    .y = y[i],
                                    .y_stride = ROWS,
                                    .add = add};
        bad[i] = (i ? neon : plain)->gemv[type](&a, 0, 1) != 0;
        bad[i] |= (i ? neon : plain)->gemv[type](&a, 1, PANELS) != 0;
    }
    if (bad[0] || bad[1]) return bad[0] == bad[1];
    return memcmp(y[0], y[1], sizeof y[0]) == 0;
}

static int check(void) {
    static const uint32_t kps[] = {64, 128, 192, 256, 320, 576, KP_MOST};
    static const uint32_t types[] = {WEIGHT_W8,  WEIGHT_W4,  WEIGHT_W5, WEIGHT_W6,
                                     WEIGHT_W4S, WEIGHT_W8S, WEIGHT_W4T};
    struct cpu_kernels plain, neon;
    if (cpu_kernels_fill(&plain, APUS_CPU_REF) || cpu_kernels_fill(&neon, APUS_CPU_NEON)) return 2;
    for (uint32_t i = 0; i < sizeof types / sizeof *types; i++)
        if (neon.gemv[types[i]] == plain.gemv[types[i]]) return 2;
    for (uint32_t k = 0; k < sizeof kps / sizeof *kps; k++)
        for (uint32_t columns = 1; columns <= COLUMNS_MOST; columns++)
            for (uint32_t turn = 0; turn < 28; turn++) {
                const uint32_t type = types[turn % 7];
                const float largest = turn < 21 ? 1.0f : 0x1p60f;
                if (!agree(&plain, &neon, type, kps[k], columns, turn / 7 & 1, largest)) return 1;
            }
    return 0;
}

void _start(void);
void _start(void) { leave(check()); }
