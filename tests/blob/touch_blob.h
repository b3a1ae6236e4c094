/* Uses all that an open blob promises: a wrong promise runs into a guard page or a sanitizer, or
 * aborts. Returns a sum of what it read. */
#ifndef TESTS_TOUCH_BLOB_H
#define TESTS_TOUCH_BLOB_H

#include <stdint.h>

#include "apus/apus.h"

uint64_t touch_blob(const apus_blob *blob);

#endif
