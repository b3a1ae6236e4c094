/* Where the kernels find the second of two kept columns, for all quads of a group's line at once.
 *
 * A byte of the line of positions has four positions p, two bits each. The second column is p ^ m,
 * with m = 1 where the flag is 0, else 2 where p < 2, else 3. With a flag above each position's
 * high bit (SPARSE_TOPS; of the second group of a pair they are one bit lower and are moved first)
 * that is, in every byte:
 *
 *     second = p ^ ((flags & tops) | bottoms) ^ ((flags & ~p & tops) >> 1)
 *
 * since m's high bit is the flag, and its low bit is 1 unless the flag is 1 and p's high bit 0. */
#ifndef CPU_GEMV_SPARSE_INL_H
#define CPU_GEMV_SPARSE_INL_H

enum {
    SPARSE_TOPS = 0xAA,       /* the high bits of the positions in a byte */
    SPARSE_BOTTOMS = 0x55,    /* and the low ones */
    SPARSE_QUADS = 0x0C080400 /* in a row's four bytes: the first column of each quad of a run */
};

#endif
