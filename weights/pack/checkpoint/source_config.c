/* What the configurations of both kinds of checkpoints have in common. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weights/pack/checkpoint/source_inside.h"

bool name_is_listed(const char *const *list, const char *name) {
    for (; *list; list++)
        if (strcmp(*list, name) == 0) return true;
    return false;
}

void config_note(struct model_config *config, const char *format, ...) {
    size_t used = strlen(config->notes);
    if (used && used + 2 < sizeof config->notes) {
        memcpy(config->notes + used, "; ", 3);
        used += 2;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(config->notes + used, sizeof config->notes - used, format, args);
    va_end(args);
}

void config_cap_positions(struct model_config *config, uint64_t positions, const char *why) {
    if (positions == 0 || positions >= config->max_positions) return;
    config_note(config, "positions end at %s of %llu instead of %u", why,
                (unsigned long long)positions, config->max_positions);
    config->max_positions = (uint32_t)positions;
}

void config_begin(struct model_config *config) {
    config->bos = config->mask = -1;
    config->scale = (struct scale_config){.embedding = 1, .scores = 0, .residual = 1, .logits = 1};
    config->rope = (struct rope_config){.theta = 10000, .factor = 1};
}

bool config_allocate_layers(struct model_config *config, uint64_t layers, const char *file,
                            struct diag *d) {
    if (layers < 1 || layers > SOURCE_MAX_LAYERS)
        return diag_fail(d, "%s: %llu layers are not 1 to %d", file, (unsigned long long)layers,
                         SOURCE_MAX_LAYERS);
    config->layers = (uint32_t)layers;
    config->layer = calloc(layers, sizeof *config->layer);
    return config->layer ? true : diag_fail(d, "out of memory");
}

bool config_is_token(struct model_config *config, const char *key, double id) {
    if (id >= 0 && id < config->vocab) return true;
    config_note(config, "%s %.15g is no token and counts as none", key, id);
    return false;
}

bool config_add_end_token(struct model_config *config, uint64_t id, const char *file,
                          struct diag *d) {
    assert(id < config->vocab);
    for (uint32_t i = 0; i < config->end_tokens_count; i++)
        if (config->end_tokens[i] == (int32_t)id) return true;
    if (config->end_tokens_count == SOURCE_MAX_END_TOKENS)
        return diag_fail(d, "%s: more than %d end tokens", file, SOURCE_MAX_END_TOKENS);
    config->end_tokens[config->end_tokens_count++] = (int32_t)id;
    return true;
}

static bool in_range(uint64_t value, uint64_t max, const char *what, const char *file,
                     struct diag *d) {
    if (value >= 1 && value <= max) return true;
    return diag_fail(d, "%s: %s of %llu is not 1 to %llu", file, what, (unsigned long long)value,
                     (unsigned long long)max);
}

bool config_clamps(const struct model_config *config) {
    return config->family->traits & FAMILY_GPT_OSS;
}

static bool check_layer(const struct layer_config *layer, uint32_t index, const char *file,
                        struct diag *d) {
    if (layer->ffn > SOURCE_MAX_FFN)
        return diag_fail(d, "%s: layer %u: feed-forward width %u is above %d", file, index,
                         layer->ffn, SOURCE_MAX_FFN);
    if (layer->experts > SOURCE_MAX_EXPERTS)
        return diag_fail(d, "%s: layer %u: %u experts where at most %d are supported", file, index,
                         layer->experts, SOURCE_MAX_EXPERTS);
    if (layer->experts && (!layer->active || layer->active > layer->experts || !layer->ffn))
        return diag_fail(d, "%s: layer %u: %u of %u experts of width %u are used for a token", file,
                         index, layer->active, layer->experts, layer->ffn);
    if (layer->heads == 0 && layer->kv_heads == 0) return true;
    if (layer->heads == 0 || layer->heads > SOURCE_MAX_HEADS)
        return diag_fail(d, "%s: layer %u: %u query heads are not 1 to %d", file, index,
                         layer->heads, SOURCE_MAX_HEADS);
    if (layer->kv_heads == 0 || layer->heads % layer->kv_heads)
        return diag_fail(d, "%s: layer %u: %u key/value heads do not divide %u query heads", file,
                         index, layer->kv_heads, layer->heads);
    if (layer->head_dim < 2 || layer->head_dim % 2 || layer->head_dim > SOURCE_MAX_HEAD_DIM)
        return diag_fail(d, "%s: layer %u: head size %u is not an even number up to %d", file,
                         index, layer->head_dim, SOURCE_MAX_HEAD_DIM);
    return true;
}

static bool check_rope(const struct rope_config *rope, const char *file, struct diag *d) {
    /* Comparisons written so that NaN fails them. */
    if (!(rope->theta > 1 && rope->theta <= 1e15))
        return diag_fail(d, "%s: RoPE theta %g is not above 1 and up to 1e15", file, rope->theta);
    if (!(rope->factor >= 1 && rope->factor <= 1e6))
        return diag_fail(d, "%s: RoPE scaling factor %g is not 1 to 1e6", file, rope->factor);
    if (rope->attention_factor != 0 &&
        !(rope->attention_factor >= 0x1p-10 && rope->attention_factor <= 0x1p10))
        return diag_fail(d, "%s: RoPE attention factor %g is not 2^-10 to 2^10", file,
                         rope->attention_factor);
    if (rope->scaling == ROPE_LLAMA3 &&
        !(rope->low_freq_factor > 0 && rope->low_freq_factor < rope->high_freq_factor &&
          rope->high_freq_factor <= 1e6))
        return diag_fail(d, "%s: RoPE frequency factors %g and %g are not positive and ascending",
                         file, rope->low_freq_factor, rope->high_freq_factor);
    if (!(rope->mscale >= 0 && rope->mscale <= 0x1p10 && rope->mscale_all >= 0 &&
          rope->mscale_all <= 0x1p10))
        return diag_fail(d, "%s: RoPE mscale %g and mscale_all_dim %g are not 0 to 2^10", file,
                         rope->mscale, rope->mscale_all);
    if (rope->scaling == ROPE_YARN &&
        !(rope->beta_slow > 0 && rope->beta_slow <= rope->beta_fast && rope->beta_fast <= 1e6))
        return diag_fail(d,
                         "%s: RoPE beta_fast %g and beta_slow %g are not positive and descending",
                         file, rope->beta_fast, rope->beta_slow);
    return rope->scaling == ROPE_NONE || rope->scaling == ROPE_LINEAR ||
           rope->scaling == ROPE_DIVISORS ||
           in_range(rope->original_positions, SOURCE_MAX_POSITIONS,
                    "original position count of the RoPE scaling", file, d);
}

static bool check_scales(const struct scale_config *scale, const char *file, struct diag *d) {
    const struct {
        const char *what;
        double value;
    } all[] = {{"embedding", scale->embedding},
               {"scores", scale->scores ? scale->scores : 1},
               {"sublayers", scale->residual},
               {"logits", scale->logits}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (!(all[i].value >= 0x1p-20 && all[i].value <= 0x1p20))
            return diag_fail(d, "%s: the factor of the %s, %g, is not 2^-20 to 2^20", file,
                             all[i].what, all[i].value);
    return true;
}

bool source_config_check(const struct model_config *config, const char *file, struct diag *d) {
    if (!in_range(config->dim, SOURCE_MAX_DIM, "model width", file, d) ||
        !in_range(config->vocab, SOURCE_MAX_VOCAB, "vocabulary", file, d) ||
        !in_range(config->max_positions, SOURCE_MAX_POSITIONS, "position count", file, d))
        return false;
    for (uint32_t i = 0; i < config->layers; i++)
        if (!check_layer(&config->layer[i], i, file, d)) return false;
    if (!(config->eps > 0 && config->eps < 1))
        return diag_fail(d, "%s: RMSNorm epsilon %g is not between 0 and 1", file, config->eps);
    return check_scales(&config->scale, file, d) && check_rope(&config->rope, file, d) &&
           (!config->window_rope_differs || check_rope(&config->window_rope, file, d));
}
