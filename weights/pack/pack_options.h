/* The command line of apus-pack. */
#ifndef PACK_OPTIONS_H
#define PACK_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "weights/pack/checkpoint/diag.h"

struct options {
    const char *source, *out;
    const char *name, *report; /* NULL where not given */
    const char *pre;           /* a name that vocab_pre_find knows; NULL where not given */
    unsigned layer_bits;       /* 0, 4 or 8 */
    double bits;               /* 0 where not given */
    uint32_t positions;        /* 0 where not given */
    unsigned threads;          /* 0 where not given */
    const char *calibrate;     /* files with commas between them; NULL: the text that ships with the
                                  packer */
    const char *effort;        /* "quick", "full" or NULL, which is full */
    bool rotate, no_calibrate, resume, quiet, help, version;
};

/* False with a sentence for what is wrong. With help or version nothing else counts. */
bool options_read(struct options *options, int argc, char **argv, struct diag *d);

extern const char OPTIONS_HELP[];

#endif
