/* What token healing does with texts that were cut, for compare_heal.py:
 *
 *   heal_tool TOKENIZER
 *
 * TOKENIZER: *.json or a SentencePiece model. Reads {"cut": text, "ids": ids of the whole text} a
 * line and writes {"keep": bytes that are kept, "kept": their ids, "first": the ids that may come
 * first, "may": for each id of the whole text behind the kept ones whether it may come} a line. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tokenizer/vocab_of_file.h"
#include "text/bind.h"
#include "text/heal.h"
#include "text/tokenizer.h"

static struct ids encode(const struct vocab *v, const char *text, size_t bytes) {
    void *scratch = malloc(tokenizer_scratch(v, bytes) + 8);
    struct ids ids = {malloc((bytes + 2) * sizeof(int32_t)), bytes + 2, 0};
    tokenizer_encode(v, (const uint8_t *)text, bytes, 0, &ids, scratch);
    free(scratch);
    return ids;
}

static json_t *list_of(const struct ids *ids) {
    json_t *list = json_array();
    for (size_t i = 0; i < ids->count; i++) json_array_append_new(list, json_integer(ids->to[i]));
    return list;
}

static json_t *answer(const struct vocab *v, const char *cut, size_t bytes, const json_t *whole) {
    void *scratch = malloc(heal_scratch(v));
    size_t keep = heal_keep(v, (const uint8_t *)cut, bytes, 0, scratch);
    struct ids kept = encode(v, cut, keep);
    struct text_bind bind;
    json_t *first = json_array(), *may = json_array();
    if (bytes - keep > APUS_BIND_MAX) exit(1);
    bind_begin(&bind, v, (const uint8_t *)cut + keep, bytes - keep, scratch);
    for (uint32_t id = 0; bind_left(&bind) && id < v->header->rows; id++)
        if (bind_may(&bind, id)) json_array_append_new(first, json_integer(id));
    for (size_t i = kept.count; bind_left(&bind) && i < json_array_size(whole); i++) {
        uint32_t id = (uint32_t)json_integer_value(json_array_get(whole, i));
        int allowed = bind_may(&bind, id);
        json_array_append_new(may, json_boolean(allowed));
        if (!allowed) break;
        bind_take(&bind, id);
    }
    json_t *object = json_pack("{sI so so so}", "keep", (json_int_t)keep, "kept", list_of(&kept),
                               "first", first, "may", may);
    free(kept.to);
    free(scratch);
    return object;
}

int main(int argc, char **argv) {
    struct vocab vocab;
    size_t room = 0;
    char *line = NULL;
    if (argc != 2) return 2;
    void *section = vocab_of_file(&vocab, argv[1]);
    while (getline(&line, &room, stdin) > 0) {
        json_t *asked = json_loads(line, JSON_ALLOW_NUL, NULL);
        const json_t *cut = json_object_get(asked, "cut");
        if (!json_is_string(cut)) return 1;
        json_t *object = answer(&vocab, json_string_value(cut), json_string_length(cut),
                                json_object_get(asked, "ids"));
        json_dumpf(object, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(object);
        json_decref(asked);
    }
    free(line);
    free(section);
    return 0;
}
