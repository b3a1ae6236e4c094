#include "npu/overlay.h"

#include <assert.h>
#include <string.h>

/* The container's layout, as XRT's xclbin.h has it: a header with a table of sections. The section
 * of kind 32 describes a partition, its columns and its images, by offsets from the beginning of
 * the section. Everything is little-endian and packed. */
enum {
    FILE_LENGTH = 304,
    FILE_ID = 416,
    FILE_SECTIONS_COUNT = 448,
    FILE_SECTIONS = 456,
    SECTION_BYTES = 40,
    SECTIONS_MAX = 64
};
enum { SECTION_KIND = 0, SECTION_OFFSET = 24, SECTION_SIZE = 32, KIND_PARTITION = 32 };
enum {
    PARTITION_BYTES = 184,
    PARTITION_COLUMNS = 32,
    PARTITION_IMAGES = 120,
    IMAGE_ENTRY_BYTES = 96,
    IMAGE_ENTRY_IMAGE = 16
};

const uint8_t overlay_of_model[16] = {'A', 'p', 'u', 's', ' ', 'd', 'e', 'v',
                                      'i', 'c', 'e', ' ', 'm', 'o', 'd', '1'};

static uint64_t number(const uint8_t *p, uint32_t bytes) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < bytes; i++) n |= (uint64_t)p[i] << 8 * i;
    return n;
}

static int inside(uint64_t offset, uint64_t bytes, uint64_t whole) {
    return offset <= whole && bytes <= whole - offset;
}

/* Finds the section that describes the partition, and its bytes. NULL: there is none that is
 * whole. */
static const uint8_t *find_partition(const uint8_t *file, size_t bytes, uint64_t *size) {
    uint64_t count = number(file + FILE_SECTIONS_COUNT, 4);
    if (count > SECTIONS_MAX || !inside(FILE_SECTIONS, count * SECTION_BYTES, bytes)) return NULL;
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t *s = file + FILE_SECTIONS + i * SECTION_BYTES;
        uint64_t offset = number(s + SECTION_OFFSET, 8);
        *size = number(s + SECTION_SIZE, 8);
        if (number(s + SECTION_KIND, 4) != KIND_PARTITION) continue;
        return inside(offset, *size, bytes) && *size >= PARTITION_BYTES ? file + offset : NULL;
    }
    return NULL;
}

const char *overlay_read(struct overlay *o, const void *file, size_t bytes) {
    assert(file || !bytes);
    const uint8_t *f = file;
    uint64_t size;
    if (bytes < FILE_SECTIONS || memcmp(f, "xclbin2", 8) != 0) return "it is no xclbin container";
    if (number(f + FILE_LENGTH, 8) != bytes)
        return "the container is cut short or has something behind it";
    const uint8_t *partition = find_partition(f, bytes, &size);
    if (!partition) return "the container has no sound AIE_PARTITION section";
    uint64_t images = number(partition + PARTITION_IMAGES, 4),
             entries = number(partition + PARTITION_IMAGES + 4, 4);
    if (images != 1 || !inside(entries, IMAGE_ENTRY_BYTES, size))
        return "the container has not just one image";
    const uint8_t *image = partition + entries + IMAGE_ENTRY_IMAGE;
    uint64_t image_bytes = number(image, 4), image_at = number(image + 4, 4);
    if (!image_bytes || !inside(image_at, image_bytes, size))
        return "the container's image lies outside it";
    *o = (struct overlay){f,
                          bytes,
                          {0},
                          partition + image_at,
                          (size_t)image_bytes,
                          (uint32_t)number(partition + PARTITION_COLUMNS, 2)};
    memcpy(o->id, f + FILE_ID, sizeof o->id);
    return NULL;
}
