/* apus bench with a draft: how much faster speculation is. */
#ifndef APPS_BENCH_PAIR_H
#define APPS_BENCH_PAIR_H

#include "command.h"

/* -d DRAFT --pair: completes a few built-in prompts, plainly and with every number of proposals,
 * greedy and sampled. Like the others it returns an exit status. */
int bench_pair(const struct settings *settings);

/* -d DRAFT --replay ALPHA: times rounds of both models as if the share ALPHA of the proposals were
 * accepted. The two models need not have the same tokenizer. */
int bench_replay(const struct settings *settings);

/* -d DRAFT --agreement: measures how often both models choose the same token, with the same noise
 * and by other ways of drawing. It is in bench_agreement.c. */
int bench_agreement(const struct settings *settings);

/* The prompts that are completed for these figures: three beginnings of code and one of prose. */
extern const char *const bench_prompts[];
enum { BENCH_PROMPTS = 4 };

#endif
