/* Makes the section from the builder's pieces: symbols, pairs with their ranks, words, added
 * tokens, layout. */
#include <stdlib.h>
#include <string.h>

#include "text/merge.h"
#include "text/unicode.h"
#include "weights/pack/vocab/vocab_build.h"

struct pair {
    uint32_t left, right, rank, result;
};

enum { VIRTUALS_MOST = 4096, UNICODE_CODES = 0x110000 };

/* Everything that is allocated while the section is made. */
struct maker {
    struct builder *b;
    struct diag *d;
    struct pair *pairs;
    size_t pairs_count, pairs_room;
    uint32_t initial[256], fallback[256];
    uint32_t (*chars)[2];
    uint32_t chars_count;
    uint32_t *virtuals;
    uint32_t virtuals_count;
    uint16_t *virtual_of; /* [UNICODE_CODES]: 1 + a character's place in virtuals, or 0 */
    uint32_t *rank;       /* [rows] the position of each piece's score among all scores */
    uint32_t *slots;
    uint32_t slots_count, seed;
    uint8_t *whole;
};

static bool out_of_memory(struct maker *m) {
    return diag_fail(m->d, "out of memory for the tokenizer's tables");
}

static bool add_pair(struct maker *m, uint32_t left, uint32_t right, uint32_t rank,
                     uint32_t result) {
    if (m->pairs_count == m->pairs_room) {
        size_t room = m->pairs_room * 2 + 65536;
        if (room > (size_t)1 << 26)
            return diag_fail(m->d, "the vocabulary has too many pairs of pieces that make a piece");
        struct pair *grown = realloc(m->pairs, room * sizeof *grown);
        if (!grown) return out_of_memory(m);
        m->pairs = grown;
        m->pairs_room = room;
    }
    m->pairs[m->pairs_count++] = (struct pair){left, right, rank, result};
    return true;
}

/* ----------------------------------------------------------------------------------- symbols -- */

static const uint8_t *bytes_of(const struct maker *m, uint32_t id) {
    return m->b->pool + m->b->pieces[id].offset;
}

static int by_code(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static bool make_symbols(struct maker *m) {
    struct builder *b = m->b;
    memset(m->initial, 0xFF, sizeof m->initial);
    memset(m->fallback, 0xFF, sizeof m->fallback);
    m->chars = malloc(((size_t)b->rows + 1) * sizeof *m->chars);
    if (!m->chars) return out_of_memory(m);
    for (uint32_t id = 0; id < b->rows; id++) {
        const struct builder_piece *p = &b->pieces[id];
        const uint8_t *s = bytes_of(m, id);
        uint32_t code;
        if (p->type == VOCAB_BYTE) {
            if (m->fallback[s[0]] != VOCAB_NONE)
                return diag_fail(m->d, "byte token <0x%02X> is there twice", s[0]);
            m->fallback[s[0]] = id;
        }
        if (p->type != VOCAB_NORMAL && !(p->added & BUILDER_PIECE)) continue;
        if (b->kind == VOCAB_BPE) {
            if (p->length == 1) m->initial[s[0]] = id;
        } else if (utf8_read(s, p->length, &code) == p->length) {
            if (code < 128)
                m->initial[code] = id;
            else {
                m->chars[m->chars_count][0] = code;
                m->chars[m->chars_count++][1] = id;
            }
        }
    }
    qsort(m->chars, m->chars_count, sizeof *m->chars, by_code);
    for (uint32_t i = 0; b->kind == VOCAB_SPM && i < 256; i++)
        if (m->fallback[i] == VOCAB_NONE)
            return diag_fail(
                m->d, "the vocabulary has no byte token <0x%02X>; byte fallback needs all 256", i);
    return true;
}

/* The symbol of a character that is no piece. It is made when it is first used. */
static uint32_t virtual_symbol(struct maker *m, uint32_t code) {
    if (!m->virtuals) {
        m->virtuals = malloc(VIRTUALS_MOST * sizeof *m->virtuals);
        m->virtual_of = calloc(UNICODE_CODES, sizeof *m->virtual_of);
    }
    if (!m->virtuals || !m->virtual_of) return out_of_memory(m), VOCAB_NONE;
    if (!m->virtual_of[code]) {
        if (m->virtuals_count >= VIRTUALS_MOST) {
            diag_fail(m->d,
                      "more than %d characters of the vocabulary's pieces are no pieces themselves",
                      VIRTUALS_MOST);
            return VOCAB_NONE;
        }
        m->virtuals[m->virtuals_count++] = code;
        m->virtual_of[code] = (uint16_t)m->virtuals_count;
    }
    return m->b->rows + m->virtual_of[code] - 1;
}

/* ------------------------------------------------------------------------------------- pairs -- */

struct scored {
    float score;
    uint32_t id;
};

static int by_score(const void *a, const void *b) {
    const struct scored *x = a, *y = b;
    return (x->score < y->score) - (x->score > y->score);
}

static bool rank_by_score(struct maker *m) {
    struct builder *b = m->b;
    struct scored *order = malloc(b->rows * sizeof *order);
    m->rank = calloc(b->rows, sizeof *m->rank);
    if (!order || !m->rank) {
        free(order);
        return out_of_memory(m);
    }
    for (uint32_t i = 0; i < b->rows; i++) order[i] = (struct scored){b->pieces[i].score, i};
    qsort(order, b->rows, sizeof *order, by_score);
    for (uint32_t i = 0, rank = 0; i < b->rows; i++) {
        if (i > 0 && order[i].score < order[i - 1].score) rank = i;
        m->rank[order[i].id] = rank;
    }
    free(order);
    return true;
}

/* Finds one half of a piece as a symbol: a piece or, in SentencePiece vocabularies, a character
 * that is no piece; VOCAB_NONE if it is neither. False on failure. */
static bool half(struct maker *m, const uint8_t *s, size_t n, uint32_t *symbol) {
    uint32_t code;
    *symbol = builder_find(m->b, s, n);
    if (*symbol != VOCAB_NONE || m->b->kind == VOCAB_BPE || utf8_read(s, n, &code) != n)
        return true;
    *symbol = virtual_symbol(m, code);
    return *symbol != VOCAB_NONE;
}

/* SentencePiece and tiktoken look up the two symbols' joined text, so every way to cut a piece in
 * two is a pair. */
static bool cut_pieces(struct maker *m) {
    struct builder *b = m->b;
    uint64_t work = 0;
    if (b->order == BUILDER_SCORES && !rank_by_score(m)) return false;
    for (uint32_t id = 0; id < b->rows; id++) {
        const struct builder_piece *p = &b->pieces[id];
        const uint8_t *s = bytes_of(m, id);
        if (p->type != VOCAB_NORMAL) continue;
        work += (uint64_t)p->length * p->length;
        if (work > (uint64_t)1 << 31)
            return diag_fail(m->d,
                             "the vocabulary's pieces are too long to be cut in two everywhere");
        uint32_t code;
        for (size_t at = 0; at < p->length;) {
            at += b->kind == VOCAB_SPM ? utf8_read(s + at, p->length - at, &code) : 1;
            if (at >= p->length) break;
            uint32_t left, right;
            if (!half(m, s, at, &left) || !half(m, s + at, p->length - at, &right)) return false;
            if (left == VOCAB_NONE || right == VOCAB_NONE) continue;
            if (!add_pair(m, left, right, b->order == BUILDER_SCORES ? m->rank[id] : id, id))
                return false;
        }
    }
    return true;
}

static int by_symbols(const void *a, const void *b) {
    const struct pair *x = a, *y = b;
    if (x->left != y->left) return x->left < y->left ? -1 : 1;
    if (x->right != y->right) return x->right < y->right ? -1 : 1;
    return (x->rank < y->rank) - (x->rank > y->rank); /* of two merges of one pair the later one
                                                         counts, as in `tokenizers` */
}

static bool make_pairs(struct maker *m) {
    struct builder *b = m->b;
    if (b->order == BUILDER_MERGES) {
        for (size_t i = 0; i < b->merges_count; i++)
            if (!add_pair(m, b->merges[i].left, b->merges[i].right, (uint32_t)i,
                          b->merges[i].result))
                return false;
    } else if (!cut_pieces(m))
        return false;
    if (m->virtuals_count) { /* put the characters that are no pieces among the others */
        void *grown =
            realloc(m->chars, ((size_t)m->chars_count + m->virtuals_count) * sizeof *m->chars);
        if (!grown) return out_of_memory(m);
        m->chars = grown;
        for (uint32_t i = 0; i < m->virtuals_count; i++) {
            if (m->virtuals[i] < 128)
                m->initial[m->virtuals[i]] = b->rows + i;
            else {
                m->chars[m->chars_count][0] = m->virtuals[i];
                m->chars[m->chars_count++][1] = b->rows + i;
            }
        }
        qsort(m->chars, m->chars_count, sizeof *m->chars, by_code);
    }
    if (m->pairs_count == 0) return true;
    qsort(m->pairs, m->pairs_count, sizeof *m->pairs, by_symbols);
    size_t kept = 1;
    for (size_t i = 1; i < m->pairs_count; i++)
        if (m->pairs[i].left != m->pairs[kept - 1].left ||
            m->pairs[i].right != m->pairs[kept - 1].right)
            m->pairs[kept++] = m->pairs[i];
    m->pairs_count = kept;
    return true;
}

/* ------------------------------------------------------------------------------------- words -- */

/* Whether no piece has a space after another character. Then no merge crosses from one word into
 * the next. */
static bool keeps_words(const struct maker *m) {
    for (uint32_t id = 0; id < m->b->rows; id++) {
        const struct builder_piece *p = &m->b->pieces[id];
        if (p->type != VOCAB_NORMAL) continue;
        const uint8_t *s = bytes_of(m, id);
        for (uint32_t i = 1; i < p->length; i++)
            if (s[i] == ' ' && s[i - 1] != ' ') return false;
    }
    return true;
}

static uint32_t char_symbol(const struct maker *m, uint32_t code) {
    if (code < 128) return m->initial[code];
    const uint32_t *found = bsearch(&code, m->chars, m->chars_count, sizeof *m->chars, by_code);
    return found ? found[1] : VOCAB_NONE;
}

/* Marks the pieces that the merges of their own bytes give again. A word that is one of them need
 * not be merged at run time. */
static bool mark_whole(struct maker *m, const struct vocab *v) {
    struct builder *b = m->b;
    uint32_t symbol[VOCAB_PIECE_MAX], span[VOCAB_PIECE_MAX], result[VOCAB_PIECE_MAX],
        rank[2 * VOCAB_PIECE_MAX];
    struct merge merge = {symbol, span, result, rank};
    for (uint32_t id = 0; id < b->rows; id++) {
        const struct builder_piece *p = &b->pieces[id];
        if (p->type != VOCAB_NORMAL) continue;
        const uint8_t *s = bytes_of(m, id);
        uint32_t count = 0, code;
        for (size_t i = 0; i < p->length; count++) {
            size_t n = b->kind == VOCAB_SPM ? utf8_read(s + i, p->length - i, &code) : 1;
            symbol[count] = b->kind == VOCAB_SPM ? char_symbol(m, code) : m->initial[s[i]];
            if (symbol[count] == VOCAB_NONE) break;
            i += n;
            if (i == p->length) {
                merge_run(v, &merge, count + 1);
                m->whole[id] = span[0] == count + 1 && symbol[0] == id;
            }
        }
        m->whole[id] |= b->all_whole;
    }
    return true;
}

static bool fill_slots(struct maker *m) {
    struct builder *b = m->b;
    uint32_t words = 0;
    for (uint32_t id = 0; id < b->rows; id++) words += m->whole[id];
    if (words == 0) return true;
    for (m->slots_count = 4; m->slots_count < 2 * words; m->slots_count *= 2) {}
    m->slots = malloc(m->slots_count * sizeof *m->slots);
    if (!m->slots) return out_of_memory(m);
    for (m->seed = 0; m->seed < 16; m->seed++) {
        bool good = true;
        memset(m->slots, 0xFF, m->slots_count * sizeof *m->slots);
        for (uint32_t id = 0; good && id < b->rows; id++) {
            if (!m->whole[id]) continue;
            uint32_t at = vocab_hash(m->seed, bytes_of(m, id), b->pieces[id].length), steps = 0;
            while (good && m->slots[at & (m->slots_count - 1)] != VOCAB_NONE) {
                good = ++steps < VOCAB_RUN_MAX;
                at++;
            }
            if (good) m->slots[at & (m->slots_count - 1)] = id;
        }
        uint32_t run = 0;
        for (uint32_t i = 0; good && i < 2 * m->slots_count; i++) {
            run = m->slots[i & (m->slots_count - 1)] == VOCAB_NONE ? 0 : run + 1;
            good = run < VOCAB_RUN_MAX;
        }
        if (good) return true;
    }
    return diag_fail(m->d, "the vocabulary's pieces were made to collide in a hash table");
}

/* ------------------------------------------------------------------------------------ layout -- */

/* The section that is being written. While data is NULL, only the size is counted. */
struct writer {
    uint8_t *data;
    size_t at;
};

static uint32_t put(struct writer *w, const void *from, size_t bytes) {
    uint32_t offset = (uint32_t)w->at;
    if (w->data && bytes) memcpy(w->data + w->at, from, bytes);
    w->at += (bytes + 3) / 4 * 4;
    return offset;
}

/* Tables in the section's order, made from the builder. write_all then puts everything in a row; it
 * is called once to count and once to write. */
struct tables {
    uint32_t *offsets, *pair_index;
    uint8_t *types, *bytes;
    struct vocab_pair *pairs;
    struct vocab_added *added;
    uint32_t added_count, bytes_count, piece_max;
};

static const struct builder *sorting; /* qsort has no argument to pass on */
static int by_bytes(const void *a, const void *b) {
    const struct builder_piece *x = &sorting->pieces[((const struct vocab_added *)a)->id];
    const struct builder_piece *y = &sorting->pieces[((const struct vocab_added *)b)->id];
    return vocab_compare(sorting->pool + x->offset, x->length, sorting->pool + y->offset,
                         y->length);
}

static bool list_added(struct maker *m, const struct tables *t, struct vocab_added *list,
                       uint32_t *count) {
    struct builder *b = m->b;
    struct vocab_header header = {.rows = b->rows};
    const struct vocab view = {
        .header = &header, .offsets = t->offsets, .bytes = t->bytes, .added = list};
    for (uint32_t id = 0; id < b->rows; id++)
        if (b->pieces[id].added & BUILDER_ADDED)
            list[(*count)++] = (struct vocab_added){id, b->pieces[id].added & VOCAB_ADDED_FLAGS};
    header.added_count = *count;
    sorting = b;
    qsort(list, *count, sizeof *list, by_bytes);
    for (uint32_t i = 1; i < *count; i++)
        if (by_bytes(&list[i - 1], &list[i]) == 0)
            return diag_fail(m->d, "tokens %u and %u are added with the same text", list[i - 1].id,
                             list[i].id);
    for (uint32_t i = 0; i < *count; i++)
        list[i].flags |= vocab_added_inner(&view, i) << VOCAB_ADDED_INNER;
    return true;
}

static void write_all(struct writer *w, struct maker *m, const struct tables *t,
                      struct vocab_header *h) {
    struct builder *b = m->b;
    uint32_t symbols = b->rows + m->virtuals_count;
    w->at = sizeof *h;
    h->offsets = put(w, t->offsets, ((size_t)b->rows + 1) * 4);
    h->bytes = put(w, t->bytes, t->bytes_count);
    h->types = put(w, t->types, b->rows);
    h->initial = put(w, m->initial, sizeof m->initial);
    h->fallback = b->kind == VOCAB_SPM ? put(w, m->fallback, sizeof m->fallback) : h->initial;
    h->chars = put(w, m->chars, (size_t)h->chars_count * sizeof *m->chars);
    h->virtuals = put(w, m->virtuals, (size_t)m->virtuals_count * 4);
    h->pair_index = put(w, t->pair_index, ((size_t)symbols + 1) * 4);
    h->pairs = put(w, t->pairs, m->pairs_count * sizeof *t->pairs);
    h->slots = put(w, m->slots, (size_t)m->slots_count * 4);
    h->added = put(w, t->added, (size_t)t->added_count * sizeof *t->added);
    h->ends = put(w, b->ends, (size_t)b->ends_count * 4);
    if (b->templates.chat[0] || b->templates.fim[0])
        h->templates = put(w, &b->templates, sizeof b->templates);
    if (w->data) memcpy(w->data, h, sizeof *h);
}

static bool fill_tables(struct maker *m, struct tables *t) {
    struct builder *b = m->b;
    uint32_t symbols = b->rows + m->virtuals_count;
    for (uint32_t id = 0; id < b->rows; id++) {
        const struct builder_piece *p = &b->pieces[id];
        t->offsets[id] = t->bytes_count;
        if (p->length) memcpy(t->bytes + t->bytes_count, b->pool + p->offset, p->length);
        t->bytes_count += p->length;
        t->types[id] =
            (uint8_t)((p->type ? p->type : VOCAB_UNUSED) | (m->whole[id] ? VOCAB_WHOLE : 0));
        if (p->type == VOCAB_NORMAL && p->length > t->piece_max) t->piece_max = p->length;
    }
    t->offsets[b->rows] = t->bytes_count;
    size_t at = 0;
    for (uint32_t s = 0; s < symbols; s++) {
        t->pair_index[s] = (uint32_t)at;
        for (; at < m->pairs_count && m->pairs[at].left == s; at++)
            t->pairs[at] =
                (struct vocab_pair){m->pairs[at].right, m->pairs[at].rank, m->pairs[at].result};
    }
    t->pair_index[symbols] = (uint32_t)at;
    return list_added(m, t, t->added, &t->added_count);
}

static uint8_t *make_section(struct maker *m, size_t *bytes) {
    struct builder *b = m->b;
    size_t symbols = (size_t)b->rows + m->virtuals_count;
    struct tables t = {.offsets = malloc((b->rows + (size_t)1) * 4),
                       .pair_index = malloc((symbols + 1) * 4),
                       .types = malloc(b->rows),
                       .bytes = malloc(b->pool_bytes + 1),
                       .pairs = malloc((m->pairs_count + 1) * sizeof *t.pairs),
                       .added = malloc(b->rows * sizeof *t.added)};
    struct writer w = {0};
    if (!t.offsets || !t.pair_index || !t.types || !t.bytes || !t.pairs || !t.added)
        out_of_memory(m);
    else if (fill_tables(m, &t)) {
        struct vocab_header h = {.magic = VOCAB_MAGIC,
                                 .kind = b->kind,
                                 .pre = b->pre,
                                 .flags = b->flags,
                                 .rows = b->rows,
                                 .symbols = (uint32_t)symbols,
                                 .bos = (int32_t)b->bos,
                                 .eos = (int32_t)b->eos,
                                 .unk = (int32_t)b->unk,
                                 .piece_max = t.piece_max,
                                 .seed = m->seed,
                                 .bytes_count = t.bytes_count,
                                 .chars_count = b->kind == VOCAB_SPM ? m->chars_count : 0,
                                 .pairs_count = (uint32_t)m->pairs_count,
                                 .slots_count = m->slots_count,
                                 .added_count = t.added_count,
                                 .ends_count = b->ends_count};
        write_all(&w, m, &t, &h);
        w.data = calloc(1, w.at);
        if (w.data)
            write_all(&w, m, &t, &h);
        else
            out_of_memory(m);
        *bytes = w.at;
    }
    free(t.offsets);
    free(t.pair_index);
    free(t.types);
    free(t.bytes);
    free(t.pairs);
    free(t.added);
    return w.data;
}

static bool checked(struct maker *m, const uint8_t *section, size_t bytes, struct vocab *v) {
    const char *why;
    if (!section) return false;
    return vocab_open(v, section, bytes, &why) == APUS_OK ? true : diag_fail(m->d, "%s", why);
}

static bool check_ids(struct maker *m) {
    struct builder *b = m->b;
    const int64_t ids[3] = {b->bos, b->eos, b->unk};
    static const char *const names[3] = {"bos", "eos", "unk"};
    for (int i = 0; i < 3; i++)
        if (ids[i] < -1 || ids[i] >= b->rows)
            return diag_fail(m->d, "the %s token is %lld, past the model's %u rows", names[i],
                             (long long)ids[i], b->rows);
    return true;
}

void *builder_finish(struct builder *b, size_t *bytes, struct diag *d) {
    struct maker m = {.b = b, .d = d, .whole = calloc(b->rows, 1)};
    struct vocab v;
    uint8_t *first = NULL, *section = NULL;
    if (!m.whole)
        out_of_memory(&m);
    else if (check_ids(&m) && make_symbols(&m) && make_pairs(&m)) {
        if (b->kind == VOCAB_SPM && keeps_words(&m)) b->flags |= VOCAB_WORDS;
        /* The words are found with a first section that has none. */
        first = make_section(&m, bytes);
        if (checked(&m, first, *bytes, &v) && mark_whole(&m, &v) && fill_slots(&m))
            section = make_section(&m, bytes);
        if (!checked(&m, section, *bytes, &v)) {
            free(section);
            section = NULL;
        }
    }
    free(first);
    free(m.pairs);
    free(m.chars);
    free(m.virtuals);
    free(m.virtual_of);
    free(m.rank);
    free(m.slots);
    free(m.whole);
    return section;
}
