/* The last changes that were made to the open documents, each as the lines before and after it.
 * From them a model predicts the next change (next_edit.h). What is typed one key at a time is one
 * change: a change that touches the lines of the last one becomes a part of it.
 *
 * Lines end with \n here. A change of more than HISTORY_BYTES_MAX bytes or HISTORY_LINES_MAX lines
 * is not remembered, because it says little and would fill the prompt. */
#ifndef COMPLETE_EDIT_HISTORY_H
#define COMPLETE_EDIT_HISTORY_H

#include <stddef.h>
#include <stdint.h>

enum { HISTORY_CHANGES = 4, HISTORY_BYTES_MAX = 4096, HISTORY_LINES_MAX = 40 };

/* Whole lines, with \n between them and none at the end; `lines` 0: none. The text is own memory,
 * or NULL if it is empty. */
struct history_text {
    char *text; /* [bytes] */
    size_t bytes, lines;
};

struct history_change {
    uint64_t document; /* the document's key */
    char *name;        /* the document's name for the model; own memory */
    struct history_text before, after;
    size_t first; /* the line at which `after` began when the change was last added to */
};

/* Zero is no change. */
struct history {
    struct history_change list[HISTORY_CHANGES]; /* [count] the oldest first */
    size_t count;
    int is_open; /* the last change goes on if the same lines change again */
};

/* Remembers that the document's text was `old` and is now `text`. If memory is short the change is
 * forgotten. */
void history_note(struct history *history, uint64_t document, const char *name, const char *old,
                  size_t old_bytes, const char *text, size_t bytes);

/* The document was opened anew, closed or lost: its last change does not go on. */
void history_end(struct history *history, uint64_t document);

/* The last change, if it is one of this document that can still go on; or NULL. */
const struct history_change *history_last(const struct history *history, uint64_t document);

void history_free(struct history *history);

#endif
