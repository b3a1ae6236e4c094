/* The object that --json prints. */
#ifndef KIT_JSON_H
#define KIT_JSON_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* A string made of any bytes: bytes that are not UTF-8 become U+FFFD, since JSON has no other
 * bytes. */
json_t *json_bytes(const char *bytes, size_t count);
json_t *json_ids(const int32_t *ids, size_t count);
/* A number; a value that is not finite becomes 0. */
json_t *json_number(double x);
/* A string of 16 hexadecimal digits. */
json_t *json_hash(uint64_t hash);

/* Prints the object on standard output and frees it. Returns the exit status: EXIT_FAULT if
 * standard output cannot be written. NULL (there was no memory for the object) also fails. */
int json_print(json_t *object);

/* The same without checking that standard output could be written. */
int json_put(json_t *object);

/* The same check for text: flushes standard output and returns the exit status. */
int output_flush(void);

#endif
