/* What of a model's text is worth showing at the cursor: from its front, and how much of it.
 *
 * Functions of the texts alone, the same while a text comes (finish_enough: no need to write on)
 * and when it has ended (finish_length). Lines end with \n or \r\n; a line's indentation is in
 * columns, a tab going to the next multiple of `tab`.
 *
 * - The block. Its indentation is that of the line with the cursor, or where that is blank, of the
 *   text's first line. A later line that stands further left ends the text, and so does one at the
 *   block's own indentation behind one that stood further right: what the cursor's line opened is
 *   closed then. A closing bracket or "end" there still belongs to it, and "else" and its kind go
 *   on. Outside of what it opened an empty line ends the text.
 * - What stands behind the cursor is never repeated. The text's first line ends where it begins to
 *   say the rest of the cursor's line, unless that would cut a pair of brackets or quotes that the
 *   text itself opens. A later line that is the next line of the document ends the text; a first
 *   line that makes the cursor's line the same as the next one is shown in no part.
 * - Lines. Of a text that was cut off (by a limit) the last line is dropped where there are others,
 *   and otherwise its last word, which may be half of one. Blank ends are dropped.
 * - Noise. A mean log-probability below `least` is not worth it, and no more is a blank text. */
#ifndef COMPLETE_FINISH_H
#define COMPLETE_FINISH_H

#include <stddef.h>
#include <stdint.h>

struct finish {
    const char *before; /* [before_bytes] text in front of the cursor; its line is enough */
    size_t before_bytes;
    const char *after; /* [after_bytes] behind the cursor: its line, the next one that is not blank
                        */
    size_t after_bytes;
    uint32_t tab;    /* columns, at least 1; 0: 4 */
    uint32_t lines;  /* most lines to show; 0: any number */
    uint32_t indent; /* a later line with fewer columns ends the text, whatever `block` says; 0:
                        none (llama.cpp's n_indent, with a tab of 1) */
    int block;       /* cut at the end of the block */
    int repeats;     /* 1: what stands behind the cursor may be repeated */
    double least;    /* the smallest mean log-probability (natural) of an id; 0: any */
};

/* Whether text [bytes], a front of what is written, has all that will be shown: whatever follows,
 * finish_length gives the same. */
int finish_enough(const struct finish *rules, const char *text, size_t bytes);

/* How many bytes of text [bytes] are shown, whole characters; 0: none. `ended`: the model was done,
 * or finish_enough said so; no limit cut it off. mean: over the text's ids. */
size_t finish_length(const struct finish *rules, const char *text, size_t bytes, int ended,
                     double mean);

#endif
