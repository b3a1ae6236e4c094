/* The blob's VOCAB section: everything the tokenizers look up. docs/blob.md says where it is in the
 * blob.
 *
 * Numbers are little-endian. A header of 128 bytes is followed by arrays at multiples of 4, in any
 * order, each at the offset that the header gives. A piece is kept as the bytes it stands for:
 * SentencePiece's U+2581 as a space, byte pieces as their byte, GPT-2's printable stand-ins as
 * bytes. Control and user-defined pieces are kept as they are spelled.
 *
 * Text becomes symbols, and symbols merge in pairs: the pair of least rank first, the leftmost
 * among equals, until no pair is left. This covers SentencePiece's BPE (rank: order of the scores),
 * GPT-2's (rank: line of the merge) and tiktoken's (rank: id). Symbols below `rows` are pieces.
 * Symbols from `rows` on are characters that are parts of pieces but are not pieces themselves
 * (SentencePiece only). */
#ifndef WEIGHTS_VOCAB_H
#define WEIGHTS_VOCAB_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "apus/apus.h"

enum {
    VOCAB_MAGIC = 0x42434F56, /* "VOCB" */
    VOCAB_ROWS_MAX = 1 << 20,
    VOCAB_PIECE_MAX = 4096, /* bytes of a piece */
    VOCAB_ADDED_BYTES_MAX = 255,
    VOCAB_RUN_MAX = 256, /* slots in a row without an empty one; this bounds a look-up */
    VOCAB_ENDS_MAX = 64,
    VOCAB_TEMPLATE_NAME = 24 /* bytes, the zero at the end included */
};
#define VOCAB_NONE UINT32_MAX

enum vocab_kind {
    VOCAB_SPM = 1, /* symbols are characters, unknown ones fall back to byte pieces; words are not
                      split off */
    VOCAB_BPE = 2  /* symbols are bytes; text is split into words by a rule */
};

/* The word rules: text/pretokenize.h. */
enum vocab_pre {
    VOCAB_PRE_NONE = 0, /* SPM */
    VOCAB_PRE_GPT2 = 1,
    VOCAB_PRE_DIGITS_GPT2 = 2, /* SmolLM2, StarCoder */
    VOCAB_PRE_LLAMA3 = 3,
    VOCAB_PRE_QWEN2 = 4,
    VOCAB_PRE_TEKKEN = 5,
    VOCAB_PRE_DEEPSEEK_CODER = 6,
    VOCAB_PRE_SEED_CODER = 7,
    VOCAB_PRE_DEEPSEEK_LLM = 8,
    VOCAB_PRE_DEEPSEEK_LLM_DIGITS = 9,
    VOCAB_PRE_DEFAULT = 10,
    VOCAB_PRE_O200K = 11,  /* gpt-oss, Phi-4-mini */
    VOCAB_PRE_QWEN35 = 12, /* Qwen3.5 */
    VOCAB_PRE_COUNT
};

enum {
    VOCAB_ADD_BOS = 1u << 0,
    VOCAB_NFC = 1u << 1,                 /* BPE: text is normalized first */
    VOCAB_PREFIX = 1u << 2,              /* SPM: a text, and what follows an added token, begins
                                            with an implicit space */
    VOCAB_PREFIX_FIRST = 1u << 3,        /* only the beginning of a text gets that space */
    VOCAB_PREFIX_UNLESS_SPACE = 1u << 4, /* no implicit space is put where a space is already */
    VOCAB_WORDS = 1u << 5,               /* SPM: no piece has a space after another character, so
                                            words can be merged one by one */
    VOCAB_FLAGS = (1u << 6) - 1
};

/* Numbered as in SentencePiece and GGUF. */
enum vocab_type {
    VOCAB_NORMAL = 1,
    VOCAB_UNKNOWN = 2,
    VOCAB_CONTROL = 3,
    VOCAB_USER = 4,
    VOCAB_UNUSED = 5,
    VOCAB_BYTE = 6
};
enum {
    VOCAB_TYPE = 7,   /* mask of the type in types[] */
    VOCAB_WHOLE = 128 /* text that is exactly these bytes as a word (BPE; SPM with VOCAB_WORDS) is
                         this piece; only on NORMAL */
};

struct vocab_pair {
    uint32_t right;  /* symbol */
    uint32_t rank;   /* below VOCAB_NONE */
    uint32_t result; /* piece */
};

/* An added token. Text is searched for these before anything else. */
struct vocab_added {
    uint32_t id; /* of a CONTROL or USER piece */
    uint32_t flags;
};
enum {
    /* looked for in the normalized text between the matches of the first pass */
    VOCAB_ADDED_SECOND = 1,
    VOCAB_ADDED_LSTRIP = 2,      /* takes the white space before it */
    VOCAB_ADDED_RSTRIP = 4,      /* takes the white space after it */
    VOCAB_ADDED_SINGLE_WORD = 8, /* counts only where no word character (\w) is beside it */
    VOCAB_ADDED_FLAGS = 15,
    /* flags >> this gives 1 + the place in added[] of the longest other token that this one begins
     * with, or 0. So the longest token that a text begins with is found from the text's place in
     * the order, however much the tokens have in common. */
    VOCAB_ADDED_INNER = 8
};

/* How prompts are written, where the packer knows it. Names use a-z, 0-9, '-' and '.', and end with
 * at least one zero; a name of zeros alone means not known. */
struct vocab_templates {
    char chat[VOCAB_TEMPLATE_NAME];
    char fim[VOCAB_TEMPLATE_NAME];
    uint32_t markers[APUS_MARKERS]; /* ids of CONTROL pieces by enum apus_marker; VOCAB_NONE: none.
                                       Where fim is not known, all are VOCAB_NONE. */
};
_Static_assert(sizeof(struct vocab_templates) == 76, "templates' layout");

/* Offsets count from the section's first byte. */
struct vocab_header {
    uint32_t magic, kind, pre, flags;
    uint32_t rows;         /* pieces, as many as the model has embedding rows */
    uint32_t symbols;      /* >= rows */
    int32_t bos, eos, unk; /* -1 where there is none */
    uint32_t piece_max;    /* bytes of the longest NORMAL piece */
    uint32_t seed;         /* of vocab_hash */
    uint32_t bytes_count, chars_count, pairs_count, slots_count, added_count, ends_count;
    uint32_t offsets;    /* uint32_t [rows + 1]: piece i is bytes[offsets[i] .. offsets[i + 1]) */
    uint32_t bytes;      /* uint8_t [bytes_count] */
    uint32_t types;      /* uint8_t [rows] */
    uint32_t initial;    /* uint32_t [256]. BPE: the symbol of each byte. SPM: the symbol of each
                            character below 128, then VOCAB_NONE. VOCAB_NONE: no symbol */
    uint32_t fallback;   /* SPM: uint32_t [256]: the piece of each byte */
    uint32_t chars;      /* SPM: uint32_t [chars_count][2]: code points from 128 on, ascending, each
                            with its symbol */
    uint32_t virtuals;   /* uint32_t [symbols - rows]: code points of the symbols that are not
                            pieces */
    uint32_t pair_index; /* uint32_t [symbols + 1]: pairs[pair_index[s] .. pair_index[s + 1]) have s
                            on the left and ascend by right */
    uint32_t pairs;      /* struct vocab_pair [pairs_count] */
    uint32_t slots;      /* uint32_t [slots_count], a power of two or 0: hash table of WHOLE pieces,
                            linear probing, VOCAB_NONE: empty */
    uint32_t added;      /* struct vocab_added [added_count], ascending by their pieces' bytes
                            (memcmp, then length), all different */
    uint32_t ends;       /* uint32_t [ends_count]: ids that end a generation */
    uint32_t templates;  /* struct vocab_templates; 0: none, as in sections of older packers */
    uint32_t zero[2];
};
_Static_assert(sizeof(struct vocab_header) == 128, "vocabulary layout");

/* A view of a checked section. Plain values; pointers lead into the section. */
struct vocab {
    const struct vocab_header *header;
    const uint32_t *offsets;
    const uint8_t *bytes;
    const uint8_t *types;
    const uint32_t *initial;
    const uint32_t *fallback;
    const uint32_t *chars;
    const uint32_t *virtuals;
    const uint32_t *pair_index;
    const struct vocab_pair *pairs;
    const uint32_t *slots;
    const struct vocab_added *added;
    const uint32_t *ends;
    const struct vocab_templates *templates; /* NULL: none */
    uint32_t added_first[8];                 /* bit b: some added token begins with byte b */
};

/* Checks `size` bytes at data (4-aligned, must outlive the view) completely, in time linear in
 * size, and fills *vocab. Tokenizing then checks nothing again: every offset and id is in range,
 * every look-up is bounded, every list is sorted. On failure returns APUS_E_FORMAT, sets *why to a
 * constant sentence and leaves *vocab untouched. why may be NULL. */
apus_status vocab_open(struct vocab *vocab, const void *data, size_t size, const char **why);

/* Copies the counts and flags of the section at data (4-aligned, as vocab_open had it) to *header
 * and checks the copy again. From then on the view uses the copy, even if the section's own header
 * changes later. APUS_E_FORMAT with a sentence where the copy is not valid. */
apus_status vocab_own_header(struct vocab *vocab, struct vocab_header *header, const void *data,
                             size_t size, const char **why);

/* Hash of a piece for slots[]: the first slot to look at is hash & (slots_count - 1). */
uint32_t vocab_hash(uint32_t seed, const uint8_t *bytes, size_t n);

/* The WHOLE piece with exactly these bytes, or VOCAB_NONE. It takes at most VOCAB_RUN_MAX
 * comparisons. */
uint32_t vocab_find_whole(const struct vocab *vocab, const uint8_t *bytes, size_t n);

/* Order of added tokens: as memcmp, and a token that is the beginning of another comes before it.
 * NULL stands for an empty text. */
int vocab_compare(const uint8_t *a, size_t an, const uint8_t *b, size_t bn);

/* The value that flags >> VOCAB_ADDED_INNER must have for added[i]; i < added_count. Those of the
 * tokens before it must be correct already. */
uint32_t vocab_added_inner(const struct vocab *vocab, uint32_t i);

/* The bytes of the piece id, how many there are, and its type; id < rows. */
static inline size_t vocab_length(const struct vocab *v, uint32_t id) {
    assert(id < v->header->rows);
    return v->offsets[id + 1] - v->offsets[id];
}
static inline const uint8_t *vocab_bytes(const struct vocab *v, uint32_t id) {
    assert(id < v->header->rows);
    return v->bytes + v->offsets[id];
}
static inline enum vocab_type vocab_type(const struct vocab *v, uint32_t id) {
    assert(id < v->header->rows);
    return (enum vocab_type)(v->types[id] & VOCAB_TYPE);
}
/* Whether id ends a generation. */
static inline int vocab_is_end(const struct vocab *v, uint32_t id) {
    for (uint32_t i = 0; i < v->header->ends_count; i++)
        if (v->ends[i] == id) return 1;
    return 0;
}

#endif
