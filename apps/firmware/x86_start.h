/* x86_start.S, for machine.c. */
#ifndef FIRMWARE_START_H
#define FIRMWARE_START_H

#include <stdint.h>

#include "apps/firmware/efi.h"

struct __attribute__((packed)) table_pointer {
    uint16_t last; /* byte */
    uint64_t at;
};
void load_tables(const struct table_pointer *segments, const struct table_pointer *interrupts);

/* 32 entries of code, 16 bytes each. */
extern const uint8_t exceptions[];

/* Copied to a page below 1 MiB; the words lie inside. */
struct trampoline_words {
    uint32_t cr0, cr3, cr4, efer;
    uint64_t stack, entry;
    uint32_t far, segment; /* far: counted from the page, to which it is added */
    uint16_t segments_last;
    uint32_t segments;
} __attribute__((packed));
extern const uint8_t trampoline[], trampoline_end[], trampoline_words[];

_Noreturn void machine_start(void *image, struct efi_table *table);
_Noreturn void machine_exception(uint64_t number, uint64_t code, uint64_t at);

#endif
