/* Which tokens of the calibration go to which expert of a layer, and with what weight. A pair is a
 * token with an expert that it chose; the pairs lie in the order of their experts, those of one
 * expert in the order of their tokens. */
#ifndef PACK_EXPERT_PAIRS_H
#define PACK_EXPERT_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weights/format.h"

struct expert_pairs {
    size_t pairs;
    uint32_t *token; /* [pairs] */
    float *weight;   /* [pairs] */
    size_t *first;   /* [experts + 1] of each expert's pairs */
    size_t room, experts_room;
};

/* router: [tokens][experts], the products with the router, its bias included. False if memory is
 * short. */
bool expert_pairs_choose(struct expert_pairs *pairs, const struct blob_variant *variant,
                         const float *router, size_t tokens);
void expert_pairs_free(struct expert_pairs *pairs); /* may be one of zeros */

/* Fills to [pairs of the expert][width] with their tokens' rows of from [tokens][width]. */
void expert_pairs_gather(const struct expert_pairs *pairs, uint32_t expert, const float *from,
                         size_t width, float *to);

#endif
