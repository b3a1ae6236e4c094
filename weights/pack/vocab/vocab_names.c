/* Tokens that are recognized by their names: those that end a generation, and those that mark the
 * parts of a fill-in-the-middle prompt. Some files do not say what these tokens are for, or call
 * them ordinary. The names are those that llama.cpp knows, and the same without bars, as
 * StarCoder's family has them. */
#include <stdlib.h>
#include <string.h>

#include "text/unicode.h"
#include "weights/pack/vocab/vocab_build.h"

static const struct {
    const char *name;
    bool ends;
} NAMES[] = {
    {"<|eot_id|>", true},
    {"<|eom_id|>", true},
    {"<|im_end|>", true},
    {"<|end|>", true},
    {"<|return|>", true},
    {"<|call|>", true},
    {"<|calls|>", true},
    {"<|flush|>", true},
    {"<|endoftext|>", true},
    {"<|end_of_text|>", true},
    {"<|EOT|>", true},
    {"<EOT>", true},
    {"_<EOT>", true},
    {"\xE2\x96\x81<EOT>", true},
    {"[EOT]", true},
    {"[EOS]", true},
    {"</s>", true},
    {"<eos>", true},
    {"<end_of_turn>", true},
    {"<turn|>", true},
    {"<|tool_response>", true},
    {"<end_of_utterance>", true},
    {"<\xEF\xBD\x9C"
     "end\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>",
     true},
    {"[e~[", true},
    /* Padding, and tokens that begin another file or repository. Nothing after them belongs to a
     * completion. */
    {"<|fim_pad|>", true},
    {"<fim-pad>", true},
    {"<fim_pad>", true},
    {"<PAD>", true},
    {"[PAD]", true},
    {"<|fim_repo|>", true},
    {"<|repo_name|>", true},
    {"<fim-repo>", true},
    {"<REPO>", true},
    {"<reponame>", true},
    {"<repo_name>", true},
    {"<|file_sep|>", true},
    {"<file_sep>", true},
    {"<|fim_prefix|>", false},
    {"<fim-prefix>", false},
    {"<fim_prefix>", false},
    {"<\xEF\xBD\x9C"
     "fim\xE2\x96\x81"
     "begin\xEF\xBD\x9C>",
     false},
    {"<PRE>", false},
    {"\xE2\x96\x81<PRE>", false},
    {"<|code_prefix|>", false},
    {"<|prefix|>", false},
    {"<|fim_suffix|>", false},
    {"<fim-suffix>", false},
    {"<fim_suffix>", false},
    {"<\xEF\xBD\x9C"
     "fim\xE2\x96\x81hole\xEF\xBD\x9C>",
     false},
    {"<SUF>", false},
    {"\xE2\x96\x81<SUF>", false},
    {"<|code_suffix|>", false},
    {"<|suffix|>", false},
    {"<|fim_middle|>", false},
    {"<fim-middle>", false},
    {"<fim_middle>", false},
    {"<\xEF\xBD\x9C"
     "fim\xE2\x96\x81"
     "end\xEF\xBD\x9C>",
     false},
    {"<MID>", false},
    {"\xE2\x96\x81<MID>", false},
    {"<|code_middle|>", false},
    {"<|middle|>", false},
};
enum { NAMES_COUNT = sizeof NAMES / sizeof *NAMES };

bool vocab_is_name(const char *text, size_t length) {
    for (int i = 0; i < NAMES_COUNT; i++)
        if (strlen(NAMES[i].name) == length && memcmp(NAMES[i].name, text, length) == 0)
            return true;
    return false;
}

static uint8_t *made_by_merges(const struct builder *b) {
    uint8_t *made = calloc(1, b->rows / 8 + 1);
    for (size_t i = 0; made && i < b->merges_count; i++)
        made[b->merges[i].result / 8] |= (uint8_t)(1 << b->merges[i].result % 8);
    return made;
}

/* Whether ordinary text may become this piece: because a merge makes it, because it is a single
 * character, or, if all ways to cut a piece are merges, because it looks like a word. */
static bool text_makes(const struct builder *b, uint32_t id, const uint8_t *made) {
    const struct builder_piece *p = &b->pieces[id];
    const char *text = (const char *)b->pool + p->offset;
    uint32_t code;
    if (p->type != VOCAB_NORMAL && !(p->added & BUILDER_PIECE)) return false;
    if (b->order == BUILDER_MERGES)
        return made[id / 8] >> (id % 8) & 1 || p->length == 1 ||
               (b->kind == VOCAB_SPM &&
                utf8_read((const uint8_t *)text, p->length, &code) == p->length);
    return p->length < 3 || (memcmp(text, "<|", 2) != 0 && memcmp(text, " <", 2) != 0);
}

void builder_also_piece(struct builder *b, uint32_t id) {
    struct builder_piece *p = &b->pieces[id];
    for (uint32_t i = 0; i < p->length; i++)
        if (b->pool[p->offset + i] <= ' ' || b->pool[p->offset + i] >= 127) return;
    p->added |= BUILDER_PIECE;
}

bool builder_settle_pieces(struct builder *b, const struct vocab_request *r, struct diag *d) {
    uint8_t *made = made_by_merges(b);
    for (uint32_t id = 0; made && id < b->rows; id++) {
        struct builder_piece *p = &b->pieces[id];
        if (!(p->added & BUILDER_PIECE)) continue;
        if (!text_makes(b, id, made)) {
            p->added &= (uint8_t)~BUILDER_PIECE;
        } else if (p->type == VOCAB_CONTROL) {
            p->type = VOCAB_USER;
            vocab_note(r, "special token \"%.*s\" is ordinary text too, and is taken as such",
                       (int)p->length, (const char *)b->pool + p->offset);
        }
    }
    free(made);
    return made || diag_fail(d, "out of memory for the vocabulary's names");
}

void builder_hide(struct builder *b, uint32_t id) {
    struct builder_piece *p = &b->pieces[id];
    if (p->type == VOCAB_USER) p->type = VOCAB_CONTROL;
}

static int name_of(const struct builder *b, const struct builder_piece *p) {
    if (p->length == 0 || p->length > 40 || !strchr("<[_ \xE2", b->pool[p->offset])) return -1;
    for (int i = 0; i < NAMES_COUNT; i++)
        if (builder_is_spelled(b, p, NAMES[i].name, strlen(NAMES[i].name))) return i;
    return -1;
}

bool builder_known_names(struct builder *b, struct diag *d) {
    uint8_t *made = made_by_merges(b);
    bool good = made || diag_fail(d, "out of memory for the vocabulary's names");
    /* In the format "harmony", <|end|> only ends a part of the answer. */
    bool harmony = builder_named(b, "<|call|>", 8) >= 0 && builder_named(b, "<|return|>", 10) >= 0;
    for (uint32_t id = 0; good && id < b->rows; id++) {
        struct builder_piece *p = &b->pieces[id];
        int name = p->type == VOCAB_CONTROL || p->type == VOCAB_USER || p->type == VOCAB_NORMAL
                       ? name_of(b, p)
                       : -1;
        if (name < 0 || text_makes(b, id, made)) continue;
        if (p->type == VOCAB_NORMAL) good = builder_respell(b, id, NAMES[name].name, d);
        builder_hide(b, id);
        if (good && NAMES[name].ends && !(harmony && strcmp(NAMES[name].name, "<|end|>") == 0))
            good = builder_end(b, id, d);
    }
    free(made);
    /* A token that ends a text is not part of the text. */
    for (uint32_t i = 0; good && i < b->ends_count; i++) builder_hide(b, b->ends[i]);
    return good;
}
