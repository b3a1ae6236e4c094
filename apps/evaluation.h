/* What the commands share that evaluate all ids of a list: perplexity, compare and logits. */
#ifndef APPS_EVALUATION_H
#define APPS_EVALUATION_H

#include "input.h"

/* How many positions, 1 .. 128, a call should evaluate, so that the logits of all of them take no
 * more than 64 MiB; one position may take more. */
size_t evaluation_run(uint32_t vocab);

/* Chooses the tokens of a window: --ctx, or 512, or what the model holds if that is less. most: the
 * positions that the model holds. EXIT_OK, or a status after a sentence: the model holds less, the
 * window is too short to score, or the text does not fill one. */
int evaluation_window(size_t *length, const struct ids *ids, uint32_t most,
                      const struct settings *settings);

#define OPTION_WINDOW                                                                              \
    {                                                                                              \
        "-c", "--ctx", OPTION_COUNT, offsetof(struct settings, context), 4, 4294967295.0, "N",     \
            "tokens of a window (default: 512, or what the model holds if that is less)",          \
            "tokens of a window (default 512)"                                                     \
    }

#endif
