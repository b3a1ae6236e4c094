/* The parts of a prompt in a list that grows. fim.h and chat.h add to it. */
#ifndef TEMPLATE_PART_LIST_H
#define TEMPLATE_PART_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "apus/apus.h"

/* A list of zeros is empty. The list owns only the array of parts. What the parts point to is
 * constant, or belongs to the caller who asked for the prompt (fim.h and chat.h say which), and has
 * to stay valid as long as the parts are used. */
struct part_list {
    apus_part *parts; /* [count] */
    size_t count, room;
    bool failed; /* memory was short: parts are missing, and no more are added */
};

/* Each of these adds one part. An empty text and no ids add none. */
void part_list_bos(struct part_list *list);
void part_list_text(struct part_list *list, const void *bytes, size_t count, uint32_t flags);
void part_list_string(struct part_list *list, const char *text, uint32_t flags);
void part_list_special(struct part_list *list, const char *text, size_t count);
void part_list_ids(struct part_list *list, const int32_t *ids, size_t count);

/* part_list_clear empties the list and keeps its memory; part_list_free frees it. */
void part_list_clear(struct part_list *list);
void part_list_free(struct part_list *list);

#endif
