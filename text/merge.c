/* The next pair to merge is the leftmost of least rank. A tree of minima over the places finds it,
 * and each merge updates the tree in a few steps. A node has 16 children, so an ordinary word is
 * one short scan, and ten million symbols are six levels. */
#include "text/merge.h"

#include <assert.h>

struct tree {
    uint32_t *level[MERGE_LEVELS];
    uint32_t size[MERGE_LEVELS];
    uint32_t levels;
};

size_t merge_ranks(size_t count) {
    size_t total = count;
    for (; count > MERGE_FAN; total += count) count = (count + MERGE_FAN - 1) / MERGE_FAN;
    return total;
}

static uint32_t least(const uint32_t *a, uint32_t begin, uint32_t end) {
    uint32_t m = VOCAB_NONE;
    for (uint32_t i = begin; i < end; i++) m = a[i] < m ? a[i] : m;
    return m;
}

static uint32_t least_of_group(const struct tree *t, uint32_t level, uint32_t group) {
    uint32_t begin = group * MERGE_FAN,
             end = begin + MERGE_FAN < t->size[level] ? begin + MERGE_FAN : t->size[level];
    return least(t->level[level], begin, end);
}

static void tree_build(struct tree *t, uint32_t *rank, uint32_t count) {
    t->level[0] = rank;
    t->size[0] = count;
    for (t->levels = 1; t->size[t->levels - 1] > MERGE_FAN; t->levels++) {
        uint32_t below = t->levels - 1;
        t->level[t->levels] = t->level[below] + t->size[below];
        t->size[t->levels] = (t->size[below] + MERGE_FAN - 1) / MERGE_FAN;
        for (uint32_t g = 0; g < t->size[t->levels]; g++)
            t->level[t->levels][g] = least_of_group(t, below, g);
    }
}

static void tree_set(struct tree *t, uint32_t at, uint32_t rank) {
    if (t->level[0][at] == rank) return;
    t->level[0][at] = rank;
    for (uint32_t k = 1; k < t->levels; k++) {
        at /= MERGE_FAN;
        uint32_t m = least_of_group(t, k - 1, at);
        if (t->level[k][at] == m) return;
        t->level[k][at] = m;
    }
}

/* The leftmost place of least rank; VOCAB_NONE if there is no pair. */
static uint32_t tree_first(const struct tree *t) {
    uint32_t k = t->levels - 1, m = least(t->level[k], 0, t->size[k]), at = 0;
    if (m == VOCAB_NONE) return VOCAB_NONE;
    for (;; at *= MERGE_FAN) {
        while (t->level[k][at] != m) at++;
        if (k-- == 0) return at;
    }
}

static uint32_t pair_rank(const struct vocab *v, uint32_t left, uint32_t right, uint32_t *result) {
    if (left >= v->header->symbols) return VOCAB_NONE;
    uint32_t lo = v->pair_index[left], end = v->pair_index[left + 1], hi = end;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (v->pairs[mid].right < right)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == end || v->pairs[lo].right != right) return VOCAB_NONE;
    *result = v->pairs[lo].result;
    return v->pairs[lo].rank;
}

void merge_run(const struct vocab *v, const struct merge *m, uint32_t count) {
    assert(count >= 1 && count < 1u << 31);
    struct tree tree;
    for (uint32_t i = 0; i < count; i++) {
        m->span[i] = 1;
        m->rank[i] = i + 1 < count ? pair_rank(v, m->symbol[i], m->symbol[i + 1], &m->result[i])
                                   : VOCAB_NONE;
    }
    tree_build(&tree, m->rank, count);
    for (uint32_t i = tree_first(&tree); i != VOCAB_NONE; i = tree_first(&tree)) {
        uint32_t right = i + m->span[i], end = right + m->span[right];
        m->symbol[i] = m->result[i];
        m->span[i] = m->span[end - 1] = end - i;
        tree_set(&tree, right, VOCAB_NONE);
        tree_set(&tree, i,
                 end < count ? pair_rank(v, m->symbol[i], m->symbol[end], &m->result[i])
                             : VOCAB_NONE);
        if (i == 0) continue;
        uint32_t left = i - m->span[i - 1];
        tree_set(&tree, left, pair_rank(v, m->symbol[left], m->symbol[i], &m->result[left]));
    }
}
