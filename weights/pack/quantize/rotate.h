/* The rotations of docs/numerics.md section 8, applied to row vectors: x becomes x M.
 *
 * With n = p * m and p the largest power of two in n, M is (H_p (x) C_m), with a diagonal of signs
 * before it if `signs`. H_p is the normalised Hadamard matrix, C_m the orthonormal DCT-II: C[i][k]
 * = s_i cos(pi (2 k + 1) i / (2 m)), s_0 = sqrt(1/m), else sqrt(2/m). Element a * m + i of a vector
 * belongs to row a of H and row i of C. Sign i is minus where the top bit of (i + 1) *
 * 0x9E3779B97F4A7C15, xor-shifted right by 29 and multiplied by 0xBF58476D1CE4E5B9, is set. */
#ifndef PACK_ROTATE_H
#define PACK_ROTATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STRIP = 16 }; /* vectors lie side by side: element i of vector j is x[i * STRIP + j] */

struct rotation {
    uint32_t n, p, m;
    float scale; /* 1 / sqrt(p) */
    bool signs;
    float *table; /* [m][m], element [i][k] goes from i to k; NULL if m is 1 */
};

/* transposed: uses the transpose of C_m in place of C_m. False if memory is short. */
bool rotation_init(struct rotation *rotation, uint32_t n, bool signs, bool transposed);
void rotation_free(struct rotation *rotation); /* also one all zero */
bool rotation_negative(uint64_t i);

/* Rotates STRIP vectors at once, in place. scratch: [m][STRIP]. The order of operations depends
 * only on n. */
void rotation_apply(const struct rotation *rotation, float *x, float *scratch);

#endif
