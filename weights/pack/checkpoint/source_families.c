#include "weights/pack/checkpoint/source_families.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define BIASED SOURCE_FEATURE(WHEN_BIASED)
#define OLMO2                                                                                      \
    (SOURCE_FEATURE(WHEN_NORMED) | SOURCE_FEATURE(WHEN_WHOLE) | SOURCE_FEATURE(WHEN_BEHIND) |      \
     SOURCE_FEATURE(WHEN_ONLY_BEHIND))

static const struct source_family families[] = {
    /* GGUF files of Mixtral have Llama's name */
    {{"llama", NULL}, 0, FAMILY_INTERLEAVED | FAMILY_KV_OPTIONAL | FAMILY_EXPERTS, NULL},
    {{NULL, "LlamaForCausalLM"}, 0, FAMILY_KV_OPTIONAL, NULL},
    {{NULL, "MixtralForCausalLM"}, 0, FAMILY_WINDOWED | FAMILY_EXPERTS, NULL},
    {{NULL, "MistralForCausalLM"}, 0, FAMILY_WINDOWED, NULL},
    {{NULL, "MinistralForCausalLM"}, 0, FAMILY_WINDOWED, NULL},
    {{"mistral3", "Ministral3ForCausalLM"},
     0,
     FAMILY_INTERLEAVED | FAMILY_WINDOWED | FAMILY_TEMPERED,
     NULL},
    {{NULL, "Mistral3ForConditionalGeneration"}, 0, FAMILY_INSIDE, NULL},
    {{"deci", "DeciLMForCausalLM"}, 0, FAMILY_INTERLEAVED | FAMILY_VARIED, NULL},
    {{"qwen2", "Qwen2ForCausalLM"}, BIASED, 0, NULL},
    {{"qwen3", "Qwen3ForCausalLM"}, SOURCE_FEATURE(WHEN_NORMED), 0, NULL},
    {{"qwen3moe", "Qwen3MoeForCausalLM"},
     SOURCE_FEATURE(WHEN_NORMED),
     FAMILY_EXPERTS | FAMILY_CHOOSES_NORM,
     NULL},
    {{"mellum", "MellumForCausalLM"},
     SOURCE_FEATURE(WHEN_NORMED),
     FAMILY_EXPERTS | FAMILY_WINDOW_ROPE,
     NULL},
    {{"gpt-oss", "GptOssForCausalLM"},
     BIASED | SOURCE_FEATURE(WHEN_O_BIASED) | SOURCE_FEATURE(WHEN_EXPERTS_BIASED) |
         SOURCE_FEATURE(WHEN_SINKS),
     FAMILY_EXPERTS | FAMILY_EXPERTS_ACROSS | FAMILY_GPT_OSS | FAMILY_WINDOWED,
     NULL},
    {{"starcoder2", "Starcoder2ForCausalLM"},
     SOURCE_FEATURE(WHEN_SHIFTED) | SOURCE_FEATURE(WHEN_UNGATED),
     FAMILY_LAYER_NORM | FAMILY_WINDOWED,
     NULL},
    {{"olmo2", NULL}, OLMO2, FAMILY_WINDOW_ROPE, NULL}, /* OLMo 3 too */
    {{NULL, "Olmo2ForCausalLM"}, OLMO2, FAMILY_KV_OPTIONAL | FAMILY_BEHIND, NULL},
    {{NULL, "Olmo3ForCausalLM"},
     OLMO2,
     FAMILY_KV_OPTIONAL | FAMILY_BEHIND | FAMILY_WINDOWED | FAMILY_WINDOW_PLAIN,
     NULL},
    {{"smollm3", "SmolLM3ForCausalLM"},
     0,
     FAMILY_INTERLEAVED | FAMILY_KV_OPTIONAL | FAMILY_FOURTH_UNROTATED,
     NULL},
    {{"phi3", "Phi3ForCausalLM"},
     0,
     FAMILY_KV_OPTIONAL | FAMILY_WINDOWED | FAMILY_FUSED | FAMILY_PARTIAL,
     NULL},
    {{NULL, "GraniteForCausalLM"}, 0, FAMILY_KV_OPTIONAL | FAMILY_SCALED, NULL},
    {{NULL, "GraniteMoeHybridForCausalLM"},
     0,
     FAMILY_KV_OPTIONAL | FAMILY_SCALED | FAMILY_ROPE_OPTIONAL | FAMILY_SHARED_MLP,
     NULL},
    {{"granite", NULL},
     0,
     FAMILY_INTERLEAVED | FAMILY_KV_OPTIONAL | FAMILY_SCALED | FAMILY_ROPE_OPTIONAL,
     NULL},
};
enum { FAMILIES = sizeof families / sizeof families[0] };

/* Architectures that are refused, and what is missing for them. */
static const struct source_family refused[] = {
    {{"gemma", "GemmaForCausalLM"}, 0, 0, "a feed-forward part gated by GELU"},
    {{"gemma2", "Gemma2ForCausalLM"}, 0, 0, "soft caps of the scores and of the logits"},
    {{"gemma3", "Gemma3ForCausalLM"}, 0, 0, "a feed-forward part gated by GELU"},
    {{NULL, "Gemma3ForConditionalGeneration"}, 0, 0, "a feed-forward part gated by GELU"},
    {{"gemma3n", "Gemma3nForCausalLM"}, 0, 0, "embeddings of each layer, and shared caches"},
    {{"gemma4", "Gemma4ForCausalLM"}, 0, 0, "embeddings of each layer, and shared caches"},
    {{"cohere2", "Cohere2ForCausalLM"}, 0, 0, "parallel sublayers behind one layer norm"},
    {{"granitemoe", "GraniteMoeForCausalLM"}, 0, 0, "experts"},
    {{"granitehybrid", NULL}, 0, 0, "layers with a recurrent state"},
    {{"qwen3next", "Qwen3NextForCausalLM"}, 0, 0, "layers with a recurrent state, and experts"},
    {{"qwen35", "Qwen3_5ForCausalLM"}, 0, 0, "layers with a recurrent state"},
    {{"qwen35moe", "Qwen3_5MoeForCausalLM"}, 0, 0, "layers with a recurrent state, and experts"},
    {{"deepseek2", "DeepseekV3ForCausalLM"}, 0, 0, "compressed keys and values, and experts"},
};
enum { REFUSED = sizeof refused / sizeof refused[0] };

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

static const struct source_family *find(const struct source_family *rows, size_t count,
                                        enum source_naming naming, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (rows[i].name[naming] && strcmp(name, rows[i].name[naming]) == 0) return &rows[i];
    return NULL;
}

const struct source_family *source_family(enum source_naming naming, const char *name,
                                          const char *file, struct diag *d) {
    char all[512] = "";
    const struct source_family *family = find(families, FAMILIES, naming, name);
    if (family) return family;
    family = find(refused, REFUSED, naming, name);
    list_names(naming, all, sizeof all);
    if (family)
        diag_fail(d, "%s: architecture %.60s is not supported; what is missing: %s", file, name,
                  family->missing);
    else
        diag_fail(d, "%s: architecture %.60s is not supported, only %s", file, name, all);
    return NULL;
}
