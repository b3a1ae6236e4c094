/* The form of a chat template and the text of its prompt, for jinja_oracle.py: reads an object
 * {template, bos, eos, messages: [{role, content}]} a line, writes {name, prompt} a line. Control
 * tokens are spelled out in the prompt as a template spells them. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/template/chat.h"

static enum chat_role role_of(const char *name) {
    return !strcmp(name, "system") ? CHAT_SYSTEM
           : !strcmp(name, "user") ? CHAT_USER
                                   : CHAT_ASSISTANT;
}

static void spell(FILE *out, const struct part_list *list, const char *bos, const char *eos) {
    for (size_t i = 0; i < list->count; i++) {
        const apus_part *p = &list->parts[i];
        if (p->kind == APUS_PART_BOS)
            fputs(bos, out);
        else if (p->kind == APUS_PART_IDS)
            fputs(eos, out);
        else
            fwrite(p->data, 1, p->count, out);
    }
}

static void answer(json_t *asked) {
    const char *text = json_string_value(json_object_get(asked, "template"));
    const struct chat_form *form = chat_recognise(text, strlen(text));
    if (!form) {
        puts("{\"name\": null}");
        return;
    }
    struct chat_message messages[16] = {{0}};
    size_t count = 0;
    json_t *entry;
    json_array_foreach(json_object_get(asked, "messages"), count, entry) {
        if (count == 16) break;
        const char *content = json_string_value(json_object_get(entry, "content"));
        messages[count].role = role_of(json_string_value(json_object_get(entry, "role")));
        messages[count].text = content, messages[count].bytes = strlen(content);
    }
    const struct chat chat = {.form = form, .eos = 0};
    struct part_list list = {0};
    char *prompt = NULL;
    size_t bytes = 0;
    chat_prompt(&list, &chat, messages, count, true);
    FILE *out = open_memstream(&prompt, &bytes);
    if (!out) exit(1);
    spell(out, &list, json_string_value(json_object_get(asked, "bos")),
          json_string_value(json_object_get(asked, "eos")));
    fclose(out);
    json_t *object = json_pack("{ss ss}", "name", form->name, "prompt", prompt);
    json_dumpf(object, stdout, 0);
    putchar('\n');
    json_decref(object);
    part_list_free(&list);
    free(prompt);
}

int main(void) {
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        json_t *asked = json_loads(line, 0, NULL);
        if (!asked) return 1;
        answer(asked);
        json_decref(asked);
        fflush(stdout);
    }
    free(line);
    return 0;
}
