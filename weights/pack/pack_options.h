/* The command line of apus-pack: its table, and what of it fits together. */
#ifndef PACK_OPTIONS_H
#define PACK_OPTIONS_H

#include "apps/kit/command_line.h"

/* Zero means not given. */
struct settings {
    int json, quiet, help, version, man;
    const char *completion;
    const char *source, *out;
    const char *name, *report;
    const char *pre;     /* a name that vocab_pre_find knows */
    const char *fim;     /* a name that fim_form_named knows */
    const char *weights; /* "int4" or "int8" */
    unsigned layer_bits; /* 4 or 8, by weights and bits */
    double bits;
    uint64_t positions, threads;
    const char *calibrate; /* files with commas between them; NULL: the text that ships with the
                              packer */
    const char *effort;    /* "quick", "full" or NULL, which is full */
    int no_calibrate, no_rotate, resume;
};

enum { PACK_OPTIONS = 20 };
extern const struct option pack_options[PACK_OPTIONS];

/* EXIT_OK, or EXIT_USAGE after a sentence for what is missing, is no value of its option, or does
 * not go together. Sets layer_bits. */
int pack_options_check(struct settings *settings);

#endif
