/* What a driver has compiled, kept by the caller. Our header in front makes sure that bytes that
 * were cut or changed never reach a driver. The hash in it is no signature: whoever can write the
 * bytes can make one. */
#ifndef RUNTIME_PIPELINE_CACHE_H
#define RUNTIME_PIPELINE_CACHE_H

#include <stddef.h>

/* The content after the header, or NULL (and *content 0) if it is not sound. data: 8-aligned or
 * NULL. */
const void *pipeline_cache_read(const void *data, size_t bytes, size_t *content);

#endif
