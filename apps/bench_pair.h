/* apus bench with a draft: what speculation brings. */
#ifndef APPS_BENCH_PAIR_H
#define APPS_BENCH_PAIR_H

#include "command.h"

/* -d DRAFT --pair: a few built-in prompts, plain and with every number of proposals, greedy and
 * sampled. */
int bench_pair(const struct settings *settings);

/* -d DRAFT --replay ALPHA: the real costs of both models under an imposed share of accepted
 * proposals; the two need not share a tokenizer. */
int bench_replay(const struct settings *settings);

/* -d DRAFT --agreement: how often both choose the same, with the same noise and by other ways of
 * drawing. In bench_agreement.c. */
int bench_agreement(const struct settings *settings);

/* What is completed for these figures: three beginnings of code, one of prose. */
extern const char *const bench_prompts[];
enum { BENCH_PROMPTS = 4 };

#endif
