/* What kind of file was given in place of a model. */
#ifndef KIT_KIND_H
#define KIT_KIND_H

#include <stddef.h>

struct kind {
    const char *what; /* "a web page" */
    const char *then; /* what to do: a clause without a period */
};

enum { KIND_HEAD = 512 }; /* how many bytes of a file's beginning are needed */

/* The kind of a file by its first `bytes` bytes (fewer than KIND_HEAD only if the file has no
 * more), or else by its name. NULL if it is not known; GGUF files and blobs are not among the
 * kinds. */
const struct kind *kind_of(const void *head, size_t bytes, const char *name);

#endif
