/* What a file is that somebody took for a model. */
#ifndef KIT_KIND_H
#define KIT_KIND_H

#include <stddef.h>

struct kind {
    const char *what; /* "a web page" */
    const char *then; /* what to do, a clause without a period */
};

enum { KIND_HEAD = 512 }; /* the bytes of a file's beginning that are worth reading */

/* By the first `bytes` bytes of a file, fewer than KIND_HEAD only where the file has no more, else
 * by its name. NULL for what is not known; a GGUF file and a blob are not among the kinds. */
const struct kind *kind_of(const void *head, size_t bytes, const char *name);

#endif
