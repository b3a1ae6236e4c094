/* Which of a program's slots hold something at the same time, as its operations say: a slot lives
 * from an operation that writes it to the last that reads what was written. Two that never live at
 * once may lie in the same memory. */
#ifndef RUNTIME_LIVES_H
#define RUNTIME_LIVES_H

#include "hal/program.h"

struct lives {
    uint32_t now;                /* the operation; the first is 1 */
    uint32_t written[HAL_SLOTS]; /* when what it holds was; 0: before the program */
    uint32_t touched[HAL_SLOTS]; /* when it was read or written last; 0: never */
    uint32_t beside[HAL_SLOTS];  /* bit t: slot t lives while it does */
};

/* Operations in the program's order. */
void lives_begin(struct lives *lives);
void lives_add(struct lives *lives, const struct hal_op *op);
/* After the last: slots that are still read then, a bit each (the results). */
void lives_end(struct lives *lives, uint32_t slots);

/* Where slots of so many bytes lie: each at the lowest multiple of 64 where it overlaps none that
 * lives beside it, in the order of enum hal_slot. Returns the end of all. */
uint64_t lives_place(const struct lives *lives, const uint64_t bytes[HAL_SLOTS],
                     uint64_t at[HAL_SLOTS]);

#endif
