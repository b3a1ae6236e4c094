/* Places a blob's sections and fills its header. */
#ifndef PACK_SECTIONS_H
#define PACK_SECTIONS_H

#include "weights/format.h"

/* Fills magic, sizes and offsets from header->section[].bytes. */
void sections_place(struct blob_header *header);

/* Fills the model hash, once every section's hash is there. */
void sections_seal(struct blob_header *header);

#endif
