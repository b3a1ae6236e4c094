#include "weights/pack/sections.h"

#include <string.h>

#include "weights/hash.h"

void sections_place(struct blob_header *header) {
    uint64_t next = sizeof *header;
    memcpy(header->magic, "APUS", 4);
    header->version = BLOB_VERSION;
    header->header_bytes = sizeof *header;
    header->sections = BLOB_SECTIONS;
    for (int kind = 0; kind < BLOB_SECTIONS; kind++) {
        header->section[kind].offset = next;
        next = (next + header->section[kind].bytes + BLOB_ALIGN - 1) / BLOB_ALIGN * BLOB_ALIGN;
    }
    header->file_bytes = next;
}

void sections_seal(struct blob_header *header) {
    header->model_hash = hash64(header->section, sizeof header->section);
}
