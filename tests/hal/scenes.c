/* What a column sees, wherever it lies: windows, rings, several texts in one cache, trees.
 *
 * A scene is tokens, each with a slot and the tokens before it that it sees. Attention does not
 * depend on the order of slots, so a token has the logits of one that stands behind just what it
 * sees, alone in slots from 0 on; the reference evaluates it so, one column at a time and with one
 * range from 0 on. Rows that nobody has written, or that a token does not see, hold what would
 * show: values of 127 and scales that are no numbers. */
#include "tests/hal/scenes.h"

#include <stdlib.h>
#include <string.h>

#include "tests/hal/rig.h"

struct token {
    int32_t id;
    uint32_t position, slot;
    uint64_t sees; /* bit i: token i, before it */
};
struct scene {
    const char *name;
    uint32_t count;
    struct token token[POSITIONS];
};
enum { STORE = SLOTS / 2 }; /* where the reference keeps the rows of all tokens */

static void move_rows(struct rig *r, const struct hal_model *model, uint32_t from, uint32_t to) {
    for (uint32_t i = 0; i < model->dims->layers; i++) {
        struct kv_cache cache = cache_of(r, model, i);
        kv_move(&cache, from, to);
    }
}

/* Logits of every token, float [count][vocab]. */
static void one_by_one(struct rig *ref, const struct hal_model *model, const struct scene *s,
                       float *logits) {
    const uint32_t vocab = model->dims->vocab;
    for (uint32_t i = 0; i < s->count; i++) {
        uint32_t at = 0;
        for (uint32_t k = 0; k < i; k++)
            if (s->token[i].sees >> k & 1) move_rows(ref, model, STORE + k, at++);
        struct hal_column c;
        hal_line(&c, ref->range, 0, s->token[i].id, at);
        c.position = s->token[i].position;
        assert_int_equal(run(ref, &c, 1, 0), APUS_OK);
        memcpy(logits + (size_t)i * vocab, ref->slot[SLOT_LOGITS], vocab * sizeof *logits);
        move_rows(ref, model, at, STORE + i);
    }
}

/* Token i as a column of the pass that begins with token `first`; what it sees of the pass's 16
 * slots by its mask, where there is one. */
static struct hal_column column_of(struct rig *r, const struct scene *s, uint32_t i, uint32_t first,
                                   int masked) {
    const struct token *t = &s->token[i];
    uint8_t seen[SLOTS + 1] = {0};
    struct hal_column c = {.id = t->id,
                           .position = t->position,
                           .slot = t->slot,
                           .range = (i - first) * HAL_RANGES_MAX,
                           .tail = s->token[first].slot};
    seen[t->slot] = 1;
    for (uint32_t k = 0; k < i; k++)
        if (t->sees >> k & 1) seen[s->token[k].slot] = 1;
    for (uint32_t k = 0; masked && k < HAL_TREE_MAX && c.tail + k < SLOTS; k++) {
        c.mask |= (uint32_t)seen[c.tail + k] << k;
        seen[c.tail + k] = 0;
    }
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        if (!seen[slot]) continue;
        assert_in_range(c.ranges, 0, HAL_RANGES_MAX - 1);
        struct kv_range *range = &r->range[c.range + c.ranges++];
        range->begin = slot;
        while (seen[slot]) slot++;
        range->end = slot;
    }
    return c;
}

static void play(struct rig *r, const struct scene *s, uint32_t columns, int masked,
                 const float *want, uint32_t vocab) {
    for (uint32_t at = 0; at < s->count;) {
        struct hal_column c[HAL_LOGITS_MAX];
        uint32_t n = s->count - at < columns ? s->count - at : columns;
        for (uint32_t i = 0; i < n; i++) c[i] = column_of(r, s, at + i, at, masked);
        if (run(r, c, n, 0) != APUS_OK) fail_msg("%s: a pass failed", s->name);
        for (uint32_t i = 0; i < n; i++)
            if (memcmp(r->slot[SLOT_LOGITS] + i * r->program.stride[SLOT_LOGITS],
                       want + (size_t)(at + i) * vocab, vocab * sizeof *want))
                fail_msg("%s: token %u, %u columns a pass, %s, differs", s->name, at + i, columns,
                         masked ? "masks" : "ranges alone");
        at += n;
    }
}

static uint64_t bits(uint32_t from, uint32_t to) {
    return ((uint64_t)1 << to) - ((uint64_t)1 << from);
}

/* Positions see themselves and the `window` - 1 before them, in `ring` slots from `slot` on. */
static struct scene window(const char *name, uint32_t slot, uint32_t wide, uint32_t ring) {
    struct scene s = {.name = name, .count = 50};
    for (uint32_t i = 0; i < s.count; i++)
        s.token[i] = (struct token){(int32_t)(i * 7 % 40), i, slot + i % ring,
                                    bits(i < wide ? 0 : i + 1 - wide, i)};
    return s;
}

/* Two texts by turns, in regions of `region` slots that alternate, both behind the first `shared`
 * tokens. */
static struct scene histories(const char *name, uint32_t slot, uint32_t region, uint32_t shared) {
    struct scene s = {.name = name, .count = 48};
    for (uint32_t i = 0; i < s.count; i++) {
        struct token *t = &s.token[i];
        t->id = (int32_t)(i * 11 % 40);
        if (i < shared) {
            *t = (struct token){t->id, i, slot + i, bits(0, i)};
            continue;
        }
        uint32_t n = (i - shared) / 2, which = (i - shared) % 2;
        t->position = shared + n;
        t->slot = slot + shared + n / region * 2 * region + which * region + n % region;
        t->sees = bits(0, shared);
        for (uint32_t k = shared + which; k < i; k += 2) t->sees |= bits(k, k + 1);
    }
    return s;
}

/* A text, then trees of 16 behind it: each token sees its parent's ancestors, of the text the last
 * `wide` only. */
static struct scene tree(const char *name, uint32_t slot, uint32_t text, uint32_t wide) {
    struct scene s = {.name = name, .count = text + 16};
    for (uint32_t i = 0; i < s.count; i++) {
        struct token *t = &s.token[i];
        *t = (struct token){(int32_t)(i * 13 % 40), i, slot + i,
                            bits(i < wide ? 0 : i + 1 - wide, i)};
        if (i < text) continue;
        uint32_t parent = i > text ? text + (i - text - 1) / 2 : text;
        t->sees = bits(text - wide, text);
        t->position = text;
        if (i == text) continue;
        t->sees |= (s.token[parent].sees & ~bits(0, text)) | bits(parent, parent + 1);
        t->position = s.token[parent].position + 1;
    }
    return s;
}

static void play_all_ways(struct rig *r, const struct hal_model *model, const struct scene *s,
                          const float *want) {
    static const uint32_t columns[] = {1, 5, 16};
    for (size_t k = 0; k < sizeof columns / sizeof *columns; k++)
        for (int masked = 0; masked < 2; masked++) {
            rig_poison(r, model);
            play(r, s, columns[k], masked, want, model->dims->vocab);
        }
}

void ranges_and_masks(void **unused) {
    (void)unused;
    const struct scene scenes[] = {
        window("a window", 230, 11, SLOTS), window("a wide window", 249, 33, SLOTS),
        window("a ring", 243, 9, 24),       histories("interleaved", 235, 5, 0),
        histories("far apart", 5, 210, 0),  histories("behind one beginning", 100, 80, 21),
        tree("a tree", 227, 30, 30),        tree("a tree behind a window", 243, 30, 13)};
    enum { SCENES = sizeof scenes / sizeof *scenes };
    for (size_t m = 0; m < 2; m++) {
        struct hal_model model = random_model(&shapes[m], 6);
        float *want[SCENES];
        struct rig *ref = rig_open(&hal_cpu_engine, &model, APUS_CPU_REF, 1);
        for (size_t n = 0; n < SCENES; n++) {
            want[n] = calloc((size_t)POSITIONS * shapes[m].vocab, sizeof *want[n]);
            rig_poison(ref, &model);
            one_by_one(ref, &model, &scenes[n], want[n]);
        }
        rig_close(ref);
        for (int cpu = APUS_CPU_REF; cpu <= last_cpu(); cpu++)
            for (uint32_t threads = 1; threads <= last_threads(); threads += 2) {
                struct rig *r = rig_open(tested, &model, (apus_cpu)cpu, threads);
                for (size_t n = 0; r && n < SCENES; n++)
                    play_all_ways(r, &model, &scenes[n], want[n]);
                if (r) rig_close(r);
            }
        for (size_t n = 0; n < SCENES; n++) free(want[n]);
        random_model_free(&model);
    }
}
