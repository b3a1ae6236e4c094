#include "apps/template/fim.h"

#include <string.h>

/* The id of a control token, or -1. The tokenizer finds it; a single part of this kind needs no
 * scratch memory. */
static int32_t id_of(const apus_blob *blob, const char *text) {
    const apus_part part = {APUS_PART_SPECIAL, 0, text, strlen(text)};
    int32_t id = -1;
    size_t count = 0;
    return apus_tokenize(blob, &part, 1, &id, 1, &count, NULL, 0) == APUS_OK && count == 1 ? id
                                                                                           : -1;
}

static void none(struct fim *fim) {
    fim->form = fim_form_named("none");
    for (unsigned m = 0; m < APUS_MARKERS; m++) fim->markers[m] = -1;
}

static enum fim_status open_named(struct fim *fim, const apus_blob *blob, const char *name,
                                  const char **what) {
    const struct fim_form *form = fim_form_named(name);
    *what = name;
    if (!form) return FIM_UNKNOWN;
    /* a form that needs no marker, other than "none", can only be named by a blob */
    if (!form->needed && strcmp(name, "none") != 0) return FIM_MISSING;
    struct fim found = {.form = form};
    for (unsigned m = 0; m < APUS_MARKERS; m++) {
        found.markers[m] = form->marker[m] ? id_of(blob, form->marker[m]) : -1;
        if (found.markers[m] >= 0 || !(form->needed >> m & 1)) continue;
        *what = form->marker[m];
        return FIM_MISSING;
    }
    *fim = found;
    return FIM_OK;
}

enum fim_status fim_open(struct fim *fim, const apus_blob *blob, const char *name,
                         const char **what) {
    const char *ignored;
    apus_templates known = {.size = sizeof known};
    none(fim);
    if (!what) what = &ignored;
    if (apus_blob_templates(blob, &known) != APUS_OK) known.fim = "";
    if (name && strcmp(name, known.fim) != 0) return open_named(fim, blob, name, what);
    if (!*known.fim) return FIM_OK;
    *what = known.fim;
    const struct fim_form *form = fim_form_named(known.fim);
    if (!form) return FIM_UNKNOWN; /* a later packer made this blob */
    fim->form = form;
    memcpy(fim->markers, known.markers, sizeof fim->markers);
    return FIM_OK;
}

bool fim_takes_suffix(const struct fim *fim) { return strchr(fim->form->sequence, 's') != NULL; }

bool fim_prefix_is_last(const struct fim *fim) {
    return fim->form->sequence[strlen(fim->form->sequence) - 1] == 'p';
}

static bool put_marker(struct part_list *list, const struct fim *fim, enum apus_marker marker) {
    if (fim->markers[marker] < 0) return false;
    part_list_ids(list, &fim->markers[marker], 1);
    return true;
}

static void put_text(struct part_list *list, struct fim_text text) {
    part_list_text(list, text.bytes, text.count, 0);
}

/* Adds a name after a file's marker; if the model has no such marker, a line that looks like a
 * heading. */
static void put_name(struct part_list *list, const struct fim *fim, struct fim_text name) {
    if (!name.count) return;
    if (fim->markers[APUS_MARKER_FILE] < 0)
        part_list_string(list, fim->form->heading == FIM_HEADING_PLUS ? "+++++ " : "# ", 0);
    put_text(list, name);
    part_list_string(list, "\n", 0);
}

static void put_file(struct part_list *list, const struct fim *fim, const struct fim_file *file) {
    put_marker(list, fim, APUS_MARKER_FILE);
    put_name(list, fim, file->name);
    put_text(list, file->text);
    if (file->text.count && file->text.bytes[file->text.count - 1] != '\n')
        part_list_string(list, "\n", 0);
    if (fim->form->heading == FIM_HEADING_PLUS) part_list_string(list, "\n", 0);
}

static void put_surroundings(struct part_list *list, const struct fim *fim,
                             const struct fim_request *request) {
    if (request->repository.count && put_marker(list, fim, APUS_MARKER_REPOSITORY)) {
        put_text(list, request->repository);
        if (fim->form->repository_line) part_list_string(list, "\n", 0);
    }
    for (size_t i = 0; i < request->files_count; i++) put_file(list, fim, &request->files[i]);
}

static void put_piece(struct part_list *list, const struct fim *fim,
                      const struct fim_request *request, char piece) {
    const bool named = request->name.count && (request->files_count || request->repository.count);
    switch (piece) {
    case 'P':
        put_marker(list, fim, APUS_MARKER_PREFIX);
        break;
    case 'S':
        put_marker(list, fim, APUS_MARKER_SUFFIX);
        break;
    case 'M':
        put_marker(list, fim, APUS_MARKER_MIDDLE);
        break;
    case 'p':
        put_text(list, request->prefix);
        break;
    case 's': /* begins in the middle of a text, so SentencePiece adds no space before it */
        part_list_text(list, request->suffix.bytes, request->suffix.count, APUS_TEXT_NO_PREFIX);
        break;
    case 'R':
        put_surroundings(list, fim, request);
        break;
    case 'f':
        if (named) put_marker(list, fim, APUS_MARKER_FILE);
        break;
    case 'n':
        if (named) put_name(list, fim, request->name);
        break;
    }
}

bool fim_prompt(struct part_list *list, const struct fim *fim, const struct fim_request *request) {
    part_list_bos(list);
    for (const char *piece = fim->form->sequence; *piece; piece++)
        put_piece(list, fim, request, *piece);
    return !list->failed;
}

size_t fim_ends(const struct fim *fim, int32_t ids[APUS_MARKERS]) {
    size_t count = 0;
    for (unsigned m = 0; m < APUS_MARKERS; m++)
        if (fim->markers[m] >= 0) ids[count++] = fim->markers[m];
    return count;
}
