/* The lattices of ggml's IQ types: constants of the format, packed.
 *
 * An entry of the IQ1 and IQ2 grids is eight values of 2 bits, of the IQ3 grids four of 3 bits, the
 * first value lowest. What a code stands for is the type's: IQ1 -1, 0, 1; IQ2 8, 25, 43; IQ3_XXS 4,
 * 12, 20, 28, 36, 44, 52, 62; IQ3_S 1, 3, 5 .. 15. */
#ifndef PACK_GGUF_GRIDS_H
#define PACK_GGUF_GRIDS_H

#include <stdint.h>

extern const uint16_t GRID_IQ2_XXS[256], GRID_IQ2_XS[512], GRID_IQ2_S[1024], GRID_IQ3_XXS[256];
extern const uint16_t GRID_IQ3_S[512], GRID_IQ1[2048]; /* IQ1_S and IQ1_M share theirs */

#endif
