/* What a driver has compiled, in the caller's keeping: a header of ours in front, so that what was
 * cut or changed never reaches a driver. A hash is no signature: who can write it can make one. */
#ifndef RUNTIME_PIPELINE_CACHE_H
#define RUNTIME_PIPELINE_CACHE_H

#include <stddef.h>

/* What is behind the header, or NULL (*content 0) if that is not sound. data: 8-aligned or NULL. */
const void *pipeline_cache_read(const void *data, size_t bytes, size_t *content);

#endif
