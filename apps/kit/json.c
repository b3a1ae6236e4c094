#include "json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "character.h"
#include "exit.h"
#include "fail.h"

json_t *json_bytes(const char *bytes, size_t count) {
    char *text = malloc(3 * count + 1);
    if (!text) return NULL;
    size_t used = 0;
    for (size_t i = 0; i < count;) {
        uint32_t code;
        size_t length = character_read(bytes + i, count - i, &code);
        memcpy(text + used, length ? bytes + i : "\xef\xbf\xbd", length ? length : 3);
        used += length ? length : 3;
        i += length ? length : 1;
    }
    json_t *string = json_stringn(text, used);
    free(text);
    return string;
}

json_t *json_ids(const int32_t *ids, size_t count) {
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(array, json_integer(ids[i]));
    return array;
}

json_t *json_number(double x) { return json_real(isfinite(x) ? x : 0); }

json_t *json_hash(uint64_t hash) { return json_sprintf("%016" PRIx64, hash); }

int json_put(json_t *object) {
    if (!object) return fail(EXIT_FAULT, "no memory left for the JSON object.");
    size_t plain =
        isatty(STDOUT_FILENO) ? JSON_ENSURE_ASCII : 0; /* so that it contains nothing that a
                                                          terminal obeys */
    char *text = json_dumps(object, JSON_REAL_PRECISION(10) | plain);
    json_decref(object);
    if (!text) return fail(EXIT_FAULT, "no memory left for the JSON object.");
    puts(text);
    free(text);
    return EXIT_OK;
}

int json_print(json_t *object) {
    int status = json_put(object);
    return status ? status : output_flush();
}

int output_flush(void) {
    if (!fflush(stdout) && !ferror(stdout)) return EXIT_OK;
    return fail(EXIT_FAULT, "cannot write to standard output: %s.", strerror(errno));
}
