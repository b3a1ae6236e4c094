#include "figures.h"

void figures_add(struct figures *figures, const struct request_result *result) {
    figures->texts++;
    figures->new_tokens += result->new_tokens;
    figures->proposed += result->proposed;
    figures->accepted += result->accepted;
    figures->next_ns += result->next_ns;
    if (result->index) return;
    figures->prompt_tokens += result->evaluated;
    figures->reused_tokens += result->reused;
    figures->waited_ns += result->waited_ns;
    figures->prompt_ns += result->prompt_ns;
}
