#include "speculate/lookup.h"

#include <assert.h>

#include "speculate/policy.h"

/* The shortest and the longest match that is looked for. Both are chosen, not measured; how far a
 * match of some length can be trusted is learned (policy_bin_match). */
enum { SHORTEST = 3, LONGEST = 16 };

uint32_t lookup_find(const int32_t *ids, uint32_t count, uint32_t shortest, uint32_t longest,
                     uint32_t *at) {
    assert(shortest >= 1 && shortest <= longest);
    uint32_t best = 0;
    if (count < 2) return 0;
    for (uint32_t end = count - 1; end > 0; end--) { /* ids[.. end) ends like ids[.. count) */
        if (ids[end - 1] != ids[count - 1]) continue;
        uint32_t n = 1;
        while (n < longest && n < end && ids[end - 1 - n] == ids[count - 1 - n]) n++;
        if (n > best) best = n, *at = end;
        if (best == longest) break;
    }
    return best >= shortest ? best : 0;
}

/* The ids that followed may reach into the proposals themselves; then a repetition goes on. */
void lookup_propose(const int32_t *ids, uint32_t count, uint32_t most,
                    struct draft_tokens *tokens) {
    assert(most <= DRAFT_TOKENS_MAX);
    uint32_t at = 0, n = lookup_find(ids, count, SHORTEST, LONGEST, &at);
    if (!n) return;
    for (; tokens->count < most; tokens->count++, at++) {
        tokens->id[tokens->count] = at < count ? ids[at] : tokens->id[at - count];
        tokens->bin[tokens->count] = policy_bin_match(n + tokens->count);
    }
}
