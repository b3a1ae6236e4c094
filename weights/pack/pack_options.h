/* The command line of apus-pack: the table of options, and the check of which go together. */
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
    unsigned layer_bits; /* 4 or 8; follows from weights and bits */
    double bits;
    uint64_t positions, threads;
    const char *calibrate; /* names of files, separated by commas; NULL: the text that is part of
                              the packer */
    const char *effort;    /* "quick", "full" or NULL, which is full */
    int no_calibrate, no_rotate, resume;
    const char *prune;      /* "2:4" or NULL */
    uint64_t draft_vocab;   /* rows of the head; 0: all */
    const char *draft_text; /* as calibrate */
    const char *header; /* NULL: a checkpoint is packed. Otherwise source is a blob, and no out is
                           given */
    const char *draft;
    int array;
};

enum { PACK_OPTIONS = 26 };
extern const struct option pack_options[PACK_OPTIONS];

/* Checks the settings and sets layer_bits. EXIT_OK; or EXIT_USAGE, after a sentence, if something
 * is missing, if a value is not one that its option takes, or if options do not go together. */
int pack_options_check(struct settings *settings);

#endif
