/* How much of a model's text, from its beginning, is worth showing at the cursor.
 *
 * The functions depend only on the texts. They give the same while a text comes (finish_enough: no
 * more has to be written) and when it has ended (finish_length). Lines end with \n or \r\n. A
 * line's indentation is counted in columns, and a tab goes to the next multiple of `tab`.
 *
 * - The block. Its indentation is that of the line with the cursor or, if that is blank, of the
 *   text's first line. A later line that is indented less ends the text. So does a line at the
 *   block's own indentation that follows a line indented more, because what the cursor's line
 *   opened is closed there. A closing bracket or "end" at that place still belongs to the block,
 *   and "else" and similar words continue it. Where nothing is open, an empty line ends the text;
 *   inside of what is open, two empty lines do.
 * - What is after the cursor is never repeated. The text's first line ends where it begins to
 *   repeat the rest of the cursor's line, unless that would cut a pair of brackets or quotes that
 *   the text itself opens. A later line that is the next line of the document ends the text. If the
 *   first line would make the cursor's line the same as the next one, nothing is shown.
 * - Loops, as loop.h defines them. A text ends before the first line that it repeats, whether the
 *   line was said by the text itself or by the lines before the cursor, and before a line that says
 *   one piece again and again. The cursor's line counts as the text's if the text says some of it.
 * - Lines. If a limit cut the text off, its last line is dropped or, if there is only one line, the
 *   last word, which may be half a word. Blanks at the end are dropped.
 * - Noise. A text whose mean log-probability is below `least`, or that is blank, is not shown. */
#ifndef COMPLETE_FINISH_H
#define COMPLETE_FINISH_H

#include <stddef.h>
#include <stdint.h>

enum { FINISH_BEFORE = 32 }; /* lines before the cursor that a loop can repeat */

struct finish {
    const char
        *before; /* [before_bytes] text before the cursor: the cursor's line and, if `loops` is
                           set, FINISH_BEFORE lines before it */
    size_t before_bytes;
    const char *after; /* [after_bytes] text after the cursor: the rest of its line, and the next
                          line that is not blank */
    size_t after_bytes;
    uint32_t tab;    /* columns of a tab, at least 1; 0: 4 */
    uint32_t lines;  /* the most lines to show; 0: any number */
    uint32_t indent; /* a later line with fewer columns ends the text, also without `block`; 0: none
                        does (this is llama.cpp's n_indent, with a tab of 1) */
    int block;       /* cut at the end of the block */
    int repeats;     /* 1: what is after the cursor may be repeated */
    int loops;       /* 1: a text that loops ends */
    double least;    /* the smallest mean log-probability (natural) of an id; 0: any */
};

/* Whether text [bytes], the beginning of what is being written, contains all that will be shown:
 * whatever follows, finish_length gives the same. */
int finish_enough(const struct finish *rules, const char *text, size_t bytes);

/* How many bytes of text [bytes] are shown, in whole characters; 0: none. ended: the model ended
 * the text or finish_enough said so, and no limit cut it off. mean: the mean log-probability of the
 * text's ids. */
size_t finish_length(const struct finish *rules, const char *text, size_t bytes, int ended,
                     double mean);

#endif
