/* Says when to try again what did not pay: after a pause, counted in rounds, which doubles with
 * every try that fails. */
#ifndef SPECULATE_TRIAL_H
#define SPECULATE_TRIAL_H

#include <assert.h>
#include <stdint.h>

struct trial {
    uint32_t pause;       /* rounds to wait before the next try, first .. most */
    uint32_t waited;      /* rounds waited since the last try */
    uint32_t first, most; /* the shortest pause, at least 1, and the longest, `first` times a power
                             of two */
};

static inline void trial_open(struct trial *t, uint32_t first, uint32_t most) {
    assert(first && first <= most);
    *t = (struct trial){.pause = first, .first = first, .most = most};
}

/* Counts a round of waiting, and says whether the pause is over. */
static inline int trial_is_due(struct trial *t) { return ++t->waited > t->pause; }

/* Lets the waiting begin anew: after a try, and while what was tried pays. */
static inline void trial_wait_anew(struct trial *t) { t->waited = 0; }

static inline void trial_failed(struct trial *t) {
    if (t->pause < t->most) t->pause *= 2;
}

static inline void trial_paid(struct trial *t) { t->pause = t->first; }

#endif
