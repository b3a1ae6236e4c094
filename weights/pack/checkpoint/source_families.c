#include "weights/pack/checkpoint/source_families.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct source_family families[] = {
    {.name = {"llama", "LlamaForCausalLM"}, .interleaved = true, .kv_optional = true},
    {.name = {NULL, "MistralForCausalLM"}, .windowed = true},
    {.name = {"deci", "DeciLMForCausalLM"}, .interleaved = true, .varied = true},
    {.name = {"qwen2", "Qwen2ForCausalLM"}, .features = SOURCE_FEATURE(WHEN_BIASED)},
};
enum { FAMILIES = sizeof families / sizeof families[0] };

/* "a, b and c" of at most `room` bytes. */
static void list_names(enum source_naming naming, char *out, size_t room) {
    size_t used = 0, left = 0;
    for (size_t i = 0; i < FAMILIES; i++) left += families[i].name[naming] != NULL;
    for (size_t i = 0; i < FAMILIES && used < room; i++) {
        const char *name = families[i].name[naming];
        if (!name) continue;
        left--;
        used += (size_t)snprintf(out + used, room - used, "%s%s", name,
                                 left > 1    ? ", "
                                 : left == 1 ? " and "
                                             : "");
    }
}

const struct source_family *source_family(enum source_naming naming, const char *name,
                                          const char *file, struct diag *d) {
    char all[256] = "";
    for (size_t i = 0; i < FAMILIES; i++)
        if (families[i].name[naming] && strcmp(name, families[i].name[naming]) == 0)
            return &families[i];
    list_names(naming, all, sizeof all);
    diag_fail(d, "%s: architecture %.60s is not supported, only %s", file, name, all);
    return NULL;
}
