/* The settings of a client: initializationOptions, and the section "apus" of its configuration.
 * docs/editors.md has the list. */
#ifndef COMPLETE_LSP_SETTINGS_H
#define COMPLETE_LSP_SETTINGS_H

#include <jansson.h>
#include <stdint.h>

enum { ALTERNATIVES_MAX = 5, PATH_BYTES_MAX = 4096, LANGUAGES_MAX = 64 };

/* How a request of one kind is answered. */
struct lsp_effort {
    int64_t tokens;     /* the most new tokens */
    int64_t predict_ms; /* the most milliseconds for them; 0: any */
    int64_t lines;      /* the most lines; 0: any. It is 1 if there is text after the cursor on its
                           line */
    double least;       /* the mean log-probability below which nothing is shown; 0: any */
};

struct lsp_settings {
    char model[PATH_BYTES_MAX], draft[PATH_BYTES_MAX]; /* "": what the command line says */
    int automatic;                                     /* != 0: answers automatic requests */
    int warm;                                          /* != 0: evaluates ahead of requests */
    struct lsp_effort typed, invoked;
    int64_t alternatives;               /* of an invoked request, 1 .. ALTERNATIVES_MAX */
    double temperature;                 /* of all alternatives but the first */
    int64_t prefix_lines, suffix_lines; /* around the cursor */
    int64_t chunks;                     /* how many pieces of other places, 0 .. RING_CHUNKS */
    int next_edit;                      /* != 0: next edits are predicted */
    char *languages_off[LANGUAGES_MAX]; /* ids of languages that are not completed; allocated */
    size_t languages_off_count;
};

void lsp_settings_defaults(struct lsp_settings *settings);

/* Takes over the settings that an object names; the others stay. A setting of the wrong type or
 * range stays as it was, and complain() gets a sentence that names it. */
void lsp_settings_read(struct lsp_settings *settings, const json_t *object,
                       void (*complain)(void *user, const char *sentence), void *user);

int lsp_settings_has_language(const struct lsp_settings *settings, const char *language);
void lsp_settings_free(struct lsp_settings *settings);

#endif
