/* JSON as Python's writers leave it, rewritten for a strict reader: Hugging Face files are written
 * and read by Python's json, and most of their keys mean nothing here. What no strict reader takes
 * is kept from failing where nobody looks at it, and is found where somebody does:
 *
 *   NaN, Infinity, -Infinity, a number beyond double            the array ["<mark>is NaN ..."]: of
 * no type that a key is read as an integer beyond 64 bits                                   the
 * same number as a real, as Python's float() of it one key several times in an object, with
 * different values   the array ["<mark>is there ..."] in the place of each value
 *
 * The same key with the same text as value several times stays; the reader takes one of them. Text
 * that is no JSON stays what it is where it is wrong, so that the reader's message, with its line,
 * fits the file. */
#ifndef PACK_JSON_TEXT_H
#define PACK_JSON_TEXT_H

#include <stddef.h>

/* What the string in a marked array begins with; the rest is the sentence behind the key's name. */
#define JSON_MARK "\x7f"

/* The text rewritten, to be freed, or NULL where memory is short. */
char *json_text_tamed(const char *data, size_t bytes, size_t *tamed_bytes);

#endif
