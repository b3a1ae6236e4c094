/* The ids of conversations under a chat template, for mistral_oracle.py:
 *
 *   chat_ids TOKENIZER TEMPLATE
 *
 * TOKENIZER is a SentencePiece model or a JSON file. Reads a list of {role, content} a line, writes
 * a list of ids a line, or null if the template cannot write the conversation. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/template/chat.h"
#include "tests/tokenizer/vocab_of_file.h"
#include "text/parts.h"

enum { MESSAGES = 16 };

static enum chat_role role_of(const char *name) {
    return !strcmp(name, "system") ? CHAT_SYSTEM
           : !strcmp(name, "user") ? CHAT_USER
                                   : CHAT_ASSISTANT;
}

static json_t *ids_of(const struct vocab *vocab, const struct part_list *list) {
    size_t scratch_bytes = parts_scratch(vocab, parts_text_bytes(list->parts, list->count));
    void *scratch = malloc(scratch_bytes);
    apus_port port = {0};
    struct ids ids = {NULL, 0, 0};
    json_t *all = json_array();
    apus_status status =
        parts_tokenize(vocab, &port, list->parts, list->count, &ids, scratch, scratch_bytes);
    if (status != APUS_OK) exit(1);
    ids = (struct ids){malloc(ids.count * sizeof(int32_t) + 1), ids.count, 0};
    parts_tokenize(vocab, &port, list->parts, list->count, &ids, scratch, scratch_bytes);
    for (size_t i = 0; i < ids.count; i++) json_array_append_new(all, json_integer(ids.to[i]));
    free(ids.to);
    free(scratch);
    return all;
}

static json_t *answer(const struct vocab *vocab, const struct chat *chat, json_t *asked) {
    struct chat_message messages[MESSAGES] = {{0}};
    size_t count = json_array_size(asked);
    if (count > MESSAGES) exit(1);
    for (size_t i = 0; i < count; i++) {
        json_t *entry = json_array_get(asked, i);
        messages[i].role = role_of(json_string_value(json_object_get(entry, "role")));
        messages[i].text = json_string_value(json_object_get(entry, "content"));
        messages[i].bytes = strlen(messages[i].text);
    }
    struct part_list list = {0};
    json_t *ids = NULL;
    if (chat_prompt(&list, chat, messages, count, true) == CHAT_OK) ids = ids_of(vocab, &list);
    part_list_free(&list);
    return ids ? ids : json_null();
}

int main(int argc, char **argv) {
    struct vocab vocab;
    size_t room = 0;
    char *line = NULL;
    if (argc != 3) return 2;
    void *section = vocab_of_file(&vocab, argv[1]);
    const struct chat chat = {.form = chat_form_named(argv[2]), .eos = vocab.header->eos};
    if (!chat.form) return 2;
    while (getline(&line, &room, stdin) > 0) {
        json_t *asked = json_loads(line, 0, NULL), *ids;
        if (!asked) return 1;
        ids = answer(&vocab, &chat, asked);
        json_dumpf(ids, stdout, JSON_ENCODE_ANY | JSON_COMPACT);
        putchar('\n');
        json_decref(ids);
        json_decref(asked);
    }
    free(line);
    free(section);
    return 0;
}
