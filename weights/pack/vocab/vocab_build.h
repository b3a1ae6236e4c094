/* Builds the blob's VOCAB section (weights/vocab.h) from what checkpoints carry as a tokenizer. */
#ifndef PACK_VOCAB_BUILD_H
#define PACK_VOCAB_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weights/pack/checkpoint/diag.h"
#include "weights/pack/checkpoint/gguf.h"
#include "weights/vocab.h"

/* What was decided on the way, in sentences, for the person who packs. */
struct vocab_notes {
    char text[400];
};

/* What the model says besides: exactly one of gguf and directory is given. */
struct vocab_request {
    const struct gguf *gguf;
    const char *directory; /* tokenizer.json, or tokenizer.model, or tekken.json in it, the first
                              that is there */
    uint32_t rows;         /* of the embedding; 0: as many as there are pieces. More rows than
                              pieces are padding: unused pieces */
    int64_t bos;           /* of config.json or -1; the tokenizer's own files come first */
    const int32_t *ends;   /* ids that end a generation, eos first; more are added where the
                              tokenizer's files name them */
    size_t ends_count;
    const char *pre; /* the pre-tokenizer's name (vocab_pre_find) in the place of what the files
                        say; NULL: theirs */
    const char *fim; /* the family (fim_form_named) that a middle is asked for by, in the place of
                        what the markers' names say; NULL: theirs */
    struct vocab_notes *notes; /* added to; NULL: nobody wants to know */
};

/* The section, to be freed with free(); NULL with a sentence on failure. It has passed
 * vocab_open. */
void *vocab_build(const struct vocab_request *request, size_t *bytes, struct diag *d);

/* The same from one file, by its name: *.json (tokenizer.json or Tekken's), anything else is
 * SentencePiece's protobuf. */
void *vocab_build_file(const char *path, const struct vocab_request *request, size_t *bytes,
                       struct diag *d);
/* And from such a file's bytes. */
void *vocab_build_memory(const char *name, const void *data, size_t size,
                         const struct vocab_request *request, size_t *bytes, struct diag *d);

/* ---------------------------------------------------------------------- parts of the builder -- */

struct builder_piece {
    uint32_t offset, length; /* in pool */
    uint8_t type;            /* enum vocab_type; 0 while nothing named the id */
    uint8_t added;           /* VOCAB_ADDED_* and BUILDER_ADDED where the text is searched for it */
    float score;
};
enum {
    BUILDER_ADDED = 128,
    BUILDER_PIECE =
        64 /* an added token that is a piece of the model's too, so that merges may make it */
};

/* Where the order of merges comes from. */
enum builder_order {
    BUILDER_SCORES, /* every way to cut a piece in two pieces; better scores first
                       (SentencePiece) */
    BUILDER_IDS,    /* the same; lower ids first (tiktoken) */
    BUILDER_MERGES  /* the merges listed */
};

struct builder_merge {
    uint32_t left, right, result;
};

struct builder_entry {
    uint32_t hash, id;
};
enum { BUILDER_SHIFT = 20, BUILDER_TOPS = 1 << (32 - BUILDER_SHIFT) };

struct builder {
    uint32_t kind, pre, flags; /* of the section */
    enum builder_order order;
    bool all_whole; /* a word that is a piece is never merged (ignore_merges, tiktoken) */
    bool split;     /* SentencePiece: each space begins a word, and no merge goes beyond one */
    struct builder_piece *pieces;
    uint32_t rows;
    uint8_t *pool;
    size_t pool_bytes, pool_room;
    struct builder_merge *merges;
    size_t merges_count, merges_room;
    struct builder_entry
        *index; /* NORMAL pieces by their bytes, sorted; built once all are named */
    uint32_t index_count,
        first[BUILDER_TOPS + 1]; /* where the entries of each highest bits of a hash begin */
    int64_t bos, eos, unk;
    uint32_t ends[64];
    uint32_t ends_count;
    struct vocab_templates templates; /* zeroed names: nothing is known */
    int add_bos; /* -1: not said; 2: the kind of tokenizer does, where it has a bos */
};

void vocab_note(const struct vocab_request *request, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

bool builder_init(struct builder *b, uint32_t rows, struct diag *d);
void builder_free(struct builder *b);
/* Names id, once. Checks range, length and (for VOCAB_SPM, added and control pieces) that it is
 * UTF-8. */
bool builder_piece(struct builder *b, uint64_t id, const void *bytes, size_t length,
                   enum vocab_type type, float score, uint8_t added, struct diag *d);
/* The same for the text of a SentencePiece piece: U+2581 becomes a space in NORMAL ones, <0xNN> its
 * byte in BYTE ones. */
bool builder_spm_piece(struct builder *b, uint64_t id, const char *text, size_t length,
                       enum vocab_type type, float score, uint8_t added, struct diag *d);
/* And for byte BPE: GPT-2's printable stand-ins become bytes in NORMAL pieces. */
bool builder_bpe_piece(struct builder *b, uint64_t id, const char *text, size_t length,
                       enum vocab_type type, uint8_t added, struct diag *d);
/* Bytes of a text in GPT-2's stand-ins; SIZE_MAX if a character is none. out: length bytes. */
size_t builder_unprintable(const char *text, size_t length, uint8_t *out);
/* Call when all pieces are named: fills the table of NORMAL pieces, refuses two of the same
 * bytes. */
bool builder_index(struct builder *b, struct diag *d);
/* id or VOCAB_NONE */
uint32_t builder_find(const struct builder *b, const uint8_t *bytes, size_t length);
/* A merge of two pieces given as the pieces' bytes, in order of rank. */
bool builder_merge(struct builder *b, const uint8_t *left, size_t left_bytes, const uint8_t *right,
                   size_t right_bytes, struct diag *d);
/* Whether a piece is spelled like this in the file it comes from: U+2581 for the spaces of
 * SentencePiece's. */
bool builder_is_spelled(const struct builder *b, const struct builder_piece *p, const char *text,
                        size_t length);
/* A token by its text, whatever its type: id or -1. Not fast. */
int64_t builder_named(const struct builder *b, const char *text, size_t length);
bool builder_end(struct builder *b, int64_t id, struct diag *d);
/* Marks an added token that is a piece too. Its text must stand for itself, which one with a space
 * does not. */
void builder_also_piece(struct builder *b, uint32_t id);
/* When all merges are in: what no merge makes is no piece. A special token that ordinary text
 * becomes anyway is found in any text and shown. */
bool builder_settle_pieces(struct builder *b, const struct vocab_request *r, struct diag *d);
/* A control token instead of a user-defined one. */
void builder_hide(struct builder *b, uint32_t id);
/* Makes a piece a control token that is spelled like this. */
bool builder_respell(struct builder *b, uint32_t id, const char *text, struct diag *d);
/* Whether a token is known by its name, as its file spells it. */
bool vocab_is_name(const char *text, size_t length);
/* Tokens known by their names become control tokens and end a generation. When all merges are in.
 */
bool builder_known_names(struct builder *b, struct diag *d);
/* The templates of prompts, recognised by the names of tokens and by the text of the chat template.
 * When all tokens have their kinds. */
bool builder_recognise_templates(struct builder *b, const struct vocab_request *r, struct diag *d);
void *builder_finish(struct builder *b, size_t *bytes, struct diag *d);

/* The readers: each fills a builder. */
bool vocab_read_gguf(struct builder *b, const struct vocab_request *r, struct diag *d);
bool vocab_read_json(struct builder *b, const char *name, const void *data, size_t size,
                     const struct vocab_request *r, struct diag *d);
bool vocab_read_sentencepiece(struct builder *b, const void *data, size_t size,
                              const struct vocab_request *r, struct diag *d);

#endif
