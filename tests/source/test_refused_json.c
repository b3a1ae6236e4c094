/* A sentence for every config.json, and every header of safetensors, that is wrong or is not
 * understood. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/source/written.h"

static void wrong_config_is_refused_in_words(void **state) {
    (void)state;
    static const struct {
        const char *find, *with, *sentence;
    } wrong[] = {
        {"{", "[{", "config.json"},
        {"\"LlamaForCausalLM\"", "\"GPT2LMHeadModel\"", "GPT2LMHeadModel is not supported, only"},
        {"\"LlamaForCausalLM\"", "\"Gemma2ForCausalLM\"", "what is missing: soft caps"},
        {"\"LlamaForCausalLM\"", "\"Qwen3ForCausalLM\"", "self_attn.q_norm.weight is missing"},
        {"\"LlamaForCausalLM\"", "\"GptOssForCausalLM\"", "self_attn.sinks is missing"},
        {"\"LlamaForCausalLM\"], ", "\"GptOssForCausalLM\"], \"swiglu_limit\": 5, ",
         "swiglu_limit is 5 and swiglu_alpha 1.702 where only 7 and 1.702 are supported"},
        {"\"LlamaForCausalLM\"], ", "\"GptOssForCausalLM\"], \"swiglu_alpha\": 1, ",
         "swiglu_alpha 1 where"},
        {"\"LlamaForCausalLM\"], ",
         "\"GptOssForCausalLM\"], \"quantization_config\": {\"quant_method\": \"gptq\"}, ",
         "the weights are quantized (gptq)"},
        {"\"LlamaForCausalLM\"", "\"Starcoder2ForCausalLM\"",
         "hidden_act is silu where only gelu_pytorch_tanh is supported"},
        {"\"LlamaForCausalLM\"], ", "\"Starcoder2ForCausalLM\"], \"norm_epsilon\": \"1\", ",
         "norm_epsilon"},
        {"\"LlamaForCausalLM\"", "\"Mistral3ForConditionalGeneration\"",
         "text_config is of model_type none"},
        {"\"LlamaForCausalLM\"], ",
         "\"Mistral3ForConditionalGeneration\"], \"text_config\": {\"model_type\": \"qwen2\"}, ",
         "text_config is of model_type qwen2"},
        {"\"LlamaForCausalLM\"], ",
         "\"Mistral3ForConditionalGeneration\"], \"text_config\": {\"model_type\": \"mistral\"}, ",
         "num_hidden_layers is missing"},
        {"\"LlamaForCausalLM\"], ",
         "\"Mistral3ForConditionalGeneration\"], \"text_config\": {\"model_type\": \"mistral\", "
         "\"hidden_size\": NaN}, ",
         "text_config: hidden_size is NaN"},
        {"\"LlamaForCausalLM\"], ", "\"GraniteForCausalLM\"], \"logits_scaling\": 0, ",
         "the factor of the logits"},
        {"\"LlamaForCausalLM\"], ", "\"GraniteForCausalLM\"], \"attention_multiplier\": -1, ",
         "attention_multiplier is -1"},
        {"\"LlamaForCausalLM\"], ", "\"GraniteForCausalLM\"], \"residual_multiplier\": 1e9, ",
         "the factor of the sublayers"},
        {"\"LlamaForCausalLM\"], ", "\"SmolLM3ForCausalLM\"], \"no_rope_layers\": [1], ",
         "no_rope_layers is not an array of 2 numbers"},
        {"\"LlamaForCausalLM\"], ", "\"SmolLM3ForCausalLM\"], \"no_rope_layers\": [1, true], ",
         "no_rope_layers: entry 1"},
        {"\"LlamaForCausalLM\"], ", "\"Phi3ForCausalLM\"], \"partial_rotary_factor\": 0.3, ",
         "RoPE on 1 of 4 elements"},
        {"\"LlamaForCausalLM\"], ", "\"Phi3ForCausalLM\"], \"partial_rotary_factor\": 2, ",
         "RoPE on 8 of 4 elements"},
        {"[\"LlamaForCausalLM\"]", "\"LlamaForCausalLM\"", "architectures"},
        {"[\"LlamaForCausalLM\"]", "[]", "architectures"},
        {"[\"LlamaForCausalLM\"]", "[\"LlamaForCausalLM\", \"X\"]", "architectures"},
        {"\"hidden_size\": 8", "\"hidden_size\": 8, \"hidden_size\": 9",
         "hidden_size is there several times"},
        {"\"hidden_size\": 8", "\"hidden_size\": 8.0", "not an integer"},
        {"\"hidden_size\": 8", "\"hidden_size\": \"8\"", "not an integer"},
        {"\"hidden_size\": 8", "\"hidden_size\": -8", "outside"},
        {"\"hidden_size\": 8", "\"hidden_size\": 99999999999999999999",
         "hidden_size is 1e+20, outside"},
        {"\"hidden_size\": 8", "\"hidden_size\": 1048577", "outside"},
        {"\"hidden_size\": 8", "\"hidden_size\": 0", "width"},
        {"\"hidden_size\": 8", "\"hidden_size\": null", "missing"},
        {"\"hidden_size\": 8", "\"hidden_size\": 16", "embed_tokens"},
        {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 0", "layers"},
        {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1", "after the last"},
        {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3",
         "model.layers.2.input_layernorm.weight is missing"},
        {"\"num_attention_heads\": 2", "\"num_attention_heads\": 0", "num_attention_heads"},
        {"\"num_attention_heads\": 2", "\"num_attention_heads\": 3", "do not divide"},
        {"\"num_attention_heads\": 2", "\"num_attention_heads\": 4", "self_attn"},
        {"\"num_attention_heads\": 2", "\"num_attention_heads\": 8", "even"},
        {"\"num_key_value_heads\": 1", "\"num_key_value_heads\": 0", "do not divide"},
        {"\"num_key_value_heads\": 1", "\"num_key_value_heads\": 2", "k_proj"},
        {"\"num_key_value_heads\": 1", "\"num_key_value_heads_per_layer\": [1, 1]",
         "not understood for"},
        {"\"num_key_value_heads\": 1", "\"head_dim\": 8", "q_proj"},
        {"\"intermediate_size\": 12", "\"intermediate_size\": 16", "mlp"},
        {"\"intermediate_size\": 12, ", "", "intermediate_size is missing"},
        {"\"vocab_size\": 10", "\"vocab_size\": 12", "embed_tokens"},
        {"\"max_position_embeddings\": 64", "\"max_position_embeddings\": 0", "position"},
        {"\"rms_norm_eps\": 1e-05", "\"rms_norm_eps\": 1e999",
         "rms_norm_eps is a number too large"},
        {"\"rms_norm_eps\": 1e-05", "\"rms_norm_eps\": NaN", "rms_norm_eps is NaN"},
        {"\"rms_norm_eps\": 1e-05", "\"rms_norm_eps\": 0", "epsilon"},
        {"\"rms_norm_eps\": 1e-05", "\"rms_norm_eps\": \"1e-5\"", "rms_norm_eps"},
        {"\"rope_theta\": 10000.0", "\"rope_theta\": -1", "theta"},
        {"\"rope_theta\": 10000.0", "\"rope_theta\": 0", "theta"},
        {"\"rope_scaling\": null", "\"rope_scaling\": 2", "not an object"},
        {"\"rope_scaling\": null", "\"rope_scaling\": {\"type\": \"ntk\", \"factor\": 2}",
         "type ntk is not supported"},
        {"\"rope_scaling\": null",
         "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 2, \"beta_fast\": 1, \"beta_slow\": "
         "2}",
         "descending"},
        {"\"rope_scaling\": null",
         "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 2, \"attention_factor\": 1e9}",
         "attention factor"},
        {"\"rope_scaling\": null",
         "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 2, \"mscale\": -1}", "mscale"},
        {"\"rope_scaling\": null",
         "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 2, \"llama_4_scaling_beta\": 0.1}",
         "llama_4_scaling_beta is not understood for LlamaForCausalLM"},
        {"\"rope_scaling\": null", "\"rope_scaling\": {\"rope_type\": \"longrope\", \"factor\": 2}",
         "short_factor is not an array of 2 numbers"},
        {"\"rope_scaling\": null",
         "\"rope_scaling\": {\"rope_type\": \"longrope\", \"factor\": 2, \"short_factor\": [1, 0], "
         "\"long_factor\": [1, 2]}",
         "short_factor: entry 1"},
        {"\"rope_scaling\": null",
         "\"rope_parameters\": {\"full_attention\": {\"rope_theta\": 10000.0}, "
         "\"sliding_attention\": {\"rope_type\": \"dynamic\", \"factor\": 2}}",
         "sliding_attention has RoPE scaling of type dynamic"},
        {"\"rope_scaling\": null",
         "\"rope_parameters\": {\"full_attention\": {\"rope_theta\": 10000.0}, "
         "\"sliding_attention\": {\"rope_theta\": 0.5}}",
         "RoPE theta 0.5"},
        {"\"rope_scaling\": null", "\"rope_scaling\": {\"type\": \"linear\"}", "factor is missing"},
        {"\"rope_scaling\": null", "\"rope_scaling\": {\"type\": \"linear\", \"factor\": 0.5}",
         "factor"},
        {"\"rope_scaling\": null",
         "\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2, \"mscale\": 1}",
         "mscale is not understood"},
        {"\"rope_scaling\": null",
         "\"rope_scaling\": {\"type\": \"linear\", \"rope_type\": \"dynamic\", \"factor\": 2}",
         "rope_type"},
        {"\"rope_scaling\": null", "\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8}",
         "low_freq_factor"},
        {"\"rope_scaling\": null",
         "\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 4, "
         "\"high_freq_factor\": 1, "
         "\"original_max_position_embeddings\": 32}",
         "ascending"},
        {"\"rope_scaling\": null",
         "\"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 5}", "rope_theta"},
        {"\"rope_scaling\": null",
         "\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}, \"rope_parameters\": "
         "{\"rope_type\": \"default\"}",
         "both"},
        {"\"hidden_act\": \"silu\"", "\"hidden_act\": \"gelu\"", "hidden_act"},
        {"\"hidden_act\": \"silu\"", "\"mlp_bias\": 1", "mlp_bias"},
        {"\"hidden_act\": \"silu\"", "\"attention_bias\": true", "q_proj.bias is missing"},
        {"\"hidden_act\": \"silu\"", "\"attention_bias\": 1", "attention_bias"},
        {"\"hidden_act\": \"silu\"", "\"partial_rotary_factor\": 0.5", "partial_rotary_factor"},
        {"\"hidden_act\": \"silu\"", "\"quantization_config\": {\"bits\": 4}",
         "quantization_config"},
        {"\"hidden_act\": \"silu\"", "\"final_logit_softcapping\": 30.0",
         "final_logit_softcapping"},
        {"\"hidden_act\": \"silu\"", "\"scale_emb\": 12", "scale_emb is 12"},
        {"\"hidden_act\": \"silu\"", "\"no_rope_layers\": [1, 0]", "no_rope_layers is [1,0]"},
        {"\"hidden_act\": \"silu\"", "\"num_local_experts\": 8", "what is missing: experts"},
        {"\"hidden_act\": \"silu\"", "\"use_qk_norm\": NaN", "use_qk_norm is NaN"},
        {"\"hidden_act\": \"silu\"", "\"layer_types\": [\"linear_attention\", \"full_attention\"]",
         "layer_types"},
        {"\"hidden_act\": \"silu\"", "\"layer_types\": [\"sliding_attention\", \"full_attention\"]",
         "sliding_window"},
        {"\"tie_word_embeddings\": false", "\"tie_word_embeddings\": \"no\"",
         "tie_word_embeddings"},
        {"\"bos_token_id\": 1", "\"bos_token_id\": [1]", "bos_token_id"},
        {"\"eos_token_id\": 2", "\"eos_token_id\": 2.5", "eos_token_id"},
        {"\"eos_token_id\": 2", "\"eos_token_ids\": [2, null]", "eos_token_ids"},
        {"\"eos_token_id\": 2", "\"eos_token_id\": [2, \"3\"]", "eos_token_id"},
        {"\"model_type\": \"llama\"", "\"model_type\": \"\\ud800\"", "nicode"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct bytes file;
        struct diag d;
        struct source *source = open_json(wrong[i].find, wrong[i].with, NULL, NULL, &file, &d);
        if (source || !strstr(d.text, wrong[i].sentence))
            fail_msg("%s: \"%s\" does not say \"%s\"", wrong[i].with, d.text, wrong[i].sentence);
        bytes_free(&file);
    }
}

static void wrong_decilm_is_refused_in_words(void **state) {
    (void)state;
    static const struct {
        const char *with, *sentence;
    } wrong[] = {
        {"\"num_key_value_heads\": null", "num_key_value_heads is missing"},
        {"\"num_key_value_heads_per_layer\": [1]", "not an array of 2"},
        {"\"num_key_value_heads_per_layer\": 1", "not an array of 2"},
        {"\"num_key_value_heads_per_layer\": [1, 0]", "entry 1"},
        {"\"num_key_value_heads_per_layer\": [1, 1.0]", "entry 1"},
        {"\"num_key_value_heads_per_layer\": [1, 3]", "do not divide"},
        {"\"num_key_value_heads_per_layer\": [1, 1], \"block_configs\": []", "both"},
        {"\"block_configs\": []", "not an array of 2"},
        {"\"block_configs\": [1, 2]", "no attention object"},
        {"\"block_configs\": [{\"attention\": {\"n_heads_in_group\": 2}}, {}]", "no ffn object"},
        {"\"block_configs\": [{\"attention\": {\"n_heads_in_group\": 0}, \"ffn\": {\"ffn_mult\": "
         "1}}, {}]",
         "groups of 0"},
        {"\"block_configs\": [{\"attention\": {\"n_heads_in_group\": 2}, \"ffn\": {\"ffn_mult\": "
         "1e9}}, {}]",
         "ffn_mult"},
        {"\"block_configs\": [{\"attention\": {\"n_heads_in_group\": 2, \"window\": 5}, \"ffn\": "
         "{\"ffn_mult\": 1}}, {}]",
         "window is not understood"},
        {"\"block_configs\": [{\"attention\": {\"replace_with_linear\": true}, \"ffn\": "
         "{\"ffn_mult\": 1}}, {}]",
         "linear layer"},
        {"\"num_key_value_heads_per_layer\": [1, 2]", "model.layers.1.self_attn.k_proj.weight"},
    };
    char *deci = replaced(CONFIG_JSON, "LlamaForCausalLM", "DeciLMForCausalLM");
    size_t data;
    char *header = safetensors_header(&data);
    struct bytes file = write_safetensors(header, 0, data);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char *config = replaced(deci, "\"num_key_value_heads\": 1", wrong[i].with);
        struct diag d = {{0}};
        struct source *source =
            source_open_json_memory(config, strlen(config), file.data, file.size, &d);
        if (source || !strstr(d.text, wrong[i].sentence))
            fail_msg("%s: \"%s\" does not say \"%s\"", wrong[i].with, d.text, wrong[i].sentence);
        free(config);
    }
    bytes_free(&file);
    free(header);
    free(deci);
}

static void wrong_tensors_are_refused_in_words(void **state) {
    (void)state;
    static const struct {
        const char *find, *with, *sentence;
    } wrong[] = {
        {"model.norm.weight", "model.norm.bias", "model.norm.bias is 0."},
        {"layers.1.mlp.up_proj.weight", "layers.1.mlp.up_proj.weight_scale",
         "weight_scale is not understood"},
        {"layers.1.mlp.up_proj.weight", "layers.7.mlp.up_proj.weight", "after the last"},
        {"layers.1.mlp.up_proj.weight", "layers.x.mlp.up_proj.weight", "not understood"},
        {"layers.1.mlp.up_proj.weight", "layers.1.mlp.experts.0.w1.weight", "not understood"},
        {"layers.1.mlp.up_proj.weight", "layers.1.self_attn.o_proj.bias",
         "where only zeros are supported"},
        {"layers.1.mlp.up_proj.weight", "layers.1.self_attn.rotary_emb.inv_freq",
         "up_proj.weight is missing"},
        {"\"shape\": [12, 8]", "\"shape\": [8, 12]", "gate_proj.weight is 8 x 12"},
        {"\"shape\": [8, 8]", "\"shape\": [2, 4, 8]", "q_proj.weight"},
        {"\"shape\": [8, 8]", "\"shape\": [64]", "q_proj.weight"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct bytes file;
        struct diag d;
        struct source *source = open_json(NULL, NULL, wrong[i].find, wrong[i].with, &file, &d);
        if (source || !strstr(d.text, wrong[i].sentence))
            fail_msg("%s: \"%s\" does not say \"%s\"", wrong[i].with, d.text, wrong[i].sentence);
        bytes_free(&file);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_config_is_refused_in_words),
        cmocka_unit_test(wrong_decilm_is_refused_in_words),
        cmocka_unit_test(wrong_tensors_are_refused_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
