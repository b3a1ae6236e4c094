/* Which of a program's slots hold something at the same time, found from its operations. A slot
 * lives from an operation that writes it to the last one that reads what was written. Two slots
 * that never live at the same time may lie in the same memory. */
#ifndef RUNTIME_LIVES_H
#define RUNTIME_LIVES_H

#include "hal/program.h"

struct lives {
    uint32_t now;                /* the current operation; the first is 1 */
    uint32_t written[HAL_SLOTS]; /* when its content was written; 0: before the program */
    uint32_t touched[HAL_SLOTS]; /* when it was last read or written; 0: never */
    uint32_t beside[HAL_SLOTS];  /* bit t: slot t lives at the same time */
};

/* Call this with the operations in the program's order. */
void lives_begin(struct lives *lives);
void lives_add(struct lives *lives, const struct hal_op *op);
/* Call this after the last operation. slots: a bit for each slot that is still read then (the
 * results). */
void lives_end(struct lives *lives, uint32_t slots);

/* Places slots of so many bytes, in the order of enum hal_slot: each at the lowest multiple of 64
 * where it overlaps no slot that lives at the same time. Returns the end of all. */
uint64_t lives_place(const struct lives *lives, const uint64_t bytes[HAL_SLOTS],
                     uint64_t at[HAL_SLOTS]);

#endif
