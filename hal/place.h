/* Where the parts of a piece of the caller's memory lie.
 *
 * There is one walk over the parts for each kind of memory. To measure is to walk and to take the
 * end; to open is to walk again and to add the offsets to the first byte. So what is measured is
 * exactly what is used, and a part that is added to the walk is added to both.
 *
 *     struct place walk = {0};
 *     at.ids = place_next(&walk, context, sizeof(int32_t));
 *     at.text = place_next(&walk, 1, text_bytes);
 *     at.bytes = walk.end;                          this is what measuring gives
 *     session->ids = place_at(arena, at.ids);       this is how opening uses it
 *
 * Every part begins at a line of 64 bytes, since kernels load whole lines, and no two threads'
 * parts share one. The walks nest: a part's own parts are placed by its owner's walk.
 *
 *   an arena (runtime/plan.c); those in () are there where the configuration asks for them
 *     +---------+-----+-------+----------+--------+------+--------+--------+-------------------+
 *     | session | ids | fresh | tokenize | sample | text | (pool) | target | (draft: its ids,  |
 *     |         |     |  ids  | scratch  | scratch| out  |        |        |  places, sequence)|
 *     +---------+-----+-------+----------+--------+------+--------+---|----+-------------------+
 *                                                                     v
 *   a sequence, which is a model with its cache (runtime/sequence.c)
 *     +---------+-------+----------------------+-------+--------------------------+
 *     | columns | table | a program per engine | slots | cache of layer 0, 1, ... |
 *     | of pass | of kv |                      |       | (hal/kv.h), to the end   |
 *     +---------+-------+----------|-----------+-------+--------------------------+
 *                                  v
 *   a program: cpu/backend.c [program, scratch per thread], igpu/layout.c [program, handles ...],
 *   npu/npu_program.c [program, which operations, the CPU's program]
 *
 *   a model's memory (runtime/model.c)
 *     +-------+--------------------+-----------------------------+------------------------------+
 *     | model | the blob's records | operations, their weights   | an engine's model per engine |
 *     +-------+--------------------+-----------------------------+------------------------------+
 *
 * Offsets have 64 bits, also where addresses have 32, and they saturate: what cannot be counted is
 * PLACE_FULL, which is larger than any memory and refused with APUS_E_SPACE. */
#ifndef HAL_PLACE_H
#define HAL_PLACE_H

#include <assert.h>
#include <stdint.h>

enum { PLACE_LINE = 64 };

/* A multiple of every alignment up to 4096. */
#define PLACE_FULL (~(uint64_t)4095)

struct place {
    uint64_t end; /* bytes so far */
};

/* Rounds bytes up to a multiple of `to`, a power of two up to 4096. */
static inline uint64_t place_up(uint64_t bytes, uint64_t to) {
    assert(to && to <= 4096 && (to & (to - 1)) == 0);
    return bytes > PLACE_FULL - to ? PLACE_FULL : (bytes + to - 1) & ~(to - 1);
}

static inline uint64_t place_product(uint64_t count, uint64_t bytes) {
    return bytes && count > PLACE_FULL / bytes ? PLACE_FULL : count * bytes;
}

/* Returns the offset of a part of count * bytes. The walk is then after that part, at a multiple of
 * `to`. */
static inline uint64_t place_next_to(struct place *walk, uint64_t count, uint64_t bytes,
                                     uint64_t to) {
    const uint64_t here = walk->end, more = place_product(count, bytes);
    walk->end = more > PLACE_FULL - here ? PLACE_FULL : place_up(here + more, to);
    return here;
}

static inline uint64_t place_next(struct place *walk, uint64_t count, uint64_t bytes) {
    return place_next_to(walk, count, bytes, PLACE_LINE);
}

/* The part at `offset` of memory, which is as large as the walk has measured. */
static inline void *place_at(void *memory, uint64_t offset) {
    return (uint8_t *)memory + (uintptr_t)offset;
}

#endif
