/* QEMU's machine `virt` on AArch64: a PL011 for the serial line, the generic timer, and PSCI for
 * the second core and the end. */
#include <stddef.h>

#include "apps/firmware/machine.h"

void second_core_entry(void); /* arm_start.S */
_Noreturn void machine_start(void);
_Noreturn void machine_exception(uint64_t why, uint64_t at, uint64_t address);
_Noreturn void second_core_start(void);

static volatile uint32_t *const serial = (volatile uint32_t *)0x09000000;
enum { DATA = 0, FLAGS = 0x18 / 4, CONTROL = 0x30 / 4, NOTHING_IN = 1 << 4, OUT_FULL = 1 << 5 };

static uint32_t here; /* atomic: the second core is */

/* A call of the firmware below, by its number and three arguments. */
static int64_t psci(uint64_t call, uint64_t a, uint64_t b, uint64_t c) {
    register uint64_t x0 __asm__("x0") = call;
    register uint64_t x1 __asm__("x1") = a;
    register uint64_t x2 __asm__("x2") = b;
    register uint64_t x3 __asm__("x3") = c;
    __asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "memory");
    return (int64_t)x0;
}

void machine_put(uint8_t byte) {
    while (serial[FLAGS] & OUT_FULL) machine_relax();
    serial[DATA] = byte;
}

uint8_t machine_get(void) {
    while (serial[FLAGS] & NOTHING_IN) machine_relax();
    return (uint8_t)serial[DATA];
}

uint64_t machine_now_ns(void) {
    uint64_t now, per_second;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(now));
    __asm__("mrs %0, cntfrq_el0" : "=r"(per_second));
    return now / per_second * 1000000000 + now % per_second * 1000000000 / per_second;
}

void machine_relax(void) { __asm__ volatile("yield"); }

_Noreturn void machine_off(void) {
    static const uint64_t SYSTEM_OFF = 0x84000008;
    psci(SYSTEM_OFF, 0, 0, 0);
    for (;;) __asm__ volatile("wfi");
}

static void put_hex(uint64_t n) {
    for (int shift = 60; shift >= 0; shift -= 4)
        machine_put((uint8_t) "0123456789abcdef"[n >> shift & 15]);
}

_Noreturn void machine_exception(uint64_t why, uint64_t at, uint64_t address) {
    static const char text[] = "\nfailed: exception, where, its address: ";
    for (const char *c = text; *c; c++) machine_put((uint8_t)*c);
    put_hex(why), machine_put(' '), put_hex(at), machine_put(' '), put_hex(address);
    machine_put('\n');
    machine_off();
}

_Noreturn void second_core_start(void) {
    __atomic_store_n(&here, 1, __ATOMIC_RELEASE);
    second_core_main();
    for (;;) __asm__ volatile("wfi");
}

int machine_wake_second(void) {
    enum { SECOND = 1 };
    static const uint64_t CPU_ON = 0xc4000003, WAIT_NS = 500000000;
    if (psci(CPU_ON, SECOND, (uintptr_t)second_core_entry, 0)) return 0;
    const uint64_t end = machine_now_ns() + WAIT_NS;
    while (!__atomic_load_n(&here, __ATOMIC_ACQUIRE) && machine_now_ns() < end) machine_relax();
    return (int)__atomic_load_n(&here, __ATOMIC_ACQUIRE);
}

_Noreturn void machine_start(void) {
    serial[CONTROL] = 0x301; /* on, both ways */
    image_main();
}
