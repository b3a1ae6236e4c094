/* What each key of a configuration does to the function of the weights: of a Hugging Face
 * config.json, and of a GGUF file. It is decided here alone, but for the keys inside
 * rope_parameters (source_rope.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weights/pack/checkpoint/source_inside.h"

/* Keys that source_json.c reads. */
static const char *const READ[] = {
    "architectures",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "num_key_value_heads_per_layer",
    "head_dim",
    "intermediate_size",
    "vocab_size",
    "max_position_embeddings",
    "original_max_position_embeddings",
    "rms_norm_eps",
    "rope_theta",
    "rope_scaling",
    "rope_parameters",
    "tie_word_embeddings",
    "attention_bias",
    "qkv_bias",
    "mlp_bias",
    "sliding_window",
    "use_sliding_window",
    "max_window_layers",
    "layer_types",
    "bos_token_id",
    "eos_token_id",
    "eos_token_ids",
    "block_configs",
    "pard_token",
    NULL,
};

/* Keys that say nothing about the function of the weights. They are about training, defaults of
 * generation, or files, or old writers left them. */
static const char *const HARMLESS[] = {
    "_name_or_path",
    "_attn_implementation",
    "_flash_attn_2_enabled",
    "_attn_implementation_autoset",
    "_commit_hash",
    "add_cross_attention",
    "attention_dropout",
    "attn_implementation",
    "auto_map",
    "bad_words_ids",
    "begin_suppress_tokens",
    "chunk_size_feed_forward",
    "cross_attention_hidden_size",
    "decoder_start_token_id",
    "diversity_penalty",
    "do_sample",
    "dtype",
    "early_stopping",
    "embd_pdrop",
    "attn_pdrop",
    "resid_pdrop",
    "resid_dropout",
    "hidden_dropout",
    "encoder_no_repeat_ngram_size",
    "experts_per_token", /* gpt-oss repeats two keys under other names */
    "exponential_decay_length_penalty",
    "finetuning_task",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "id2label",
    "image_token_id", /* this and others of pictures: that part of a model is not packed */
    "image_token_index",
    "initial_context_length",
    "initializer_range",
    "is_decoder",
    "is_encoder_decoder",
    "is_llama_config",
    "label2id",
    "length_penalty",
    "mamba_chunk_size", /* of layers that are there if layer_types names them */
    "mamba_conv_bias",
    "mamba_d_conv",
    "mamba_d_head",
    "mamba_d_state",
    "mamba_expand",
    "mamba_n_groups",
    "mamba_n_heads",
    "mamba_proj_bias",
    "max_length",
    "min_length",
    "model_type",
    "multimodal_projector_bias",
    "naive_attention_decode_batched",
    "naive_attention_decode_single",
    "naive_attention_prefill",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "output_attentions",
    "output_hidden_states",
    "output_router_logits",
    "output_router_logits",
    "output_scores",
    "router_aux_loss_coef",
    "router_jitter_noise",
    "pad_token_id",
    "prefix",
    "pretraining_tp",
    "problem_type",
    "projector_hidden_act",
    "pruned_heads",
    "remove_invalid_values",
    "repetition_penalty",
    "return_dict",
    "return_dict_in_generate",
    "router_aux_loss_coef",
    "sep_token_id",
    "spatial_merge_size",
    "spd_type", /* "pard" beside pard_token */
    "suppress_tokens",
    "task_specific_params",
    "temperature",
    "tf_legacy_loss",
    "tie_encoder_decoder",
    "time_step_limit",
    "tokenizer_class",
    "top_k",
    "top_p",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "transformers.js_config",
    "typical_p",
    "unsloth_fixed",
    "unsloth_version",
    "use_bfloat16",
    "use_cache",
    "vision_feature_layer",
    "unk_token_id",
    NULL,
};

/* Keys that change the function. Families with one of the traits read the key (source_json.c); with
 * others it must have the value at which it changes nothing, or be null. Those of architectures
 * that are refused by their name are here too, because configurations are copied from one model to
 * the next. */
static const struct {
    const char *key;
    const char *words;   /* strings that are allowed, separated by spaces; or NULL, then: */
    double number;       /* the number that is allowed; true counts as 1, false and an empty list or
                          object count as 0 */
    const char *missing; /* what another value would need */
    uint32_t traits;     /* enum family_trait */
} NEUTRAL[] = {
    {"hidden_act", "silu swish", 0, "another activation", FAMILY_LAYER_NORM},
    {"hidden_activation", "silu swish", 0, "another activation", 0},
    {"activation_function", "silu swish", 0, "another activation", 0},
    {"norm_type", "rmsnorm rms_norm RMSNorm", 0, "another norm", FAMILY_LAYER_NORM},
    {"norm_epsilon", NULL, 0, "layer norms", FAMILY_LAYER_NORM},
    {"mlp_type", "default", 0, "another feed-forward part", 0},
    {"normalization_type", "rmsnorm rms_norm RMSNorm", 0, "another norm", 0},
    {"normalization_function", "rmsnorm rms_norm RMSNorm", 0, "another norm", 0},
    {"position_embedding_type", "rope rotary", 0, "another way to see positions",
     FAMILY_ROPE_OPTIONAL},
    {"partial_rotary_factor", NULL, 1, "RoPE on a part of each head", FAMILY_PARTIAL},
    {"rotary_pct", NULL, 1, "RoPE on a part of each head", 0},
    {"residual_multiplier", NULL, 1, "a factor of what sublayers add", FAMILY_SCALED},
    {"attention_multiplier", NULL, 1, "a factor of the scores", FAMILY_SCALED},
    {"embedding_multiplier", NULL, 1, "a factor of the embedding", FAMILY_SCALED},
    {"logits_scaling", NULL, 1, "a divisor of the logits", FAMILY_SCALED},
    {"logit_scale", NULL, 1, "a factor of the logits", 0},
    {"scale_emb", NULL, 1, "a factor of the embedding", 0},
    {"scale_depth", NULL, 0, "a factor of what sublayers add", 0},
    {"dim_model_base", NULL, 0, "a divisor of the logits", 0},
    {"query_pre_attn_scalar", NULL, 0, "a factor of the scores", 0},
    {"attn_logit_softcapping", NULL, 0, "a soft cap of the scores", 0},
    {"final_logit_softcapping", NULL, 0, "a soft cap of the logits", 0},
    {"clip_qkv", NULL, 0, "clipped queries, keys and values", 0},
    {"use_qk_norm", NULL, 0, "norms on queries and keys", 0},
    {"qk_norm", NULL, 0, "norms on queries and keys", 0},
    {"qk_layernorm", NULL, 0, "norms on queries and keys", 0},
    {"sandwich_norm", NULL, 0, "norms behind the sublayers", 0},
    {"use_post_norm", NULL, 0, "norms behind the sublayers", 0},
    {"use_parallel_residual", NULL, 0, "parallel sublayers", 0},
    {"parallel_residual", NULL, 0, "parallel sublayers", 0},
    {"parallel_attn", NULL, 0, "parallel sublayers", 0},
    {"alibi", NULL, 0, "ALiBi", 0},
    {"use_alibi", NULL, 0, "ALiBi", 0},
    {"rope_interleaved", NULL, 0, "RoPE of interleaved pairs", 0},
    {"rope_local_base_freq", NULL, 0, "another theta in some layers", 0},
    {"use_mrope", NULL, 0, "RoPE of several axes", 0},
    {"mrope_section", NULL, 0, "RoPE of several axes", 0},
    {"no_rope_layers", NULL, 0, "layers without RoPE", FAMILY_FOURTH_UNROTATED},
    {"no_rope_layer_interval", NULL, 0, "layers without RoPE", FAMILY_FOURTH_UNROTATED},
    {"use_dynamic_ntk", NULL, 0, "another RoPE scaling", 0},
    {"use_logn_attn", NULL, 0, "queries that grow with the position", 0},
    {"llama_4_scaling", NULL, 0, "queries that grow with the position", 0},
    {"attention_sink", NULL, 0, "attention sinks", 0},
    {"attention_sinks", NULL, 0, "attention sinks", 0},
    {"attention_chunk_size", NULL, 0, "attention in chunks", 0},
    {"sliding_window_pattern", NULL, 0, "windows in some layers", 0},
    {"num_kv_shared_layers", NULL, 0, "layers that share a cache", 0},
    {"kv_lora_rank", NULL, 0, "compressed keys and values", 0},
    {"q_lora_rank", NULL, 0, "compressed queries", 0},
    {"bias", NULL, 0, "biases everywhere", 0},
    {"use_bias", NULL, 0, "biases everywhere", FAMILY_LAYER_NORM},
    {"add_bias_linear", NULL, 0, "biases everywhere", 0},
    {"lm_head_bias", NULL, 0, "a bias of the logits", 0},
    {"swiglu_limit", NULL, 0, "clamped activations", FAMILY_GPT_OSS},
    {"swiglu_alpha", NULL, 0, "clamped activations", FAMILY_GPT_OSS},
    {"num_local_experts", NULL, 0, "experts", FAMILY_EXPERTS},
    {"num_experts", NULL, 0, "experts", FAMILY_EXPERTS},
    {"num_experts_per_tok", NULL, 0, "experts", FAMILY_EXPERTS},
    {"decoder_sparse_step", NULL, 1, "layers with and without experts by turns", 0},
    {"mlp_layer_types", "sparse", 0, "layers without experts among others", 0},
    {"mlp_only_layers", NULL, 0, "layers without experts among others", 0},
    {"norm_topk_prob", NULL, 0, "experts", FAMILY_EXPERTS},
    {"n_routed_experts", NULL, 0, "experts", 0},
    {"n_shared_experts", NULL, 0, "experts", 0},
    {"moe_intermediate_size", NULL, 0, "experts", FAMILY_EXPERTS},
    {"shared_intermediate_size", NULL, 0, "experts", FAMILY_SHARED_MLP},
    {"vision_config", NULL, 0, "pictures", FAMILY_INSIDE},
    {"audio_config", NULL, 0, "sound", 0},
    {"text_config", NULL, 0, "a model inside another", FAMILY_INSIDE},
};

/* ------------------------------------------------------------------------ keys of GGUF files -- */

/* Keys after "<architecture>." that source_gguf.c reads, or that only repeat what the tensors say.
 * Any other key could change the function and is refused. */
static const char *const GGUF_READ[] = {
    "vocab_size",
    "context_length",
    "embedding_length",
    "block_count",
    "feed_forward_length",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.value_length",
    "attention.layer_norm_rms_epsilon",
    "attention.sliding_window",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.scaling.type",
    "rope.scaling.factor",
    "rope.scaling.original_context_length",
    "rope.scaling.finetuned",
    "rope.scaling.attn_factor",
    "rope.scaling.yarn_attn_factor",
    "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow",
    "rope.scaling.yarn_log_multiplier",
    "rope.scale_linear",
    "tensor_data_layout",
    NULL,
};

/* As NEUTRAL above. */
static const struct {
    const char *key;
    double number;
    const char *missing;
    uint32_t traits;
} GGUF_NEUTRAL[] = {
    {"expert_count", 0, "experts", FAMILY_EXPERTS},
    {"expert_used_count", 0, "experts", FAMILY_EXPERTS},
    {"expert_feed_forward_length", 0, "experts", FAMILY_EXPERTS},
    {"expert_gating_func", 1, "experts' weights other than by a softmax", FAMILY_EXPERTS},
    {"expert_weights_norm", 1, "experts", FAMILY_EXPERTS},
    {"expert_shared_count", 0, "experts", 0},
    {"expert_shared_feed_forward_length", 0, "experts", FAMILY_ROPE_OPTIONAL},
    {"attention.sliding_window_pattern", 0, "windows in some layers", FAMILY_WINDOW_ROPE},
    {"rope.freq_base_swa", 0, "another theta in some layers", FAMILY_WINDOW_ROPE},
    {"attention.causal", 1, "attention to what follows", 0},
    {"attention.layer_norm_epsilon", 0, "layer norms", FAMILY_LAYER_NORM},
    {"attention.scale", 0, "a factor of the scores", FAMILY_SCALED},
    {"attention.temperature_scale", 0, "queries that grow with the position", FAMILY_TEMPERED},
    {"attention.temperature_length", 0, "queries that grow with the position", FAMILY_TEMPERED},
    {"residual_scale", 1, "a factor of what sublayers add", FAMILY_SCALED},
    {"embedding_scale", 1, "a factor of the embedding", FAMILY_SCALED},
    {"logit_scale", 1, "a divisor of the logits", FAMILY_SCALED},
    {"attn_logit_softcapping", 0, "a soft cap of the scores", 0},
    {"final_logit_softcapping", 0, "a soft cap of the logits", 0},
    {"use_parallel_residual", 0, "parallel sublayers", 0},
    {"rope.scaling.yarn_ext_factor", 1, "a mixture of two RoPE scalings", 0},
    {"pooling_type", 0, "one vector for a text", 0},
    /* which are there too if a model of Granite 4 has no such layer */
    {"ssm.conv_kernel", 0, "layers with a recurrent state", FAMILY_ROPE_OPTIONAL},
    {"ssm.state_size", 0, "layers with a recurrent state", FAMILY_ROPE_OPTIONAL},
    {"ssm.group_count", 0, "layers with a recurrent state", FAMILY_ROPE_OPTIONAL},
    {"ssm.inner_size", 0, "layers with a recurrent state", FAMILY_ROPE_OPTIONAL},
    {"ssm.time_step_rank", 0, "layers with a recurrent state", FAMILY_ROPE_OPTIONAL},
};

static bool gguf_neutral(const struct gguf *gguf, const char *file, const char *key, double value,
                         const char *missing, struct diag *d) {
    uint64_t integer;
    double real;
    bool flag;
    struct diag ignored = {{0}};
    double is = gguf_get_uint(gguf, key, UINT32_MAX, &integer, &ignored) == GGUF_FOUND
                    ? (double)integer
                : gguf_get_float(gguf, key, &real, &ignored) == GGUF_FOUND ? real
                : gguf_get_bool(gguf, key, &flag, &ignored) == GGUF_FOUND  ? (double)flag
                                                                           : -1;
    if (is == value) return true;
    if (is == -1)
        return diag_fail(d,
                         "%s: key %s is not a number from 0 on where only %g is supported; what "
                         "is missing: %s",
                         file, key, value, missing);
    return diag_fail(d, "%s: key %s is %g where only %g is supported; what is missing: %s", file,
                     key, is, value, missing);
}

bool config_check_gguf_keys(const struct gguf *gguf, const struct model_config *config,
                            struct diag *d) {
    const char *file = gguf_file(gguf)->name;
    size_t prefix = strlen(config->architecture);
    for (size_t i = 0; i < gguf_key_count(gguf); i++) {
        const char *key = gguf_key(gguf, i);
        if (strncmp(key, config->architecture, prefix) != 0 || key[prefix] != '.') continue;
        const char *name = key + prefix + 1;
        bool known = name_is_listed(GGUF_READ, name);
        for (size_t k = 0; k < sizeof GGUF_NEUTRAL / sizeof GGUF_NEUTRAL[0] && !known; k++) {
            if (strcmp(name, GGUF_NEUTRAL[k].key) != 0) continue;
            known = true;
            if (!(config->family->traits & GGUF_NEUTRAL[k].traits) &&
                !gguf_neutral(gguf, file, key, GGUF_NEUTRAL[k].number, GGUF_NEUTRAL[k].missing, d))
                return false;
        }
        if (!known) return diag_fail(d, "%s: key %s is not understood", file, key);
    }
    return true;
}

/* ----------------------------------------------------------------------- keys of config.json -- */

static bool is_word_of(const char *words, const char *word) {
    size_t n = strlen(word);
    for (const char *at = words; n && (at = strstr(at, word)); at += n)
        if ((at == words || at[-1] == ' ') && (at[n] == ' ' || at[n] == 0)) return true;
    return false;
}

static bool is_neutral(const json_t *value, const char *words, double number) {
    if (words && json_is_array(value)) { /* one for each layer */
        size_t i = 0;
        while (i < json_array_size(value) && is_neutral(json_array_get(value, i), words, number))
            i++;
        return i == json_array_size(value);
    }
    if (words) return json_is_string(value) && is_word_of(words, json_string_value(value));
    if (json_is_boolean(value)) return (double)json_is_true(value) == number;
    if (json_is_array(value) || json_is_object(value))
        return number == 0 && json_array_size(value) + json_object_size(value) == 0;
    return json_is_number(value) && json_number_value(value) == number;
}

static bool not_neutral(const char *file, const char *key, const json_t *value, size_t row,
                        struct diag *d) {
    const char *words = NEUTRAL[row].words, *missing = NEUTRAL[row].missing;
    char found[64] = "something", *all = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    if (all) snprintf(found, sizeof found, "%s", all);
    free(all);
    return words ? diag_fail(d, "%s: %s is %s where only \"%s\" is supported; what is missing: %s",
                             file, key, found, words, missing)
                 : diag_fail(d,
                             "%s: %s is %s where only %g (or none) is supported; what is missing: "
                             "%s",
                             file, key, found, NEUTRAL[row].number, missing);
}

/* Refuses weights of GPTQ, AWQ, FP8, bitsandbytes and others, with the name that the file has for
 * them. */
static bool quantized(const char *file, const char *key, const json_t *value, struct diag *d) {
    const char *method = json_string_value(json_object_get(value, "quant_method"));
    return diag_fail(d,
                     "%s: %s: the weights are quantized (%s), which is not read here; take the "
                     "model's checkpoint in BF16 or F16, or a GGUF file",
                     file, key, method ? method : "without a name");
}

/* MXFP4 is seen by the types of tensors, and read. */
static bool is_mxfp4(const json_t *value) {
    const char *method = json_string_value(json_object_get(value, "quant_method"));
    return method && strcmp(method, "mxfp4") == 0;
}

/* Looks up what a key does. False, with a sentence, if it changes the function. *known is false if
 * the key is in none of the lists. */
static bool check_key(const char *file, const json_t *root, const char *key, const json_t *value,
                      uint32_t traits, bool *known, struct diag *d) {
    *known = true;
    if (name_is_listed(HARMLESS, key)) return true;
    if (name_is_listed(READ, key)) return json_sound(root, file, key, d);
    if (strcmp(key, "quantization_config") == 0 && traits & FAMILY_GPT_OSS && is_mxfp4(value))
        return true;
    if (strcmp(key, "quantization_config") == 0 || strcmp(key, "compression_config") == 0)
        return quantized(file, key, value, d);
    for (size_t i = 0; i < sizeof NEUTRAL / sizeof NEUTRAL[0]; i++) {
        if (strcmp(key, NEUTRAL[i].key) != 0) continue;
        return json_sound(root, file, key, d) &&
               (traits & NEUTRAL[i].traits ||
                is_neutral(value, NEUTRAL[i].words, NEUTRAL[i].number) ||
                not_neutral(file, key, value, i, d));
    }
    *known = false;
    return true;
}

bool config_check_keys(const json_t *root, const char *file, struct model_config *config,
                       struct diag *d) {
    char unknown[200] = "";
    size_t used = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)root, key, value) {
        bool known;
        if (json_is_null(value)) continue;
        if (!check_key(file, root, key, value, config->family->traits, &known, d)) return false;
        if (known || used >= sizeof unknown) continue;
        int n = snprintf(unknown + used, sizeof unknown - used, "%s%s", used ? ", " : "", key);
        used += n > 0 ? (size_t)n : 0;
    }
    if (used)
        config_note(config, "keys of config.json without a meaning here: %s%s", unknown,
                    used >= sizeof unknown ? " ..." : "");
    return true;
}
