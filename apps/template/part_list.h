/* Parts of a prompt in one growable list. Makers of prompts (fim.h, chat.h) add to it. */
#ifndef TEMPLATE_PART_LIST_H
#define TEMPLATE_PART_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "apus/apus.h"

/* Zeroed, it is empty. The list owns the array of parts alone: what parts point to are string
 * constants, or bytes and ids of whoever asked for the prompt (the makers' headers say which), and
 * has to stay until the parts are used no more. */
struct part_list {
    apus_part *parts; /* [count] */
    size_t count, room;
    bool failed; /* no memory was left: parts are missing, and none is added any more */
};

/* Each adds one part. An empty text adds none. */
void part_list_bos(struct part_list *list);
void part_list_text(struct part_list *list, const void *bytes, size_t count, uint32_t flags);
void part_list_string(struct part_list *list, const char *text, uint32_t flags);
void part_list_special(struct part_list *list, const char *text, size_t count);
void part_list_ids(struct part_list *list, const int32_t *ids, size_t count);

/* Empties it and keeps its memory; frees it. */
void part_list_clear(struct part_list *list);
void part_list_free(struct part_list *list);

#endif
