#include "lsp_settings.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chunk_ring.h"

void lsp_settings_defaults(struct lsp_settings *settings) {
    *settings = (struct lsp_settings){
        .automatic = 1,
        .warm = 1,
        .typed = {.tokens = 64, .predict_ms = 1000, .least = -1.5},
        .invoked = {.tokens = 128, .predict_ms = 5000},
        .alternatives = 3,
        .temperature = 0.6,
        .prefix_lines = 256,
        .suffix_lines = 32,
        .chunks = RING_CHUNKS,
    };
}

enum kind { FLAG, COUNT, REAL, PATH, WORDS };
struct field {
    const char *name;
    enum kind kind;
    size_t offset;
    double low, high;
};
#define AT(member) offsetof(struct lsp_settings, member)

static const struct field fields[] = {
    {"model", PATH, AT(model), 0, 0},
    {"draft", PATH, AT(draft), 0, 0},
    {"automatic", FLAG, AT(automatic), 0, 0},
    {"warm", FLAG, AT(warm), 0, 0},
    {"automaticTokens", COUNT, AT(typed.tokens), 1, 4096},
    {"automaticMs", COUNT, AT(typed.predict_ms), 0, 600000},
    {"automaticLines", COUNT, AT(typed.lines), 0, 1000},
    {"automaticLogProb", REAL, AT(typed.least), -100, 0},
    {"invokedTokens", COUNT, AT(invoked.tokens), 1, 4096},
    {"invokedMs", COUNT, AT(invoked.predict_ms), 0, 600000},
    {"invokedLines", COUNT, AT(invoked.lines), 0, 1000},
    {"invokedLogProb", REAL, AT(invoked.least), -100, 0},
    {"alternatives", COUNT, AT(alternatives), 1, ALTERNATIVES_MAX},
    {"temperature", REAL, AT(temperature), 0, 100},
    {"prefixLines", COUNT, AT(prefix_lines), 1, 100000},
    {"suffixLines", COUNT, AT(suffix_lines), 0, 100000},
    {"chunks", COUNT, AT(chunks), 0, RING_CHUNKS},
    {"nextEdit", FLAG, AT(next_edit), 0, 0},
    {"languagesOff", WORDS, AT(languages_off), 0, 0},
};

void lsp_settings_free(struct lsp_settings *settings) {
    while (settings->languages_off_count)
        free(settings->languages_off[--settings->languages_off_count]);
}

static int read_words(struct lsp_settings *settings, const json_t *value) {
    if (!json_is_array(value) || json_array_size(value) > LANGUAGES_MAX) return -1;
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!json_is_string(json_array_get(value, i))) return -1;
    lsp_settings_free(settings);
    for (size_t i = 0; i < json_array_size(value); i++) {
        char *word = strdup(json_string_value(json_array_get(value, i)));
        if (word) settings->languages_off[settings->languages_off_count++] = word;
    }
    return 0;
}

/* 0, or -1 if the value is of another type or out of range. */
static int read_field(struct lsp_settings *settings, const struct field *field,
                      const json_t *value) {
    char *to = (char *)settings + field->offset;
    double number = json_number_value(value);
    switch (field->kind) {
    case FLAG:
        if (!json_is_boolean(value)) return -1;
        *(int *)(void *)to = json_is_true(value);
        return 0;
    case COUNT:
        if (!json_is_integer(value) || number < field->low || number > field->high) return -1;
        *(int64_t *)(void *)to = json_integer_value(value);
        return 0;
    case REAL:
        if (!json_is_number(value) || number < field->low || number > field->high) return -1;
        *(double *)(void *)to = number;
        return 0;
    case PATH:
        if (!json_is_string(value) || json_string_length(value) >= PATH_BYTES_MAX) return -1;
        memcpy(to, json_string_value(value), json_string_length(value) + 1);
        return 0;
    case WORDS:
        return read_words(settings, value);
    }
    return -1;
}

static void describe(const struct field *field, char *sentence, size_t bytes) {
    static const char *const kinds[] = {"true or false", "a whole number", "a number",
                                        "the path of a file", "a list of language ids"};
    int n = snprintf(sentence, bytes, "the setting apus.%s expects %s", field->name,
                     kinds[field->kind]);
    if (field->kind == COUNT || field->kind == REAL)
        n += snprintf(sentence + n, bytes - (size_t)n, " from %g to %g", field->low, field->high);
    snprintf(sentence + n, bytes - (size_t)n, "; it stays as it was");
}

void lsp_settings_read(struct lsp_settings *settings, const json_t *object,
                       void (*complain)(void *user, const char *sentence), void *user) {
    char sentence[256];
    if (!json_is_object(object)) return;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const json_t *value = json_object_get(object, fields[i].name);
        if (!value || json_is_null(value) || !read_field(settings, &fields[i], value)) continue;
        describe(&fields[i], sentence, sizeof sentence);
        complain(user, sentence);
    }
}

int lsp_settings_has_language(const struct lsp_settings *settings, const char *language) {
    for (size_t i = 0; i < settings->languages_off_count; i++)
        if (strcmp(settings->languages_off[i], language) == 0) return 0;
    return 1;
}
