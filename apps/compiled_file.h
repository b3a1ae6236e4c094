/* --compiled FILE: what drivers have compiled, kept from run to run. */
#ifndef APPS_COMPILED_FILE_H
#define APPS_COMPILED_FILE_H

#include "apus/apus.h"

struct compiled {
    const char *path; /* NULL: not asked for */
    void *data;
    size_t bytes;
};

/* What the file holds; nothing where there is none yet or it cannot be read, which costs time
 * only. */
void compiled_load(struct compiled *compiled, const char *path);
/* Writes the file anew if a driver of the model's `engines` engines gives something else than it
 * held, the first that gives anything; a warning where that fails. Frees what was read. model NULL:
 * it did not open. */
void compiled_store(struct compiled *compiled, const apus_model *model, uint32_t engines);

#endif
