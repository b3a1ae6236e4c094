/* JSON as Python's writers leave it, rewritten for a strict reader. Hugging Face files are written
 * and read by Python's json module, and most of their keys mean nothing here. What a strict reader
 * refuses is replaced. So reading does not fail for a value that is not used, but what is wrong is
 * still found in a value that is used:
 *
 *   NaN, Infinity, -Infinity and numbers beyond double
 *       become the array ["<mark>is NaN"], a type that no key is read as;
 *   integers beyond 64 bits
 *       become the same number as a real, as Python's float() of it;
 *   values of one key that occurs several times in an object with different values
 *       become the array ["<mark>is there ..."], each of them.
 *
 * A key that occurs several times with the same text as value stays; the reader takes one of them.
 * Text that is not JSON is left as it is from where it is wrong, so that the reader's message, with
 * its line, fits the file. */
#ifndef PACK_JSON_TEXT_H
#define PACK_JSON_TEXT_H

#include <stddef.h>

/* The string in a marked array begins with this. The rest is the sentence that follows the key's
 * name. */
#define JSON_MARK "\x7f"

/* Returns the rewritten text, which the caller frees, or NULL if there is not enough memory. */
char *json_text_strict(const char *data, size_t bytes, size_t *strict_bytes);

#endif
