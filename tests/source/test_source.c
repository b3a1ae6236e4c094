/* The packer's view of a checkpoint: the same from both kinds of files, and a sentence for every
 * configuration that disagrees with its tensors or is not understood. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/source/written.h"
#include "weights/pack/checkpoint/source_inside.h"

typedef struct gguf_description desc;

static struct source *open_description(const desc *g, struct bytes *file, struct diag *d) {
    *file = write_gguf(g);
    *d = (struct diag){{0}};
    return source_open_gguf_memory(file->data, file->size, d);
}

/* -------------------------------------------------------------------------------- GGUF, bent -- */

static struct gguf_key *key(desc *g, const char *name) { return find_key(g, name); }
static void number(desc *g, const char *name, int64_t n) { key(g, name)->number = n; }
static void real(desc *g, const char *name, double x) { key(g, name)->real = x; }
static void text_key(desc *g, const char *name, const char *text) {
    add_key(g, (struct gguf_key){.key = name, .kind = GGUF_STRING, .text = text});
}
static void int_key(desc *g, const char *name, int64_t n) {
    add_key(g, (struct gguf_key){.key = name, .kind = GGUF_U32, .number = n});
}
static void real_key(desc *g, const char *name, double x) {
    add_key(g, (struct gguf_key){.key = name, .kind = GGUF_F32, .real = x});
}
static void list_key(desc *g, const char *name, uint64_t count, int64_t n) {
    *key(g, name) = (struct gguf_key){
        .key = name, .kind = GGUF_ARRAY, .element = GGUF_I32, .count = count, .number = n};
}
static void tensor(desc *g, const char *name, uint64_t cols, uint64_t rows) {
    add_entry(g, (struct gguf_entry){.name = name,
                                     .dims = rows ? 2 : 1,
                                     .shape = {cols, rows ? rows : 1},
                                     .size = cols * (rows ? rows : 1) * 4});
}

static void no_architecture(desc *g) { drop_key(g, "general.architecture"); }
static void other_architecture(desc *g) { key(g, "general.architecture")->text = "gemma2"; }
static void architecture_number(desc *g) { key(g, "general.architecture")->kind = GGUF_U32; }
static void adapter(desc *g) { text_key(g, "general.type", "adapter"); }
static void split(desc *g) { int_key(g, "split.count", 3); }
static void old_quantization(desc *g) { int_key(g, "general.quantization_version", 1); }
static void unknown_key(desc *g) { real_key(g, "llama.logit_scale", 2); }
static void experts(desc *g) { int_key(g, "llama.expert_count", 8); }
static void no_layers(desc *g) { number(g, "llama.block_count", 0); }
static void huge_layers(desc *g) { number(g, "llama.block_count", 0xffffffff); }
static void fewer_layers(desc *g) { number(g, "llama.block_count", 1); }
static void more_layers(desc *g) { number(g, "llama.block_count", 3); }
static void layers_text(desc *g) {
    *key(g, "llama.block_count") =
        (struct gguf_key){.key = "llama.block_count", .kind = GGUF_STRING, .text = "2"};
}
static void layers_missing(desc *g) { drop_key(g, "llama.block_count"); }
static void dim_0(desc *g) { number(g, "llama.embedding_length", 0); }
static void dim_other(desc *g) {
    number(g, "llama.embedding_length", 16), number(g, "llama.rope.dimension_count", 8);
}
static void dim_huge(desc *g) { number(g, "llama.embedding_length", 0xfffffff0); }
static void ffn_other(desc *g) { number(g, "llama.feed_forward_length", 16); }
static void heads_0(desc *g) { number(g, "llama.attention.head_count", 0); }
static void heads_3(desc *g) { number(g, "llama.attention.head_count", 3); }
static void heads_4(desc *g) { number(g, "llama.attention.head_count", 4); }
static void heads_huge(desc *g) { number(g, "llama.attention.head_count", 0x7fffffff); }
static void heads_negative(desc *g) { list_key(g, "llama.attention.head_count", 2, -2); }
static void kv_0(desc *g) { number(g, "llama.attention.head_count_kv", 0); }
static void kv_2(desc *g) { number(g, "llama.attention.head_count_kv", 2); }
static void kv_not_dividing(desc *g) { number(g, "llama.attention.head_count_kv", 3); }
static void list_short(desc *g) { list_key(g, "llama.attention.head_count_kv", 1, 1); }
static void list_long(desc *g) { list_key(g, "llama.attention.head_count_kv", 3, 1); }
static void list_floats(desc *g) {
    list_key(g, "llama.attention.head_count_kv", 2, 1);
    key(g, "llama.attention.head_count_kv")->element = GGUF_F32;
}
static void head_dim_other(desc *g) { int_key(g, "llama.attention.key_length", 8); }
static void head_dim_odd(desc *g) {
    int_key(g, "llama.attention.key_length", 3);
    int_key(g, "llama.attention.value_length", 3);
    number(g, "llama.rope.dimension_count", 3);
}
static void value_dim_other(desc *g) { int_key(g, "llama.attention.value_length", 8); }
static void rope_odd(desc *g) { number(g, "llama.rope.dimension_count", 3); }
static void rope_wide(desc *g) { number(g, "llama.rope.dimension_count", 6); }
static void positions_0(desc *g) { number(g, "llama.context_length", 0); }
static void eps_nan(desc *g) { real(g, "llama.attention.layer_norm_rms_epsilon", (double)NAN); }
static void eps_0(desc *g) { real(g, "llama.attention.layer_norm_rms_epsilon", 0); }
static void eps_negative(desc *g) { real(g, "llama.attention.layer_norm_rms_epsilon", -1e-5); }
static void eps_missing(desc *g) { drop_key(g, "llama.attention.layer_norm_rms_epsilon"); }
static void theta_infinite(desc *g) { real(g, "llama.rope.freq_base", (double)INFINITY); }
static void theta_0(desc *g) { real(g, "llama.rope.freq_base", 0); }
static void theta_negative(desc *g) { real(g, "llama.rope.freq_base", -1); }
static void other_scaling(desc *g) { text_key(g, "llama.rope.scaling.type", "ntk"); }
static void yarn_betas(desc *g) {
    text_key(g, "llama.rope.scaling.type", "yarn");
    real_key(g, "llama.rope.scaling.yarn_beta_slow", 33);
}
static void yarn_attention(desc *g) {
    text_key(g, "llama.rope.scaling.type", "yarn");
    real_key(g, "llama.rope.scaling.yarn_attn_factor", -1);
}
static void attention_alone(desc *g) { real_key(g, "llama.rope.scaling.attn_factor", 2); }
static void divisors_alone(desc *g) { tensor(g, "rope_factors_short.weight", 2, 0); }
static void divisors_few(desc *g) {
    tensor(g, "rope_factors_short.weight", 2, 0), tensor(g, "rope_factors_long.weight", 1, 0);
}
static void factor_nan(desc *g) { real_key(g, "llama.rope.scaling.factor", (double)NAN); }
static void factor_small(desc *g) { real_key(g, "llama.rope.scaling.factor", 0.25); }
static void vocab_key(desc *g) { number(g, "llama.vocab_size", 11); }
static void vocab_tokens(desc *g) { key(g, "tokenizer.ggml.tokens")->count = 9; }
static void embedding_missing(desc *g) { drop_entry(g, "token_embd.weight"); }
static void norm_missing(desc *g) { drop_entry(g, "output_norm.weight"); }
static void layer_tensor_missing(desc *g) { drop_entry(g, "blk.1.ffn_up.weight"); }
static void layer_tensor_transposed(desc *g) {
    struct gguf_entry *t = find_entry(g, "blk.1.ffn_up.weight");
    t->shape[0] = 12, t->shape[1] = 8;
}
static void norm_matrix(desc *g) {
    struct gguf_entry *t = find_entry(g, "blk.1.attn_norm.weight");
    t->dims = 2, t->shape[1] = 1;
}
static void three_dims(desc *g) {
    struct gguf_entry *t = find_entry(g, "blk.1.attn_q.weight");
    t->dims = 3, t->shape[1] = 4, t->shape[2] = 2;
}
static void unknown_tensor(desc *g) { tensor(g, "blk.0.ffn_gate_inp.weight", 8, 2); }
static void unknown_global(desc *g) { tensor(g, "per_layer_model_proj.weight", 8, 8); }
static void output_bias(desc *g) { tensor(g, "blk.0.attn_output.bias", 8, 0); }
static void layer_beyond(desc *g) { tensor(g, "blk.2.attn_norm.weight", 8, 0); }
static void layer_huge(desc *g) { tensor(g, "blk.99999999999999999999.attn_norm.weight", 8, 0); }
static void layer_leading_zero(desc *g) { tensor(g, "blk.01.attn_norm.weight", 8, 0); }
static void half_biases(desc *g) { tensor(g, "blk.0.attn_q.bias", 8, 0); }
static void only_k_bias(desc *g) { tensor(g, "blk.0.attn_k.bias", 4, 0); }
static void freqs_size(desc *g) { tensor(g, "rope_freqs.weight", 4, 0); }
static void window_negative(desc *g) {
    add_key(g, (struct gguf_key){
                   .key = "llama.attention.sliding_window", .kind = GGUF_I32, .number = -1});
}
static void layout(desc *g) { text_key(g, "llama.tensor_data_layout", "other"); }

static const struct {
    void (*bend)(desc *);
    const char *sentence;
} WRONG_GGUF[] = {
    {no_architecture, "general.architecture"},
    {other_architecture, "gemma2"},
    {architecture_number, "general.architecture"},
    {adapter, "adapter"},
    {split, "one of 3 parts"},
    {old_quantization, "quantization_version"},
    {unknown_key, "llama.logit_scale"},
    {experts, "expert_used_count is missing"},
    {no_layers, "layers"},
    {huge_layers, "layers"},
    {fewer_layers, "blk.1."},
    {more_layers, "blk.2.attn_norm.weight is missing"},
    {layers_text, "llama.block_count"},
    {layers_missing, "llama.block_count"},
    {dim_0, "width"},
    {dim_other, "token_embd.weight"},
    {dim_huge, "width"},
    {ffn_other, "ffn_"},
    {heads_0, "heads"},
    {heads_3, "heads"},
    {heads_4, "rope.dimension_count"},
    {heads_huge, "heads"},
    {heads_negative, "head_count is -2"},
    {kv_0, "linear attention"},
    {kv_2, "attn_k.weight"},
    {kv_not_dividing, "do not divide"},
    {list_short, "1 entries for 2 layers"},
    {list_long, "3 entries for 2 layers"},
    {list_floats, "not an array of integers"},
    {head_dim_other, "attn_q.weight is 8 x 8"},
    {head_dim_odd, "even"},
    {value_dim_other, "value_length"},
    {rope_odd, "rope.dimension_count"},
    {rope_wide, "rope.dimension_count"},
    {positions_0, "position"},
    {eps_nan, "not finite"},
    {eps_0, "epsilon"},
    {eps_negative, "epsilon"},
    {eps_missing, "layer_norm_rms_epsilon"},
    {theta_infinite, "not finite"},
    {theta_0, "theta"},
    {theta_negative, "theta"},
    {other_scaling, "type ntk"},
    {yarn_betas, "beta_fast 32 and beta_slow 33"},
    {yarn_attention, "attention factor -1"},
    {attention_alone, "attn_factor"},
    {divisors_alone, "rope_factors_short.weight is there"},
    {divisors_few, "rope_factors_long.weight is 1 x 1"},
    {factor_nan, "not finite"},
    {factor_small, "factor"},
    {vocab_key, "vocab_size"},
    {vocab_tokens, "9 tokens"},
    {embedding_missing, "token_embd.weight is missing"},
    {norm_missing, "output_norm.weight is missing"},
    {layer_tensor_missing, "blk.1.ffn_up.weight is missing"},
    {layer_tensor_transposed, "blk.1.ffn_up.weight is 8 x 12"},
    {norm_matrix, "blk.1.attn_norm.weight"},
    {three_dims, "blk.1.attn_q.weight"},
    {unknown_tensor, "blk.0.ffn_gate_inp.weight is there, but"},
    {unknown_global, "per_layer_model_proj.weight is not understood"},
    {output_bias, "where only zeros are supported"},
    {layer_beyond, "after the last"},
    {layer_huge, "not understood"},
    {layer_leading_zero, "not understood"},
    {half_biases, "bias is missing"},
    {only_k_bias, "no place for it"},
    {freqs_size, "rope_freqs.weight"},
    {window_negative, "sliding_window"},
    {layout, "tensor_data_layout"},
};

static void wrong_gguf_is_refused_in_words(void **state) {
    (void)state;
    static desc g;
    for (size_t i = 0; i < sizeof WRONG_GGUF / sizeof WRONG_GGUF[0]; i++) {
        describe_gguf(&g);
        WRONG_GGUF[i].bend(&g);
        struct bytes file;
        struct diag d;
        struct source *source = open_description(&g, &file, &d);
        if (source || !strstr(d.text, WRONG_GGUF[i].sentence))
            fail_msg("case %zu: \"%s\" does not say \"%s\"", i, d.text, WRONG_GGUF[i].sentence);
        bytes_free(&file);
    }
}

/* --------------------------------------------------------------------------------- good ones -- */

static void check_tiny(struct source *source, bool interleaved) {
    struct diag d = {{0}};
    const struct model_config *c = source_config(source);
    assert_true(c->layers == 2 && c->dim == 8 && c->vocab == 10 && c->max_positions == 64 &&
                !c->tied && !c->features);
    assert_true(fabs(c->eps - 1e-5) < 1e-11 && c->rope.theta == 10000 &&
                c->rope.scaling == ROPE_NONE && c->rope.factor == 1);
    assert_true(c->bos == 1 && c->end_tokens_count == 1 && c->end_tokens[0] == 2);
    for (uint32_t i = 0; i < 2; i++)
        assert_true(c->layer[i].heads == 2 && c->layer[i].kv_heads == 1 &&
                    c->layer[i].head_dim == 4 && c->layer[i].ffn == 12);
    assert_null(source_tensor(source, SOURCE_ROPE_FREQS, 0));
    assert_null(source_tensor(source, SOURCE_Q_BIAS, 0));
    assert_null(source_tensor(source, SOURCE_Q, 2));
    const struct source_tensor *q = source_tensor(source, SOURCE_Q, 1),
                               *down = source_tensor(source, SOURCE_DOWN, 1);
    assert_true(q && q->rows == 8 && q->cols == 8 && down && down->rows == 8 && down->cols == 12 &&
                strcmp(q->type, "F32") == 0);
    float all[8 * 8], row[12];
    assert_true(source_read_rows(source, q, 0, 8, all, &d));
    /* Row 1 of a head is row 2 of an interleaved file, row 2 its row 1. Row r of the file begins
     * with (8 r) / 128 (safetensors: behind what came before in one regular sequence). */
    float first = all[0] * 128;
    static const int order[2][8] = {{0, 1, 2, 3, 4, 5, 6, 7}, {0, 2, 1, 3, 4, 6, 5, 7}};
    for (int r = 0; r < 8; r++)
        assert_true(
            fmodf(all[r * 8] * 128 - first - 8.0f * (float)order[interleaved][r] + 97, 97) == 0);
    for (uint64_t r = 0; r < 8; r++) { /* one row at a time gives the same */
        assert_true(source_read_rows(source, q, r, 1, row, &d));
        assert_memory_equal(row, all + r * 8, 8 * sizeof *row);
    }
    assert_true(source_read_rows(source, down, 8, 0, row, &d));
    assert_false(source_read_rows(source, down, 8, 1, row, &d));
    diag_clear(&d);
    assert_false(source_read_rows(source, down, UINT64_MAX, 2, row, &d));
}

static void both_kinds_give_one_view(void **state) {
    (void)state;
    static desc g;
    struct bytes file;
    struct diag d;
    describe_gguf(&g);
    struct source *source = open_description(&g, &file, &d);
    assert_string_equal(d.text, "");
    check_tiny(source, true);
    assert_non_null(source_gguf(source));
    assert_null(source_directory(source));
    assert_string_equal(source_config(source)->name, "tiny");
    source_close(source);
    bytes_free(&file);

    source = open_json(NULL, NULL, NULL, NULL, &file, &d);
    assert_string_equal(d.text, "");
    check_tiny(source, false);
    assert_null(source_gguf(source));
    assert_non_null(source_directory(source));
    source_close(source);
    bytes_free(&file);
}

static void values_that_are_not_finite_are_named(void **state) {
    (void)state;
    static desc g;
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct bytes file;
        struct diag d;
        float values[96];
        describe_gguf(&g);
        find_entry(&g, "blk.0.ffn_up.weight")->first = bad[i];
        struct source *source = open_description(&g, &file, &d);
        assert_non_null(source);
        const struct source_tensor *t = source_tensor(source, SOURCE_UP, 0);
        assert_true(source_read_rows(source, t, 1, 11, values, &d));
        assert_false(source_read_rows(source, t, 0, 12, values, &d));
        assert_non_null(strstr(d.text, "blk.0.ffn_up.weight"));
        assert_non_null(strstr(d.text, "row 0"));
        source_close(source);
        bytes_free(&file);
    }
}

/* Block scales that are infinite or NaN make every value of the block so. */
static void block_scales_must_be_finite(void **state) {
    (void)state;
    static const struct {
        enum gguf_type type;
        int at[2]; /* of the half-precision scales in a block, -1: none */
    } cases[] = {{GGUF_TYPE_Q4_0, {0, -1}},   {GGUF_TYPE_Q4_1, {0, 2}},  {GGUF_TYPE_Q5_0, {0, -1}},
                 {GGUF_TYPE_Q5_1, {0, 2}},    {GGUF_TYPE_Q8_0, {0, -1}}, {GGUF_TYPE_Q2_K, {80, 82}},
                 {GGUF_TYPE_Q3_K, {108, -1}}, {GGUF_TYPE_Q4_K, {0, 2}},  {GGUF_TYPE_Q5_K, {0, 2}},
                 {GGUF_TYPE_Q6_K, {208, -1}}};
    static const uint16_t bad[] = {0x7c00, 0xfc00, 0x7e00};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int k = 0; k < 2; k++)
            for (size_t b = 0; b < 3 && cases[i].at[k] >= 0; b++) {
                uint8_t block[256] = {0};
                float values[256];
                block[cases[i].at[k]] = (uint8_t)bad[b];
                block[cases[i].at[k] + 1] = (uint8_t)(bad[b] >> 8);
                gguf_dequantize(cases[i].type, block, 1, values);
                for (uint32_t n = 0; n < gguf_type_info(cases[i].type)->block; n++)
                    assert_false(isfinite(values[n]));
            }
}

static void configurations_decide(void **state) {
    (void)state;
    struct bytes file;
    struct diag d;
    struct source *source = open_json("\"rope_scaling\": null",
                                      "\"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 2.0}",
                                      NULL, NULL, &file, &d);
    assert_non_null(source);
    assert_true(source_config(source)->rope.scaling == ROPE_DYNAMIC &&
                source_config(source)->max_positions == 64 &&
                source_config(source)->rope.reach == 128);
    assert_non_null(strstr(source_config(source)->notes, "dynamic NTK"));
    source_close(source), bytes_free(&file);

    source =
        open_json("\"rope_scaling\": null",
                  "\"rope_scaling\": {\"type\": \"linear\", \"factor\": 4}", NULL, NULL, &file, &d);
    assert_true(source && source_config(source)->rope.scaling == ROPE_LINEAR &&
                source_config(source)->rope.factor == 4);
    source_close(source), bytes_free(&file);

    source = open_json("\"LlamaForCausalLM\"], ",
                       "\"MistralForCausalLM\"], \"sliding_window\": 32, ", NULL, NULL, &file, &d);
    assert_true(source && source_config(source)->max_positions == 64);
    assert_true(source_config(source)->layer[0].window == 32 &&
                source_config(source)->layer[1].window == 32);
    source_close(source), bytes_free(&file);

    source = open_json("\"LlamaForCausalLM\"], ",
                       "\"DeciLMForCausalLM\"], \"num_key_value_heads_per_layer\": [1, 1], ", NULL,
                       NULL, &file, &d);
    assert_true(source && source_config(source)->layer[1].kv_heads == 1);
    source_close(source), bytes_free(&file);

    /* A head of other values than the embedding's stays. */
    source = open_json("\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true", NULL,
                       NULL, &file, &d);
    assert_true(source && !source_config(source)->tied && source_tensor(source, SOURCE_HEAD, 0));
    assert_non_null(strstr(source_config(source)->notes,
                           "lm_head.weight differs from the embedding and is kept"));
    source_close(source), bytes_free(&file);

    source = open_json("\"eos_token_id\": 2", "\"eos_token_id\": [3, 2, 3]", NULL, NULL, &file, &d);
    assert_true(source && source_config(source)->end_tokens_count == 2 &&
                source_config(source)->end_tokens[0] == 3);
    source_close(source), bytes_free(&file);

    static const char *const none[] = {"-1",   "-2",   "10", "4294967295", "18446744073709551615",
                                       "1e30", "null", "[]", "[-1, 10]"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        char bos[64], eos[64];
        snprintf(bos, sizeof bos, "\"bos_token_id\": %s", none[i]),
            snprintf(eos, sizeof eos, "\"eos_token_id\": %s", none[i]);
        source = open_json("\"eos_token_id\": 2", eos, NULL, NULL, &file, &d);
        assert_true(source && source_config(source)->end_tokens_count == 0);
        assert_true(i >= 6 || strstr(source_config(source)->notes, "eos_token_id"));
        source_close(source), bytes_free(&file);
        source = i < 7 ? open_json("\"bos_token_id\": 1", bos, NULL, NULL, &file, &d) : NULL;
        assert_true(i >= 7 || (source && source_config(source)->bos == -1));
        if (source) source_close(source), bytes_free(&file);
    }
    source =
        open_json("\"eos_token_id\": 2", "\"eos_token_ids\": [3, 99, 4]", NULL, NULL, &file, &d);
    assert_true(source && source_config(source)->end_tokens_count == 2 &&
                source_config(source)->end_tokens[1] == 4);
    source_close(source), bytes_free(&file);

    source = open_json("\"hidden_act\": \"silu\"",
                       "\"hidden_act\": \"swish\", \"something_new\": [1e999, NaN], \"a\": 1, "
                       "\"a\": 2, \"mlp_bias\": true, "
                       "\"max_length\": 1000000000000000019884624838656, \"num_local_experts\": 0, "
                       "\"no_rope_layers\": []",
                       NULL, NULL, &file, &d);
    assert_string_equal(d.text, "");
    assert_non_null(strstr(source_config(source)->notes, "something_new"));
    assert_null(strstr(source_config(source)->notes, "max_length"));
    source_close(source), bytes_free(&file);

    static desc g;
    describe_gguf(&g);
    number(&g, "tokenizer.ggml.bos_token_id", 10);
    number(&g, "tokenizer.ggml.eos_token_id", 0xffffffff);
    source = open_description(&g, &file, &d);
    assert_true(source && source_config(source)->bos == -1 &&
                source_config(source)->end_tokens_count == 0);
    source_close(source), bytes_free(&file);

    describe_gguf(&g);
    list_key(&g, "tokenizer.ggml.eos_token_id", 2, 7);
    tensor(&g, "blk.0.attn_output.bias", 8, 0);
    source = open_description(&g, &file, &d);
    assert_null(source); /* the bias that this test writes is not zero */
    bytes_free(&file);

    describe_gguf(&g);
    int_key(&g, "tokenizer.ggml.eot_token_id", 9);
    real_key(&g, "llama.rope.scaling.factor", 2);
    text_key(&g, "llama.rope.scaling.type", "linear");
    drop_entry(&g, "output.weight");
    int_key(&g, "llama.expert_count", 0);
    source = open_description(&g, &file, &d);
    assert_string_equal(d.text, "");
    assert_true(source_config(source)->tied && source_config(source)->rope.scaling == ROPE_LINEAR &&
                source_config(source)->end_tokens[1] == 9);
    source_close(source), bytes_free(&file);

    describe_gguf(&g);
    tensor(&g, "rope_freqs.weight", 2, 0);
    source = open_description(&g, &file, &d);
    assert_true(source && source_config(source)->rope.scaling == ROPE_DIVISORS &&
                source_tensor(source, SOURCE_ROPE_FREQS, 0)->cols == 2);
    source_close(source), bytes_free(&file);
}

static void paths_without_a_checkpoint_are_refused(void **state) {
    (void)state;
    char folder[] = "/tmp/apus_source_XXXXXX", file[64];
    assert_non_null(mkdtemp(folder));
    struct diag d = {{0}};
    assert_null(source_open(folder, &d));
    assert_non_null(strstr(d.text, "config.json"));
    diag_clear(&d);
    assert_null(source_open("/nonexistent", &d));
    assert_non_null(strstr(d.text, "/nonexistent"));
    snprintf(file, sizeof file, "%s/config.json", folder);
    FILE *f = fopen(file, "w");
    assert_true(f && fputs(CONFIG_JSON, f) >= 0 && fclose(f) == 0);
    diag_clear(&d);
    assert_null(source_open(file, &d));
    assert_non_null(strstr(d.text, "give the directory, /tmp/apus_source_"));
    diag_clear(&d);
    assert_null(source_open(folder, &d));
    assert_non_null(strstr(d.text, "neither model.safetensors"));
    unlink(file);
    rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_kinds_give_one_view),
        cmocka_unit_test(configurations_decide),
        cmocka_unit_test(wrong_gguf_is_refused_in_words),
        cmocka_unit_test(values_that_are_not_finite_are_named),
        cmocka_unit_test(block_scales_must_be_finite),
        cmocka_unit_test(paths_without_a_checkpoint_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
