/* The array of an AMD XDNA NPU as control code sees it: tiles, their registers, descriptors and
 * limits. Both generations (XDNA: Phoenix, Hawk Point; XDNA2: Strix, Krackan) share them, and
 * differ in the number of columns.
 *
 * Row 0 is the shim (it reads and writes the host's memory), row 1 the memory tile (512 KiB), and
 * rows 2 to 5 are the compute tiles (64 KiB each). Columns are counted from the partition's first
 * one. Source of all numbers: the register database of AMD's aie-rt ("AIEML"), which is public. */
#ifndef NPU_ARRAY_H
#define NPU_ARRAY_H

#include <assert.h>
#include <stdint.h>

enum {
    ROW_SHIM = 0,
    ROW_MEM = 1,
    ROW_CORE = 2,
    CORE_ROWS = 4,
    ARRAY_ROWS = 6,
    ARRAY_COLUMNS_MAX = 8
};
enum npu_generation { NPU_XDNA1 = 1, NPU_XDNA2 = 2 };

/* How many columns a program may use. Of Phoenix's 5 columns the first one has no way to the host's
 * memory. */
static inline uint32_t array_columns(uint32_t generation) {
    return generation == NPU_XDNA2 ? 8 : 4;
}
/* How many columns the driver reports. */
static inline uint32_t array_columns_all(uint32_t generation) {
    return generation == NPU_XDNA2 ? 8 : 5;
}

static inline uint32_t tile_address(uint32_t column, uint32_t row, uint32_t offset) {
    return column << 25 | row << 20 | offset;
}
static inline uint32_t address_column(uint32_t address) { return address >> 25 & 0x7f; }
static inline uint32_t address_row(uint32_t address) { return address >> 20 & 31; }
static inline uint32_t address_offset(uint32_t address) { return address & 0xfffff; }

enum {
    SHIM_BD = 0x1d000,           /* 16 descriptors of 8 words */
    SHIM_S2MM_CONTROL = 0x1d200, /* + 8 per channel */
    SHIM_S2MM_QUEUE = 0x1d204,
    SHIM_MM2S_QUEUE = 0x1d214, /* + 8 per channel; 2 channels each way */
    SHIM_BDS = 16,
    SHIM_CHANNELS = 2,

    MEM_BD = 0xa0000, /* 48 descriptors of 8 words: 0..23 for even channels, 24..47 for odd ones */
    MEM_S2MM_QUEUE = 0xa0604,
    MEM_MM2S_QUEUE = 0xa0634, /* + 8 per channel; 6 channels each way */
    MEM_BDS = 48,
    MEM_CHANNELS = 6,
    MEM_BYTES = 512 << 10,
    MEM_WINDOW = 0x80000, /* the address at which a memory tile sees its own memory; those of its
                             neighbours lie below and above */
    MEM_LOCKS = 64,
    MEM_LOCK_BASE = 64, /* the number of the first of its own locks */

    CORE_BD = 0x1d000, /* 16 descriptors of 6 words, 8 apart */
    CORE_S2MM_QUEUE = 0x1de04,
    CORE_MM2S_QUEUE = 0x1de14, /* + 8 per channel; 2 channels each way */
    CORE_BDS = 16,
    CORE_CHANNELS = 2,
    CORE_BYTES = 64 << 10,
    CORE_LOCKS = 16,

    BD_STRIDE = 0x20,
    QUEUE_STRIDE = 8,
    QUEUE_DEPTH = 4,
    REPEAT_MAX = 256,
    LOCK_MAX = 63
};

/* When a channel has finished a task, it reports that in a packet that bears the number of its
 * tile's controller. AMD's tools give every design routes for the packets of shims, whose number is
 * 15 in each column (mlir-aie: AIEAssignTileCtrlIDs). A channel's number is 0 at first, and packets
 * with that number arrive nowhere. */
enum { SHIM_CONTROLLER = 15, CONTROL_CONTROLLER_SHIFT = 8 };

/* A descriptor before it is packed. Lengths and steps are in words of 4 bytes. wrap is how many
 * elements a dimension has; a wrap of 0 means that there is no such dimension, and the last
 * dimension takes what is left. Element (i, j, k) of the transfer lies at base + i * step[0] + j *
 * step[1] + k * step[2], where i runs fastest. Run n of a repeated descriptor adds (n mod
 * iterations) * iteration_step. */
struct descriptor {
    uint64_t base;  /* bytes; in a shim's descriptor the address patch adds the buffer's address */
    uint32_t words; /* of one run */
    uint32_t step[3], wrap[2];
    uint32_t iteration_step, iterations; /* iterations of 0 or 1 add nothing */
    int32_t next;                        /* the descriptor that follows within a task, or -1 */
    int32_t acquire;                     /* the lock to acquire, or -1 */
    int32_t acquire_value;               /* -n: waits until the lock has at least n, and takes n */
    int32_t release;                     /* lock whose value is raised */
    int32_t release_value;               /* how much it is raised; 0: no lock is released */
};

enum { BD_WORDS_SHIM = 8, BD_WORDS_MEM = 8, BD_WORDS_CORE = 6, BD_WORDS_MAX = 8 };

/* Packs a descriptor for the kind of tile that the row has, and returns how many words it takes. It
 * transfers at least one word, and its base is a multiple of 4. Locks and base are counted from the
 * tile's own first ones. */
uint32_t descriptor_pack(const struct descriptor *d, uint32_t row, uint32_t out[BD_WORDS_MAX]);

/* The word for a queue register that starts a task: run descriptor bd `runs` times, 1 ..
 * REPEAT_MAX. token != 0: report when the task is done. */
static inline uint32_t queue_word(uint32_t bd, uint32_t runs, int token) {
    assert(runs >= 1 && runs <= REPEAT_MAX);
    return bd | (runs - 1) << 16 | (token ? 0x80000000u : 0);
}

#endif
