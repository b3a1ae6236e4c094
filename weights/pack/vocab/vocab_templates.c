/* How prompts of the model are written: the family of its fill-in-the-middle tokens, and its chat
 * template, of which only the name goes into the blob. */
#include <stdlib.h>
#include <string.h>

#include "apps/template/chat_forms.h"
#include "apps/template/fim_forms.h"
#include "weights/pack/vocab/vocab_build.h"
#include "weights/pack/vocab/vocab_files.h"

static void name_it(char name[VOCAB_TEMPLATE_NAME], const char *text) {
    strncpy(name, text, VOCAB_TEMPLATE_NAME - 1);
}

/* ------------------------------------------------------------------------ fill in the middle -- */

/* Whether the token can be kept out of ordinary text. */
static bool may_mark(const struct builder *b, int64_t id) {
    if (id < 0 || id >= b->rows || b->pieces[id].added & BUILDER_PIECE) return false;
    return b->pieces[id].type == VOCAB_CONTROL || b->pieces[id].type == VOCAB_USER;
}

static int32_t marker_named(void *builder, const char *text) {
    const struct builder *b = builder;
    int64_t id = builder_named(b, text, strlen(text));
    return may_mark(b, id) ? (int32_t)id : -1;
}

/* Reads the ids that a GGUF file gives, under the present key or the older one. */
static bool markers_of_gguf(const struct builder *b, const struct gguf *g,
                            int32_t ids[APUS_MARKERS], struct diag *d) {
    static const char *const keys[APUS_MARKERS][2] = {
        [APUS_MARKER_PREFIX] = {"tokenizer.ggml.fim_pre_token_id",
                                "tokenizer.ggml.prefix_token_id"},
        [APUS_MARKER_SUFFIX] = {"tokenizer.ggml.fim_suf_token_id",
                                "tokenizer.ggml.suffix_token_id"},
        [APUS_MARKER_MIDDLE] = {"tokenizer.ggml.fim_mid_token_id",
                                "tokenizer.ggml.middle_token_id"},
        [APUS_MARKER_PAD] = {"tokenizer.ggml.fim_pad_token_id", NULL},
        [APUS_MARKER_REPOSITORY] = {"tokenizer.ggml.fim_rep_token_id", NULL},
        [APUS_MARKER_FILE] = {"tokenizer.ggml.fim_sep_token_id", NULL}};
    for (int m = 0; m < APUS_MARKERS; m++)
        for (int k = 0; k < 2 && keys[m][k]; k++) {
            struct gguf_array list;
            enum gguf_found found = gguf_get_ints(g, keys[m][k], &list, d);
            if (found == GGUF_BAD) return false;
            if (found == GGUF_ABSENT) continue;
            int64_t id = list.count ? gguf_array_int(&list, 0) : -1;
            if (may_mark(b, id)) ids[m] = (int32_t)id;
            break;
        }
    return true;
}

/* Writes the model's names in small letters. They tell the family if the tokens alone do not. */
static void model_words(char words[512], const struct vocab_request *r, struct diag *d) {
    struct gguf_text name = {"", 0}, pre = {"", 0};
    if (r->gguf) {
        gguf_get_text(r->gguf, "general.name", &name, d);
        gguf_get_text(r->gguf, "tokenizer.ggml.pre", &pre, d);
    } else if (r->directory) {
        name = (struct gguf_text){r->directory, strlen(r->directory)};
    }
    size_t n = 0;
    for (uint64_t i = 0; i < name.bytes && n < 250; i++) words[n++] = name.data[i];
    words[n++] = ' ';
    for (uint64_t i = 0; i < pre.bytes && n < 510; i++) words[n++] = pre.data[i];
    words[n] = 0;
    for (size_t i = 0; i < n; i++)
        if (words[i] >= 'A' && words[i] <= 'Z') words[i] = (char)(words[i] + 'a' - 'A');
}

/* form: NULL if the model cannot fill in the middle. */
static void mark(struct builder *b, const struct fim_form *form, const int32_t ids[APUS_MARKERS]) {
    if (form) name_it(b->templates.fim, form->name);
    for (int m = 0; m < APUS_MARKERS; m++) {
        b->templates.markers[m] = form && ids[m] >= 0 ? (uint32_t)ids[m] : VOCAB_NONE;
        if (form && ids[m] >= 0) builder_hide(b, (uint32_t)ids[m]);
    }
}

static bool recognise_fim(struct builder *b, const struct vocab_request *r, struct diag *d) {
    char words[512];
    int32_t ids[APUS_MARKERS];
    if (r->fim) {
        const struct fim_form *said = fim_form_named(r->fim);
        const bool all = said && fim_form_ids(said, marker_named, b, ids);
        if (!all && strcmp(r->fim, "none") != 0)
            return diag_fail(d, "the vocabulary has not all markers of \"%s\" (--fim)", r->fim);
        mark(b, all ? said : NULL, ids);
        return true;
    }
    model_words(words, r, d);
    const struct fim_form *form = fim_recognise(marker_named, b, words, ids);
    if (r->gguf && !markers_of_gguf(b, r->gguf, ids, d)) return false;
    if (!form && ids[APUS_MARKER_PREFIX] >= 0 && ids[APUS_MARKER_SUFFIX] >= 0 &&
        ids[APUS_MARKER_MIDDLE] >= 0)
        form = fim_form_named("custom");
    mark(b, form, ids);
    return true;
}

/* -------------------------------------------------------------------------------------- chat -- */

static void recognise_chat(struct builder *b, const struct vocab_request *r, const char *text,
                           size_t bytes) {
    const struct chat_form *form = chat_recognise(text, bytes);
    if (form)
        name_it(b->templates.chat, form->name);
    else
        vocab_note(r, "the chat template is none that is known by name, and is left out");
}

/* The template called "default" in a list, or the first one. */
static json_t *usual_of(json_t *list) {
    size_t i;
    json_t *entry;
    json_array_foreach(list, i, entry) {
        const char *name = json_string_value(json_object_get(entry, "name"));
        if (name && strcmp(name, "default") == 0) return json_object_get(entry, "template");
    }
    return json_object_get(json_array_get(list, 0), "template");
}

/* Looks for the chat template in files beside the tokenizer: first in a file of its own, which is
 * the newer way. */
static bool chat_of_directory(struct builder *b, const struct vocab_request *r, struct diag *d) {
    static const char *const names[] = {"tokenizer_config.json", "chat_template.json"};
    char path[4096];
    if (!r->directory) return true;
    if (vocab_file_path(r->directory, "chat_template.jinja", path, sizeof path)) {
        size_t bytes;
        uint8_t *text = vocab_read_file(path, &bytes, d);
        if (text) recognise_chat(b, r, (const char *)text, bytes);
        free(text);
        return text != NULL;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        json_t *root = vocab_file_beside(r, names[i], d);
        if (!root && d && d->text[0]) return false;
        json_t *value = json_object_get(root, "chat_template");
        if (json_is_array(value)) value = usual_of(value);
        const bool is_there = json_is_string(value);
        if (is_there) recognise_chat(b, r, json_string_value(value), json_string_length(value));
        json_decref(root);
        if (is_there) break;
    }
    return true;
}

bool builder_recognise_templates(struct builder *b, const struct vocab_request *r, struct diag *d) {
    if (!recognise_fim(b, r, d)) return false;
    if (!r->gguf) return chat_of_directory(b, r, d);
    struct gguf_text text;
    enum gguf_found found = gguf_get_text(r->gguf, "tokenizer.chat_template", &text, d);
    if (found == GGUF_FOUND) recognise_chat(b, r, text.data, text.bytes);
    return found != GGUF_BAD;
}
