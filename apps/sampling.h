/* How the next token is chosen, and what proposes tokens: options of run and chat, and how they
 * become an apus_sampling. */
#ifndef APPS_SAMPLING_H
#define APPS_SAMPLING_H

#include "command.h"

#define SETTING(member) offsetof(struct settings, member)

/* clang-format off */
#define OPTIONS_SAMPLING \
    {NULL, "--temp", OPTION_REAL, SETTING(temperature), 0, 100, "T", \
     "temperature: 0 (default) takes the likeliest token, else 0.01 to 100", \
     "0 (default) takes the likeliest token, 0.8 varies"}, \
    {NULL, "--top-k", OPTION_COUNT, SETTING(top_k), 0, 4294967295.0, "K", \
     "sample among the K likeliest tokens (default 0: off)", NULL}, \
    {NULL, "--top-p", OPTION_REAL, SETTING(top_p), 0, 1, "P", \
     "sample among the likeliest tokens that hold P of the probability (default: off)", \
     "sample among the likeliest that hold P, such as 0.95"}, \
    {NULL, "--min-p", OPTION_REAL, SETTING(min_p), 0, 1, "P", \
     "drop tokens less likely than P times the likeliest (default: off)", NULL}, \
    {NULL, "--repeat-penalty", OPTION_REAL, SETTING(repeat_penalty), 0, 10, "R", \
     "make recent tokens less likely, 0.1 to 10 (default: off)", NULL}, \
    {NULL, "--repeat-last", OPTION_COUNT, SETTING(repeat_last), 1, 1024, "N", \
     "how many tokens back that looks (default 64)", NULL}, \
    {NULL, "--seed", OPTION_OWN, SETTING(seed), 0, 0, "N", \
     "of the random numbers (default 0); the same seed gives the same text; -1: another one each " \
     "time, told in the figures", \
     "the same seed gives the same text; -1: any"}, \
    {NULL, "--stop", OPTION_SEVERAL, SETTING(stops), 0, 0, "TEXT", \
     "end before this text; can be given 8 times, 63 bytes each", \
     "end before this text; several can be given"}, \
    {NULL, "--ignore-eos", OPTION_FLAG, SETTING(ignore_eos), 0, 0, NULL, \
     "go on after tokens that end a text", NULL}
#define OPTIONS_DRAFT \
    {"-d", "--draft", OPTION_STRING, SETTING(draft), 0, 0, "FILE", \
     "a smaller model's blob that proposes tokens; the text stays the same, it comes faster", \
     "a smaller model's blob, for speed"}, \
    OPTION_DRAFT_ENGINE, \
    {NULL, "--draft-tokens", OPTION_STRING, SETTING(draft_tokens), 0, 0, "N", \
     "tokens to propose a round, 1 to 15, or auto (default): as many as pay", NULL}, \
    {NULL, "--overlap", OPTION_STRING, SETTING(overlap_text), 0, 0, "WHEN", \
     "let the draft go on while the model verifies on another engine: auto (default: where it is " \
     "faster), on or off", \
     NULL}, \
    {NULL, "--draft-ctx", OPTION_COUNT, SETTING(draft_context), 64, 4294967295.0, "N", \
     "positions the draft holds; of a longer text it sees the last part (default: as many as the " \
     "context, as far as the draft goes)", \
     NULL}
#define OPTION_LOOKUP \
    {NULL, "--lookup", OPTION_FLAG, SETTING(lookup), 0, 0, NULL, \
     "also propose what followed the same tokens earlier in the context", NULL}
#define OPTION_NO_LOOKUP \
    {NULL, "--no-lookup", OPTION_FLAG, SETTING(no_lookup), 0, 0, NULL, \
     "do not propose what followed the same tokens earlier in the context", NULL}
/* clang-format on */

/* For --seed -1: sets a random seed of 32 bits, which JSON readers do not round. Returns EXIT_FAULT
 * after a sentence if the system gives no random number. */
int sampling_seed(struct settings *settings);

/* Makes *sampling from the settings, and checks the values whose range has a gap. max_tokens is
 * settings->tokens. sampling->stops points to `stops`, whose texts belong to the settings or to
 * this function. Returns EXIT_OK, or EXIT_USAGE after a sentence. */
int sampling_make(apus_sampling *sampling, apus_stop stops[APUS_STOPS_MAX],
                  const struct settings *settings);

#endif
