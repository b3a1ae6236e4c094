/* The few of UEFI's calls that the image makes (UEFI 2.9: 4.3, 7, 8.5; PI 1.7 volume 2: 13.4), by
 * their place in their tables. */
#ifndef FIRMWARE_EFI_H
#define FIRMWARE_EFI_H

#include <stdint.h>

#define EFIAPI __attribute__((ms_abi))

typedef uint64_t efi_status; /* 0: done */

struct efi_header {
    uint64_t signature;
    uint32_t revision, bytes, crc, reserved;
};

struct efi_guid {
    uint32_t a;
    uint16_t b, c;
    uint8_t d[8];
};

struct efi_boot {
    struct efi_header header;
    void *tpl[2];
    efi_status(EFIAPI *allocate_pages)(uint32_t how, uint32_t kind, uint64_t pages, uint64_t *at);
    void *free_pages;
    efi_status(EFIAPI *memory_map)(uint64_t *bytes, void *map, uint64_t *key, uint64_t *each,
                                   uint32_t *version);
    void *between[21];
    efi_status(EFIAPI *exit)(void *image, uint64_t key);
    void *monotonic_count;
    efi_status(EFIAPI *stall)(uint64_t microseconds);
    void *behind[8];
    efi_status(EFIAPI *locate_protocol)(const struct efi_guid *protocol, void *key, void **found);
};
_Static_assert(__builtin_offsetof(struct efi_boot, exit) == 232, "as UEFI lays it out");
_Static_assert(__builtin_offsetof(struct efi_boot, stall) == 248, "as UEFI lays it out");
_Static_assert(__builtin_offsetof(struct efi_boot, locate_protocol) == 320, "as UEFI has it");

enum { EFI_BELOW = 1, EFI_LOADER_DATA = 2, EFI_SHUTDOWN = 2 };

struct efi_runtime {
    struct efi_header header;
    void *before[10];
    void(EFIAPI *reset)(uint32_t kind, efi_status status, uint64_t bytes, const void *data);
};
_Static_assert(__builtin_offsetof(struct efi_runtime, reset) == 104, "as UEFI lays it out");

struct efi_table {
    struct efi_header header;
    void *before[8];
    struct efi_runtime *runtime;
    struct efi_boot *boot;
};
_Static_assert(__builtin_offsetof(struct efi_table, boot) == 96, "as UEFI lays it out");

struct efi_processor {
    uint64_t id; /* of its APIC */
    uint32_t status, package, core, thread, more[8];
};
enum { EFI_PROCESSOR_FIRST = 1, EFI_PROCESSOR_ENABLED = 2, EFI_PROCESSOR_HEALTHY = 4 };

struct efi_processors {
    efi_status(EFIAPI *count)(struct efi_processors *self, uint64_t *all, uint64_t *enabled);
    efi_status(EFIAPI *describe)(struct efi_processors *self, uint64_t number,
                                 struct efi_processor *processor);
};

#endif
