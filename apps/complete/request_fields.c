#include "request_fields.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const json_t *fields_get(const struct fields *fields, const char *name) {
    const json_t *value = json_object_get(fields->object, name);
    return json_is_null(value) ? NULL : value;
}

void fields_say(struct fields *fields, const char *format, ...) {
    va_list list;
    if (*fields->why) return;
    va_start(list, format);
    vsnprintf(fields->why, sizeof fields->why, format, list);
    va_end(list);
}

static void describe(char *out, size_t room, const json_t *found) {
    switch (json_typeof(found)) {
    case JSON_OBJECT:
        snprintf(out, room, "an object");
        break;
    case JSON_ARRAY:
        snprintf(out, room, "an array");
        break;
    case JSON_STRING:
        snprintf(out, room, "a string");
        break;
    case JSON_INTEGER:
        snprintf(out, room, "%lld", (long long)json_integer_value(found));
        break;
    case JSON_REAL:
        snprintf(out, room, "%g", json_real_value(found));
        break;
    case JSON_TRUE:
        snprintf(out, room, "true");
        break;
    case JSON_FALSE:
        snprintf(out, room, "false");
        break;
    case JSON_NULL:
        snprintf(out, room, "null");
        break;
    }
}

void fields_wrong(struct fields *fields, const char *name, const char *expected,
                  const json_t *found) {
    char what[48] = "nothing";
    if (found) describe(what, sizeof what, found);
    fields_say(fields, "'%s' expects %s, found %s", name, expected, what);
}

int64_t fields_integer(struct fields *fields, const char *name, int64_t low, int64_t high,
                       int64_t usual) {
    const json_t *value = fields_get(fields, name);
    char expected[96];
    if (!value || *fields->why) return usual;
    double real = json_is_number(value) ? json_number_value(value) : 0;
    int64_t whole = json_is_integer(value) ? json_integer_value(value) : 0;
    if (json_is_real(value) && fabs(real) < 9e15) whole = (int64_t)real;
    int is_whole = json_is_integer(value) ||
                   (json_is_real(value) && fabs(real) < 9e15 && (double)whole == real);
    if (is_whole && whole >= low && whole <= high) return whole;
    if (low == INT64_MIN || high == INT64_MAX)
        snprintf(expected, sizeof expected, "a whole number");
    else
        snprintf(expected, sizeof expected, "a whole number from %lld to %lld", (long long)low,
                 (long long)high);
    fields_wrong(fields, name, expected, value);
    return usual;
}

double fields_number(struct fields *fields, const char *name, double low, double high,
                     double usual) {
    const json_t *value = fields_get(fields, name);
    char expected[96];
    if (!value || *fields->why) return usual;
    double number = json_number_value(value);
    if (json_is_number(value) && number >= low && number <= high) return number;
    snprintf(expected, sizeof expected, "a number from %g to %g", low, high);
    fields_wrong(fields, name, expected, value);
    return usual;
}

int fields_flag(struct fields *fields, const char *name, int usual) {
    const json_t *value = fields_get(fields, name);
    if (!value || *fields->why) return usual;
    if (json_is_boolean(value)) return json_is_true(value);
    fields_wrong(fields, name, "true or false", value);
    return usual;
}

const char *fields_text(struct fields *fields, const char *name, const char *usual, size_t *bytes) {
    const json_t *value = fields_get(fields, name);
    const char *text = usual;
    size_t count = usual ? strlen(usual) : 0;
    if (value && !*fields->why && !json_is_string(value))
        fields_wrong(fields, name, "a string", value);
    if (value && !*fields->why) {
        text = json_string_value(value);
        count = json_string_length(value);
    }
    if (bytes) *bytes = count;
    return text;
}

const json_t *fields_list(struct fields *fields, const char *name) {
    const json_t *value = fields_get(fields, name);
    if (!value || *fields->why || json_is_array(value)) return *fields->why ? NULL : value;
    fields_wrong(fields, name, "an array", value);
    return NULL;
}

void fields_refuse(struct fields *fields, const char *name) {
    const json_t *value = fields_get(fields, name);
    if (json_string_length(value) || json_array_size(value) || json_object_size(value))
        fields_say(fields, "'%s' is not supported: leave it out", name);
}
