/* Builds the blob's VOCAB section (weights/vocab.h) from what checkpoints carry as a tokenizer. */
#ifndef PACK_VOCAB_BUILD_H
#define PACK_VOCAB_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weights/pack/checkpoint/diag.h"
#include "weights/pack/checkpoint/gguf.h"
#include "weights/vocab.h"

/* What was decided while reading, in sentences for the person who packs. */
struct vocab_notes {
    char text[400];
};

/* What the tokenizer is built from. Exactly one of gguf and directory is given. */
struct vocab_request {
    const struct gguf *gguf;
    const char *directory; /* the first of tokenizer.json, tokenizer.model and tekken.json that is
                              in it is read */
    uint32_t rows;         /* rows of the embedding; 0: as many as there are pieces. If there are
                              more rows than pieces, the rest is padding: unused pieces */
    int64_t bos;           /* the bos of config.json, or -1; it counts if the tokenizer's own files
                              name none */
    const int32_t *ends;   /* ids that end a generation, eos first; those that the tokenizer's files
                              name are added */
    size_t ends_count;
    const char *pre; /* the pre-tokenizer's name (vocab_pre_find), to be used instead of what the
                        files say; NULL: what they say */
    const char *fim; /* the family of fill-in-the-middle prompts (fim_form_named), to be used
                        instead of what the markers' names say; NULL: what they say */
    struct vocab_notes *notes; /* notes are added to this; NULL: they are not wanted */
};

/* Builds the section, which the caller frees with free(). NULL with a sentence on failure.
 * vocab_open has accepted it. */
void *vocab_build(const struct vocab_request *request, size_t *bytes, struct diag *d);

/* The same from one file. If its name ends with .json it is a tokenizer.json or Tekken's file;
 * otherwise it is SentencePiece's protobuf. */
void *vocab_build_file(const char *path, const struct vocab_request *request, size_t *bytes,
                       struct diag *d);
/* The same from the bytes of such a file. */
void *vocab_build_memory(const char *name, const void *data, size_t size,
                         const struct vocab_request *request, size_t *bytes, struct diag *d);

/* ---------------------------------------------------------------------- parts of the builder -- */

struct builder_piece {
    uint32_t offset, length; /* in pool */
    uint8_t type;            /* enum vocab_type; 0 until the id is named */
    uint8_t added;           /* VOCAB_ADDED_* and BUILDER_ADDED if text is searched for the token */
    float score;
};
enum {
    BUILDER_ADDED = 128,
    BUILDER_PIECE = 64 /* an added token that is also a piece of the model, so that merges may make
                          it */
};

/* Where the order of merges comes from. */
enum builder_order {
    BUILDER_SCORES, /* every way to cut a piece into two pieces is a merge; higher scores come first
                       (SentencePiece) */
    BUILDER_IDS,    /* the same, but lower ids come first (tiktoken) */
    BUILDER_MERGES  /* the file lists the merges */
};

struct builder_merge {
    uint32_t left, right, result;
};

struct builder_entry {
    uint32_t hash, id;
};
enum { BUILDER_SHIFT = 20, BUILDER_TOPS = 1 << (32 - BUILDER_SHIFT) };

struct builder {
    uint32_t kind, pre, flags; /* as in the section's header */
    enum builder_order order;
    bool all_whole; /* a word that is a piece is never merged (ignore_merges, tiktoken) */
    bool split;     /* SentencePiece: each space begins a word, and no merge crosses from one word
                       into the next */
    struct builder_piece *pieces;
    uint32_t rows;
    uint8_t *pool;
    size_t pool_bytes, pool_room;
    struct builder_merge *merges;
    size_t merges_count, merges_room;
    struct builder_entry *index; /* the NORMAL pieces sorted by their bytes; built when all are
                                    named */
    uint32_t index_count;
    uint32_t first[BUILDER_TOPS + 1]; /* for each value of a hash's highest bits, where its entries
                                         begin */
    int64_t bos, eos, unk;
    uint32_t ends[64];
    uint32_t ends_count;
    struct vocab_templates templates; /* names of zeros: nothing is known */
    int add_bos; /* 1 or 0: a file says so; 2: this kind of tokenizer does, if it has a bos; -1: not
                    known */
};

void vocab_note(const struct vocab_request *request, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

bool builder_init(struct builder *b, uint32_t rows, struct diag *d);
void builder_free(struct builder *b);
/* Names an id, which may be done once. Checks the range and the length, and (for VOCAB_SPM, added
 * and control pieces) that the text is UTF-8. */
bool builder_piece(struct builder *b, uint64_t id, const void *bytes, size_t length,
                   enum vocab_type type, float score, uint8_t added, struct diag *d);
/* The same for the text of a SentencePiece piece: U+2581 becomes a space in NORMAL pieces, and
 * <0xNN> becomes its byte in BYTE pieces. */
bool builder_spm_piece(struct builder *b, uint64_t id, const char *text, size_t length,
                       enum vocab_type type, float score, uint8_t added, struct diag *d);
/* The same for byte BPE: GPT-2's printable characters become the bytes that they stand for in
 * NORMAL pieces. */
bool builder_bpe_piece(struct builder *b, uint64_t id, const char *text, size_t length,
                       enum vocab_type type, uint8_t added, struct diag *d);
/* Writes the bytes that a text in GPT-2's printable characters stands for. out: room for length
 * bytes. Returns how many there are, or SIZE_MAX if a character stands for no byte. */
size_t builder_unprintable(const char *text, size_t length, uint8_t *out);
/* Call this when all pieces are named. Fills the table of NORMAL pieces, and refuses two that have
 * the same bytes. */
bool builder_index(struct builder *b, struct diag *d);
/* id or VOCAB_NONE */
uint32_t builder_find(const struct builder *b, const uint8_t *bytes, size_t length);
/* Adds a merge of two pieces, which are given by their bytes. Call it in the order of the ranks. */
bool builder_merge(struct builder *b, const uint8_t *left, size_t left_bytes, const uint8_t *right,
                   size_t right_bytes, struct diag *d);
/* Whether a piece is spelled like this in the file that it comes from, where SentencePiece has
 * U+2581 for a space. */
bool builder_is_spelled(const struct builder *b, const struct builder_piece *p, const char *text,
                        size_t length);
/* The id of the token with this text, of whatever type, or -1. It goes through all pieces. */
int64_t builder_named(const struct builder *b, const char *text, size_t length);
bool builder_end(struct builder *b, int64_t id, struct diag *d);
/* Marks an added token that is also a piece, if its text stands for itself. A text with a space
 * does not. */
void builder_also_piece(struct builder *b, uint32_t id);
/* Call this when all merges are added. An added token that no merge makes does not count as a
 * piece. A special token that ordinary text becomes anyway is taken as an ordinary added token:
 * found in every text, and shown. */
bool builder_settle_pieces(struct builder *b, const struct vocab_request *r, struct diag *d);
/* Makes a user-defined token a control token. */
void builder_hide(struct builder *b, uint32_t id);
/* Makes a piece a control token with this spelling. */
bool builder_respell(struct builder *b, uint32_t id, const char *text, struct diag *d);
/* Whether this is one of the known names (vocab_names.c), as a file spells it. */
bool vocab_is_name(const char *text, size_t length);
/* Tokens with known names become control tokens, and some of them end a generation. Call this when
 * all merges are added. */
bool builder_known_names(struct builder *b, struct diag *d);
/* Recognises the templates of prompts by the names of tokens and by the text of the chat template.
 * Call this when all tokens have their types. */
bool builder_recognise_templates(struct builder *b, const struct vocab_request *r, struct diag *d);
void *builder_finish(struct builder *b, size_t *bytes, struct diag *d);

/* The readers. Each fills a builder. */
bool vocab_read_gguf(struct builder *b, const struct vocab_request *r, struct diag *d);
bool vocab_read_json(struct builder *b, const char *name, const void *data, size_t size,
                     const struct vocab_request *r, struct diag *d);
bool vocab_read_sentencepiece(struct builder *b, const void *data, size_t size,
                              const struct vocab_request *r, struct diag *d);

#endif
