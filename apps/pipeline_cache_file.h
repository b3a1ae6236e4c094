/* --compiled FILE: a file that keeps what drivers have compiled from one run to the next. */
#ifndef APPS_PIPELINE_CACHE_FILE_H
#define APPS_PIPELINE_CACHE_FILE_H

#include "apus/apus.h"

struct pipeline_cache_file {
    const char *path; /* NULL: the option was not given */
    void *data;
    size_t bytes;
};

/* Reads the file. *file has no data if there is no file yet or it cannot be read; then opening
 * only takes longer. */
void pipeline_cache_load(struct pipeline_cache_file *file, const char *path);
/* Writes the file again if the first of the model's `engines` engines whose driver has compiled
 * anything gives other bytes than were read. Prints a warning if that fails. Frees what was read.
 * model NULL: the model could not be opened, and nothing is written. */
void pipeline_cache_store(struct pipeline_cache_file *file, const apus_model *model,
                          uint32_t engines);

#endif
