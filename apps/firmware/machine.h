/* What the machine below the image does for it: x86_machine.c, arm_machine.c. Nothing is called
 * before their code has set up the processor: stack, memory, vector registers. */
#ifndef FIRMWARE_MACHINE_H
#define FIRMWARE_MACHINE_H

#include <stdint.h>

/* One byte to the serial line and from it; both wait. */
void machine_put(uint8_t byte);
uint8_t machine_get(void);

/* Monotonic nanoseconds. */
uint64_t machine_now_ns(void);

/* Wakes the second core, on a stack of its own and with the vector registers of the first: it calls
 * second_core_main, which does not return. Gives 0 if there is none, or it does not come. */
int machine_wake_second(void);
void second_core_main(void);

/* Says to the other threads of a core that it waits. */
void machine_relax(void);

_Noreturn void machine_off(void);

/* The image, called once by the machine's code on the first core. */
_Noreturn void image_main(void);

#endif
