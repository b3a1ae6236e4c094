#include "weights/vocab.h"

#include <assert.h>
#include <string.h>

int vocab_compare(const uint8_t *a, size_t an, const uint8_t *b, size_t bn) {
    assert((a || !an) && (b || !bn));
    size_t n = an < bn ? an : bn;
    int order = n ? memcmp(a, b, n) : 0; /* an empty text may be NULL */
    return order ? order : (an > bn) - (an < bn);
}

uint32_t vocab_hash(uint32_t seed, const uint8_t *bytes, size_t n) {
    uint32_t h = 2166136261u ^ seed;
    /* FNV-1a; the last steps carry high bits down */
    for (size_t i = 0; i < n; i++) h = (h ^ bytes[i]) * 16777619u;
    h ^= h >> 15;
    h *= 0x2C1B3C6Du;
    return h ^ h >> 13;
}

uint32_t vocab_find_whole(const struct vocab *v, const uint8_t *bytes, size_t n) {
    if (v->header->slots_count == 0) return VOCAB_NONE;
    uint32_t mask = v->header->slots_count - 1;
    assert((v->header->slots_count & mask) == 0);
    for (uint32_t at = vocab_hash(v->header->seed, bytes, n);; at++) {
        uint32_t id = v->slots[at & mask];
        if (id == VOCAB_NONE) return VOCAB_NONE;
        if (vocab_length(v, id) == n && memcmp(vocab_bytes(v, id), bytes, n) == 0) return id;
    }
}

/* The answer is the longest other token that this token begins with. The tokens are sorted: if a
 * token is the beginning of this one, it is also the beginning of all tokens between the two. So
 * the answer is the token before this one, or one that the token before begins with, or none. A
 * token that is passed over here is not the beginning of any later one, so for a whole list the
 * steps grow only with the number of its tokens. */
uint32_t vocab_added_inner(const struct vocab *v, uint32_t i) {
    assert(i < v->header->added_count);
    const uint8_t *bytes = vocab_bytes(v, v->added[i].id);
    size_t length = vocab_length(v, v->added[i].id);
    uint32_t inner = i;
    for (; inner > 0; inner = v->added[inner - 1].flags >> VOCAB_ADDED_INNER) {
        uint32_t id = v->added[inner - 1].id;
        if (vocab_length(v, id) < length &&
            memcmp(vocab_bytes(v, id), bytes, vocab_length(v, id)) == 0)
            break;
    }
    return inner;
}

/* ---------------------------------------------------------------------------------- checking -- */

struct checker {
    const uint8_t *data;
    uint64_t size;
    const char *why;
};

static int fail(struct checker *c, const char *why) {
    if (!c->why) c->why = why;
    return 0;
}

static const void *array_at(struct checker *c, uint32_t offset, uint64_t count, uint64_t element) {
    /* count is below 2^33 and element below 2^4: no overflow. */
    if (offset % 4 != 0 || offset < sizeof(struct vocab_header) || offset > c->size ||
        count * element > c->size - offset) {
        fail(c, "tokenizer: a table lies outside of the section");
        return c->data;
    }
    return c->data + offset;
}

static int check_header(struct checker *c, const struct vocab_header *h) {
    if (h->magic != VOCAB_MAGIC) return fail(c, "tokenizer: the section does not begin with VOCB");
    if (h->kind != VOCAB_SPM && h->kind != VOCAB_BPE) return fail(c, "tokenizer: unknown kind");
    if (h->pre >= VOCAB_PRE_COUNT || (h->kind == VOCAB_SPM) != (h->pre == VOCAB_PRE_NONE))
        return fail(c, "tokenizer: unknown word rule");
    uint32_t other = h->kind == VOCAB_SPM ? VOCAB_NFC
                                          : VOCAB_PREFIX | VOCAB_PREFIX_FIRST |
                                                VOCAB_PREFIX_UNLESS_SPACE | VOCAB_WORDS;
    if (h->flags & ~(uint32_t)VOCAB_FLAGS || h->flags & other)
        return fail(c, "tokenizer: unknown flags");
    if (h->rows == 0 || h->rows > VOCAB_ROWS_MAX)
        return fail(c, "tokenizer: number of pieces out of range");
    if (h->symbols < h->rows || h->symbols - h->rows > 0x110000)
        return fail(c, "tokenizer: number of symbols out of range");
    if (h->kind == VOCAB_BPE && h->symbols != h->rows)
        return fail(c, "tokenizer: characters in a byte vocabulary");
    int32_t rows = (int32_t)h->rows;
    if (h->bos < -1 || h->bos >= rows || h->eos < -1 || h->eos >= rows || h->unk < -1 ||
        h->unk >= rows)
        return fail(c, "tokenizer: bos, eos or unk is no piece");
    if (h->flags & VOCAB_ADD_BOS && h->bos < 0)
        return fail(c, "tokenizer: prompts begin with a bos that is not there");
    if (h->piece_max > VOCAB_PIECE_MAX) return fail(c, "tokenizer: pieces too long");
    if (h->ends_count > VOCAB_ENDS_MAX) return fail(c, "tokenizer: too many end tokens");
    if (h->added_count > h->rows) return fail(c, "tokenizer: more added tokens than pieces");
    if (h->chars_count > 0x110000) return fail(c, "tokenizer: too many characters");
    if (h->slots_count & (h->slots_count - 1) || h->slots_count > 1u << 24)
        return fail(c, "tokenizer: size of the hash table");
    return h->zero[0] == 0 && h->zero[1] == 0 ? 1
                                              : fail(c, "tokenizer: reserved words are not zero");
}

static int check_pieces(struct checker *c, const struct vocab *v) {
    const struct vocab_header *h = v->header;
    if (v->offsets[0] != 0 || v->offsets[h->rows] != h->bytes_count)
        return fail(c, "tokenizer: pieces do not fill their bytes");
    for (uint32_t i = 0; i < h->rows; i++) {
        if (v->offsets[i] > v->offsets[i + 1] || v->offsets[i + 1] > h->bytes_count)
            return fail(c, "tokenizer: piece offsets are not ascending");
        size_t length = vocab_length(v, i);
        enum vocab_type type = vocab_type(v, i);
        if (type < VOCAB_NORMAL || type > VOCAB_BYTE || v->types[i] & ~(VOCAB_TYPE | VOCAB_WHOLE))
            return fail(c, "tokenizer: unknown piece type");
        if (length > VOCAB_PIECE_MAX || (type == VOCAB_NORMAL && length > h->piece_max))
            return fail(c, "tokenizer: a piece is too long");
        if (type == VOCAB_NORMAL && length == 0) return fail(c, "tokenizer: an empty piece");
        if (type == VOCAB_BYTE && length != 1)
            return fail(c, "tokenizer: a byte piece that is not one byte");
        if (v->types[i] & VOCAB_WHOLE && type != VOCAB_NORMAL)
            return fail(c, "tokenizer: a word that is no normal piece");
    }
    return 1;
}

static int check_symbols(struct checker *c, const struct vocab *v) {
    const struct vocab_header *h = v->header;
    for (uint32_t i = 0; i < 256; i++) {
        if (v->initial[i] != VOCAB_NONE && v->initial[i] >= h->symbols)
            return fail(c, "tokenizer: a byte's symbol is out of range");
        if (h->kind != VOCAB_SPM) continue;
        if (i >= 128 && v->initial[i] != VOCAB_NONE)
            return fail(c, "tokenizer: a character in two tables");
        if (v->fallback[i] >= h->rows) return fail(c, "tokenizer: a byte's piece is out of range");
    }
    for (uint32_t i = 0; i < h->chars_count; i++) {
        uint32_t code = v->chars[2 * i];
        if (code < 128 || code >= 0x110000 || (i > 0 && v->chars[2 * i - 2] >= code))
            return fail(c, "tokenizer: characters are not ascending");
        if (v->chars[2 * i + 1] >= h->symbols)
            return fail(c, "tokenizer: a character's symbol is out of range");
    }
    for (uint32_t i = 0; i < h->symbols - h->rows; i++)
        if (v->virtuals[i] >= 0x110000)
            return fail(c, "tokenizer: a symbol's character is out of range");
    return 1;
}

static int check_pairs(struct checker *c, const struct vocab *v) {
    const struct vocab_header *h = v->header;
    if (v->pair_index[0] != 0 || v->pair_index[h->symbols] != h->pairs_count)
        return fail(c, "tokenizer: the pairs do not fill their table");
    for (uint32_t s = 0; s < h->symbols; s++) {
        uint32_t begin = v->pair_index[s], end = v->pair_index[s + 1];
        if (begin > end || end > h->pairs_count)
            return fail(c, "tokenizer: the index of pairs is not ascending");
        for (uint32_t i = begin; i < end; i++) {
            const struct vocab_pair *p = &v->pairs[i];
            if (p->right >= h->symbols || (i > begin && v->pairs[i - 1].right >= p->right))
                return fail(c, "tokenizer: pairs are not ascending");
            if (p->result >= h->rows || p->rank == VOCAB_NONE)
                return fail(c, "tokenizer: a pair makes no piece");
        }
    }
    return 1;
}

static int check_slots(struct checker *c, const struct vocab *v) {
    uint32_t count = v->header->slots_count, run = 0;
    if (count == 0) return 1;
    /* Go around once and on to the first gap, so that a run across the end is counted whole. */
    for (uint64_t i = 0; i < (uint64_t)count + VOCAB_RUN_MAX; i++) {
        uint32_t id = v->slots[i & (count - 1)];
        if (id == VOCAB_NONE) {
            if (i >= count) break;
            run = 0;
            continue;
        }
        if (id >= v->header->rows || !(v->types[id] & VOCAB_WHOLE))
            return fail(c, "tokenizer: the hash table names no word");
        if (++run > VOCAB_RUN_MAX - 1)
            return fail(c, "tokenizer: the hash table has a run too long");
    }
    return 1;
}

static int check_added(struct checker *c, const struct vocab *v) {
    for (uint32_t i = 0; i < v->header->added_count; i++) {
        uint32_t id = v->added[i].id;
        uint32_t flags = v->added[i].flags;
        if (id >= v->header->rows || (flags & ((1u << VOCAB_ADDED_INNER) - 1)) > VOCAB_ADDED_FLAGS)
            return fail(c, "tokenizer: an added token is no piece");
        if (vocab_type(v, id) != VOCAB_CONTROL && vocab_type(v, id) != VOCAB_USER)
            return fail(c, "tokenizer: an added token of another type");
        size_t length = vocab_length(v, id);
        if (length == 0 || length > VOCAB_ADDED_BYTES_MAX)
            return fail(c, "tokenizer: an added token is empty or too long");
        uint32_t before = i ? v->added[i - 1].id : 0;
        if (i && vocab_compare(vocab_bytes(v, before), vocab_length(v, before), vocab_bytes(v, id),
                               length) >= 0)
            return fail(c, "tokenizer: added tokens are not ascending");
        if (flags >> VOCAB_ADDED_INNER != vocab_added_inner(v, i))
            return fail(c, "tokenizer: an added token does not name the one that it begins with: "
                           "pack the model again");
    }
    for (uint32_t i = 0; i < v->header->ends_count; i++)
        if (v->ends[i] >= v->header->rows) return fail(c, "tokenizer: an end token is no piece");
    return 1;
}

static int name_holds(const char name[VOCAB_TEMPLATE_NAME]) {
    int end = 0;
    for (; end < VOCAB_TEMPLATE_NAME && name[end]; end++) {
        char c = name[end];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.')) return 0;
    }
    if (end == VOCAB_TEMPLATE_NAME) return 0;
    while (end < VOCAB_TEMPLATE_NAME && !name[end]) end++;
    return end == VOCAB_TEMPLATE_NAME;
}

static int check_templates(struct checker *c, const struct vocab *v) {
    const struct vocab_templates *t = v->templates;
    if (!t) return 1;
    if (!name_holds(t->chat) || !name_holds(t->fim))
        return fail(c, "tokenizer: the name of a template is none");
    for (int m = 0; m < APUS_MARKERS; m++) {
        uint32_t id = t->markers[m];
        if (id == VOCAB_NONE) continue;
        if (!t->fim[0]) return fail(c, "tokenizer: markers of no template");
        if (id >= v->header->rows || vocab_type(v, id) != VOCAB_CONTROL)
            return fail(c, "tokenizer: a template's marker is no control token");
    }
    return 1;
}

static void place(struct checker *c, struct vocab *v, const struct vocab_header *h) {
    int spm = h->kind == VOCAB_SPM;
    v->header = h;
    v->offsets = array_at(c, h->offsets, (uint64_t)h->rows + 1, 4);
    v->bytes = array_at(c, h->bytes, h->bytes_count, 1);
    v->types = array_at(c, h->types, h->rows, 1);
    v->initial = array_at(c, h->initial, 256, 4);
    v->fallback = spm ? array_at(c, h->fallback, 256, 4) : v->initial;
    v->chars = array_at(c, h->chars, h->chars_count, 8);
    v->virtuals = array_at(c, h->virtuals, h->symbols - h->rows, 4);
    v->pair_index = array_at(c, h->pair_index, (uint64_t)h->symbols + 1, 4);
    v->pairs = array_at(c, h->pairs, h->pairs_count, sizeof(struct vocab_pair));
    v->slots = array_at(c, h->slots, h->slots_count, 4);
    v->added = array_at(c, h->added, h->added_count, sizeof(struct vocab_added));
    v->ends = array_at(c, h->ends, h->ends_count, 4);
    v->templates = h->templates ? array_at(c, h->templates, sizeof *v->templates, 1) : NULL;
}

apus_status vocab_open(struct vocab *vocab, const void *data, size_t size, const char **why) {
    struct checker c = {.data = data, .size = size};
    struct vocab v = {0};
    int good = 0;
    if ((uintptr_t)data % 4 != 0)
        fail(&c, "tokenizer: the section is not aligned to 4 bytes");
    else if (size < sizeof(struct vocab_header))
        fail(&c, "tokenizer: the section is shorter than its header");
    else
        good = check_header(&c, data);
    if (good) place(&c, &v, data);
    good = good && !c.why && check_pieces(&c, &v) && check_symbols(&c, &v) && check_pairs(&c, &v) &&
           check_slots(&c, &v) && check_added(&c, &v) && check_templates(&c, &v);
    if (!good) {
        if (why) *why = c.why;
        return APUS_E_FORMAT;
    }
    for (uint32_t i = 0; i < v.header->added_count; i++) {
        uint8_t first = vocab_bytes(&v, v.added[i].id)[0];
        v.added_first[first >> 5] |= 1u << (first & 31);
    }
    *vocab = v;
    return APUS_OK;
}

apus_status vocab_own_header(struct vocab *vocab, struct vocab_header *header, const void *data,
                             size_t size, const char **why) {
    assert((uintptr_t)data % 4 == 0 && (uintptr_t)header % 4 == 0);
    struct checker c = {.data = data, .size = size};
    struct vocab v = *vocab;
    if (size < sizeof *header) {
        fail(&c, "tokenizer: the section is shorter than its header");
    } else {
        memcpy(header, data, sizeof *header);
        if (check_header(&c, header)) place(&c, &v, header);
    }
    if (c.why) {
        *why = c.why;
        return APUS_E_FORMAT;
    }
    *vocab = v;
    return APUS_OK;
}
