/* The next change of a document, predicted by a model that was trained for it: Sweep's models
 * (sweep-next-edit, made from Qwen2.5-Coder), whose format is that of the script that is published
 * with them. The model sees other files, the last changes, the lines around the cursor before the
 * last change and now, and writes these lines as they will be:
 *
 *   <|file_sep|>NAME            other files
 *   TEXT
 *   <|file_sep|>NAME.diff       each of the last changes
 *   original:
 *   LINES
 *   updated:
 *   LINES
 *   <|file_sep|>original/NAME   the window before the last change
 *   LINES
 *   <|file_sep|>current/NAME    the window
 *   LINES
 *   <|file_sep|>updated/NAME    what the model goes on from: it begins with a line end
 *
 * The window is NEXT_EDIT_AROUND lines on either side of the cursor's line, as in training. */
#ifndef COMPLETE_NEXT_EDIT_H
#define COMPLETE_NEXT_EDIT_H

#include "apps/template/fim.h"
#include "documents.h"
#include "edit_history.h"

enum {
    NEXT_EDIT_AROUND = 10,
    NEXT_EDIT_CHANGES = 3,            /* the most changes in a prompt, beside the last one */
    NEXT_EDIT_WINDOW_BYTES = 8 << 10, /* a window of more bytes is not asked about */
    NEXT_EDIT_REJOIN = 2,             /* lines that have to be the window's again for the rest to
                                         be taken as unchanged */
    NEXT_EDIT_ADDED = 64              /* an answer with more lines than this beyond the window's is
                                         not shown */
};

/* A window, which owns its texts. Lines have \n between them and none at the end. */
struct next_edit {
    char *window; /* [bytes] */
    size_t bytes, lines;
    char *original; /* [original_bytes] the window before the last change */
    size_t original_bytes;
    uint32_t first; /* the document's line with which it begins */
    int is_at_end;  /* whether the window's last line is the document's */
};

/* Takes the window around a byte of the document. 0, or -1: it is too large, or no memory. */
int next_edit_open(struct next_edit *edit, const struct document *document, size_t at,
                   const struct history *history);
void next_edit_free(struct next_edit *edit);

/* Adds the prompt to the list, whose parts point to the arguments and to constants. `separator` is
 * the id of the marker. The prompt ends behind the name; the line end is for the model to write.
 * False if memory is short. */
bool next_edit_prompt(struct part_list *list, const struct next_edit *edit,
                      const int32_t *separator, const char *name, const struct fim_file *files,
                      size_t files_count, const struct history *history, uint64_t document);

/* Whether text [bytes], behind the line end, needs no more: it has changed the window and has come
 * back to it. */
int next_edit_enough(const struct next_edit *edit, const char *text, size_t bytes);

/* What an answer changes: the window's lines [from, to) become `lines` lines of text [bytes], which
 * have \n between them. The text is own memory. */
struct next_edit_change {
    size_t from, to, lines;
    char *text;
    size_t bytes;
};

/* Reads the answer, text [bytes] behind the line end. ended: the model ended it. 1: it is a change;
 * 0: it is nothing that should be shown. That is an answer that changes nothing or undoes the last
 * change; that was cut off, is blank, or stops in the window, which would delete the rest of it;
 * that loops, or is much longer than the window; or that has a zero byte, or if memory is short. */
int next_edit_read(const struct next_edit *edit, const char *text, size_t bytes, int ended,
                   struct next_edit_change *change);

/* The same as an edit of the document: text [bytes] in the place of a range. These are whole lines
 * up to the beginning of the line that follows; at the end of a document, where no line follows,
 * the lines with the line end before them. The text is own memory. 0, or -1: no memory. */
struct next_edit_place {
    struct position start, end;
    char *text;
    size_t bytes;
};
int next_edit_place(const struct next_edit *edit, const struct next_edit_change *change,
                    enum column_unit unit, struct next_edit_place *place);

#endif
