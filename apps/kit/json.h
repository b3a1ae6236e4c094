/* The object behind --json. */
#ifndef KIT_JSON_H
#define KIT_JSON_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* A string of any bytes: what is not UTF-8 becomes U+FFFD, since JSON has no other bytes. */
json_t *json_bytes(const char *bytes, size_t count);
json_t *json_ids(const int32_t *ids, size_t count);
/* A number; what is not finite becomes 0. */
json_t *json_number(double x);
/* 16 hexadecimal digits. */
json_t *json_hash(uint64_t hash);

/* Prints the object on standard output, gives it back to the allocator and returns the exit status:
 * EXIT_FAULT if standard output cannot take it. NULL (no memory) also fails. */
int json_print(json_t *object);

/* The same without looking whether standard output took it. */
int json_put(json_t *object);

/* The same check for text: flushes standard output. */
int output_flush(void);

#endif
