#include "apps/template/part_list.h"

#include <stdlib.h>
#include <string.h>

static void add(struct part_list *list, apus_part part) {
    if (list->failed) return;
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 32;
        apus_part *more = realloc(list->parts, room * sizeof *more);
        list->failed = !more;
        if (!more) return;
        list->parts = more;
        list->room = room;
    }
    list->parts[list->count++] = part;
}

void part_list_bos(struct part_list *list) { add(list, (apus_part){.kind = APUS_PART_BOS}); }

void part_list_text(struct part_list *list, const void *bytes, size_t count, uint32_t flags) {
    if (count) add(list, (apus_part){APUS_PART_TEXT, flags, bytes, count});
}

void part_list_string(struct part_list *list, const char *text, uint32_t flags) {
    part_list_text(list, text, strlen(text), flags);
}

void part_list_special(struct part_list *list, const char *text, size_t count) {
    add(list, (apus_part){APUS_PART_SPECIAL, 0, text, count});
}

void part_list_ids(struct part_list *list, const int32_t *ids, size_t count) {
    if (count) add(list, (apus_part){APUS_PART_IDS, 0, ids, count});
}

void part_list_clear(struct part_list *list) {
    list->count = 0;
    list->failed = false;
}

void part_list_free(struct part_list *list) {
    free(list->parts);
    memset(list, 0, sizeof *list);
}
