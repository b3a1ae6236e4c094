/* x86-64 under UEFI, and then without it: the serial line at 0x3f8, the time stamp counter,
 * vector registers, and the second core by INIT and SIPI. */
#include <stddef.h>
#include <string.h>

#include "apps/firmware/machine.h"
#include "apps/firmware/x86_start.h"
#include "apps/firmware/vector_state.h"

enum {
    SERIAL = 0x3f8,
    STALL = 20000, /* microseconds in which the counter is compared with the firmware's clock */
    STACK = 1 << 17,
    PAGE = 4096,
    CR4_OSXSAVE = 1 << 18,
    MSR_APIC = 0x1b,
    MSR_X2APIC_COMMAND = 0x830,
    APIC_X2 = 1 << 10,
    APIC_INIT = 0x4500,
    APIC_STARTUP = 0x4600,
    NO_PROCESSOR = -1
};

static const uint32_t MSR_EFER = 0xc0000080;

static struct {
    struct efi_runtime *runtime;
    uint64_t ticks_per_ms;
    uint64_t page;   /* below 1 MiB, for the second core's first instructions; 0: none */
    int64_t second;  /* its APIC, or NO_PROCESSOR */
    uint64_t vector; /* XCR0; 0: none */
    uint32_t here;   /* atomic: the second core is */
} machine = {.second = NO_PROCESSOR};

/* ---------------------------------------------------------------------------- instructions -- */

static void out(uint16_t port, uint8_t value) {
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
static uint8_t in(uint16_t port) {
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
static uint64_t ticks(void) {
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}
static uint64_t msr(uint32_t which) {
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(which));
    return (uint64_t)high << 32 | low;
}
static void set_msr(uint32_t which, uint64_t value) {
    __asm__ volatile("wrmsr"
                     :
                     : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(which)
                     : "memory");
}
static void cpuid(uint32_t leaf, uint32_t part, uint32_t out[4]) {
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "a"(leaf), "c"(part));
}

/* ---------------------------------------------------------------------------- the services -- */

void machine_put(uint8_t byte) {
    enum { STATUS = 5, EMPTY = 0x20 };
    while (!(in(SERIAL + STATUS) & EMPTY)) machine_relax();
    out(SERIAL, byte);
}

uint8_t machine_get(void) {
    enum { STATUS = 5, FULL = 0x01 };
    while (!(in(SERIAL + STATUS) & FULL)) machine_relax();
    return in(SERIAL);
}

uint64_t machine_now_ns(void) {
    const uint64_t now = ticks(), per = machine.ticks_per_ms;
    return now / per * 1000000 + now % per * 1000000 / per;
}

void machine_relax(void) { __builtin_ia32_pause(); }

_Noreturn void machine_off(void) {
    machine.runtime->reset(EFI_SHUTDOWN, 0, 0, NULL);
    for (;;) __asm__ volatile("cli; hlt");
}

static void put_text(const char *text) {
    for (; *text; text++) machine_put((uint8_t)*text);
}

static void put_hex(uint64_t n) {
    for (int shift = 60; shift >= 0; shift -= 4)
        machine_put((uint8_t) "0123456789abcdef"[n >> shift & 15]);
}

_Noreturn void machine_exception(uint64_t number, uint64_t code, uint64_t at) {
    put_text("\nfailed: exception, its code, where: ");
    put_hex(number), machine_put(' '), put_hex(code), machine_put(' '), put_hex(at);
    machine_put('\n');
    machine_off();
}

/* ------------------------------------------------------------------------ vector registers -- */

static void read_leaves(struct cpuid_leaves *l) {
    uint32_t r[4];
    *l = (struct cpuid_leaves){0};
    cpuid(0, 0, r);
    l->last = r[0];
    cpuid(1, 0, r);
    l->features = r[2];
    if (l->last >= 7) {
        cpuid(7, 0, r);
        l->extended = r[1];
    }
    if (l->last >= 13) {
        cpuid(13, 0, r);
        l->parts = (uint64_t)r[3] << 32 | r[0];
    }
}

/* On the core that calls. */
static void switch_vectors_on(void) {
    if (!machine.vector) return;
    uint64_t cr4;
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_OSXSAVE) : "memory");
    __asm__ volatile("xsetbv"
                     :
                     : "a"((uint32_t)machine.vector), "d"((uint32_t)(machine.vector >> 32)), "c"(0)
                     : "memory");
}

/* ----------------------------------------------------------------------------- second core -- */

static uint64_t segments[] = {0, 0x00af9a000000ffff, 0x00cf92000000ffff}; /* code, data */

static void wait_us(uint64_t us) {
    const uint64_t end = machine_now_ns() + us * 1000;
    while (machine_now_ns() < end) machine_relax();
}

static void send(uint32_t command) {
    const uint64_t apic = msr(MSR_APIC);
    if (apic & APIC_X2) {
        set_msr(MSR_X2APIC_COMMAND, (uint64_t)machine.second << 32 | command);
        return;
    }
    volatile uint32_t *registers = (volatile uint32_t *)(uintptr_t)(apic & 0xffffff000);
    registers[0x310 / 4] = (uint32_t)machine.second << 24;
    registers[0x300 / 4] = command;
    while (registers[0x300 / 4] & 1 << 12) machine_relax(); /* not sent yet */
}

static _Noreturn void second_core_start(void) {
    switch_vectors_on();
    __atomic_store_n(&machine.here, 1, __ATOMIC_RELEASE);
    second_core_main();
    for (;;) __asm__ volatile("hlt");
}

/* The second core gets the first one's control registers. OSXSAVE comes when it is in C. 0: the
 * firmware's page tables lie where real mode cannot name them. */
static int write_trampoline(void) {
    static _Alignas(64) uint8_t stack[STACK];
    uint8_t *page = (uint8_t *)(uintptr_t)machine.page;
    uint64_t cr0, cr3, cr4;
    __asm__("mov %%cr0, %0" : "=r"(cr0));
    __asm__("mov %%cr3, %0" : "=r"(cr3));
    __asm__("mov %%cr4, %0" : "=r"(cr4));
    if (cr3 > UINT32_MAX) return 0;
    const uintptr_t begin = (uintptr_t)trampoline;
    memcpy(page, trampoline, (uintptr_t)trampoline_end - begin);
    struct trampoline_words *w = (void *)(page + ((uintptr_t)trampoline_words - begin));
    w->cr0 = (uint32_t)cr0;
    w->cr3 = (uint32_t)cr3;
    w->cr4 = (uint32_t)cr4;
    w->efer = (uint32_t)msr(MSR_EFER) & ~(uint32_t)(1 << 10); /* LMA follows from paging */
    w->stack = (uintptr_t)stack + STACK;
    w->entry = (uintptr_t)second_core_start;
    w->far += (uint32_t)machine.page;
    w->segments = (uint32_t)(uintptr_t)segments;
    return 1;
}

int machine_wake_second(void) {
    enum { WAIT_MS = 500 };
    if (machine.second == NO_PROCESSOR || !machine.page) return 0;
    if ((uintptr_t)segments > UINT32_MAX) return 0; /* real mode cannot name them */
    if (!write_trampoline()) return 0;
    send(APIC_INIT);
    wait_us(10000);
    for (int i = 0; i < 2 && !__atomic_load_n(&machine.here, __ATOMIC_ACQUIRE); i++) {
        send(APIC_STARTUP | (uint32_t)(machine.page >> 12));
        wait_us(200);
    }
    for (uint32_t ms = 0; ms < WAIT_MS; ms++) {
        if (__atomic_load_n(&machine.here, __ATOMIC_ACQUIRE)) return 1;
        wait_us(1000);
    }
    return 0;
}

/* --------------------------------------------------------------------------- from firmware -- */

/* The first processor that is not this one. */
static void find_second(struct efi_boot *boot) {
    static const struct efi_guid guid = {
        0x3fdda605, 0xa76e, 0x4f46, {0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08}};
    struct efi_processors *all;
    uint64_t count = 0, enabled = 0;
    void *found = NULL;
    if (boot->locate_protocol(&guid, NULL, &found)) return;
    all = found;
    if (all->count(all, &count, &enabled)) return;
    for (uint64_t i = 0; i < count; i++) {
        struct efi_processor p = {0};
        if (all->describe(all, i, &p)) continue;
        if (!(p.status & EFI_PROCESSOR_FIRST) && p.status & EFI_PROCESSOR_ENABLED) {
            machine.second = (int64_t)p.id;
            return;
        }
    }
}

static void measure_ticks(struct efi_boot *boot) {
    const uint64_t began = ticks();
    boot->stall(STALL);
    machine.ticks_per_ms = (ticks() - began) * 1000 / STALL;
    if (!machine.ticks_per_ms) machine.ticks_per_ms = 1000000;
}

/* The map of memory changes while it is asked for, so a key may be too old once. */
static int leave(struct efi_boot *boot, void *image) {
    static _Alignas(16) uint8_t map[1 << 16];
    for (int i = 0; i < 4; i++) {
        uint64_t bytes = sizeof map, key = 0, each = 0;
        uint32_t version = 0;
        if (boot->memory_map(&bytes, map, &key, &each, &version)) return 0;
        if (!boot->exit(image, key)) return 1;
    }
    return 0;
}

/* From here on the memory of the image and the page are all that is used; the firmware's page
 * tables stay as they are, with every address its own. */
static void take_over(void) {
    enum { GATES = 32, GATE = 0x8e00, CODE = 8 };
    static struct {
        uint16_t low, segment, kind, middle;
        uint32_t high, zero;
    } gate[GATES];
    for (uint32_t i = 0; i < GATES; i++) {
        const uint64_t at = (uintptr_t)exceptions + (uint64_t)i * 16;
        gate[i].low = (uint16_t)at;
        gate[i].segment = CODE;
        gate[i].kind = GATE;
        gate[i].middle = (uint16_t)(at >> 16);
        gate[i].high = (uint32_t)(at >> 32);
    }
    const struct table_pointer s = {sizeof segments - 1, (uintptr_t)segments},
                               g = {sizeof gate - 1, (uintptr_t)gate};
    __asm__ volatile("cli");
    load_tables(&s, &g);
}

_Noreturn void machine_start(void *image, struct efi_table *table) {
    struct cpuid_leaves leaves;
    uint64_t page = 0x9ffff;
    machine.runtime = table->runtime;
    measure_ticks(table->boot);
    find_second(table->boot);
    if (!table->boot->allocate_pages(EFI_BELOW, EFI_LOADER_DATA, 1, &page)) machine.page = page;
    const int left = leave(table->boot, image);
    take_over();
    read_leaves(&leaves);
    machine.vector = vector_state(&leaves);
    switch_vectors_on();
    if (!left) {
        put_text("\nfailed: the firmware did not end its boot services\n");
        machine_off();
    }
    image_main();
}
