/* Every tensor of a small model, folded by the packer and by the formulas of docs/numerics.md
 * section 8 in double: the floats that reach the quantizer, then the bytes and row floats that
 * leave it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/pack/matrix.h"
#include "tests/pack/random.h"
#include "tests/pack/unpack.h"
#include "weights/pack/quantize/conversion.h"
#include "weights/pack/checkpoint/source_inside.h"

enum {
    DIM = 96,
    HEADS = 3,
    KV = 1,
    FFN = 100,
    FFN_PADDED = 128,
    VOCAB = 50,
    LAYERS = 2,
    WIDEST = 256
};
enum { WIDE = 48 };             /* head_dim of the blob */
static uint32_t head_size = 48; /* of the checkpoint */

/* -------------------------------------------------------------------- a checkpoint in memory -- */

struct checkpoint {
    char config[1024], header[8192];
    uint8_t *file;
    size_t bytes;
    struct source *source;
};

static size_t add(struct checkpoint *c, size_t at, const char *name, int rows, int cols) {
    size_t length = strlen(c->header), bytes = (size_t)rows * (size_t)cols * 4;
    char shape[32];
    if (rows == 1)
        snprintf(shape, sizeof shape, "%d", cols);
    else
        snprintf(shape, sizeof shape, "%d,%d", rows, cols);
    snprintf(c->header + length, sizeof c->header - length,
             "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
             length > 1 ? "," : "", name, shape, at, at + bytes);
    return at + bytes;
}

static size_t add_layer(struct checkpoint *c, size_t at, int layer) {
    const int q = HEADS * (int)head_size, kv = KV * (int)head_size;
    const struct {
        const char *name;
        int rows, cols;
    } parts[] = {{"input_layernorm.weight", 1, DIM},   {"post_attention_layernorm.weight", 1, DIM},
                 {"self_attn.q_proj.weight", q, DIM},  {"self_attn.k_proj.weight", kv, DIM},
                 {"self_attn.v_proj.weight", kv, DIM}, {"self_attn.o_proj.weight", DIM, q},
                 {"self_attn.q_proj.bias", 1, q},      {"self_attn.k_proj.bias", 1, kv},
                 {"self_attn.v_proj.bias", 1, kv},     {"mlp.gate_proj.weight", FFN, DIM},
                 {"mlp.up_proj.weight", FFN, DIM},     {"mlp.down_proj.weight", DIM, FFN}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        char name[96];
        snprintf(name, sizeof name, "model.layers.%d.%s", layer, parts[i].name);
        at = add(c, at, name, parts[i].rows, parts[i].cols);
    }
    return at;
}

/* spoil: a value put into the embedding, 0 for none */
static struct checkpoint *checkpoint(bool tied, float spoil) {
    struct checkpoint *c = calloc(1, sizeof *c);
    assert_non_null(c);
    snprintf(c->config, sizeof c->config,
             "{\"architectures\":[\"Qwen2ForCausalLM\"],\"model_type\":\"qwen2\",\"hidden_size\":%"
             "d,\"num_attention_heads\":%d,\"num_key_value_"
             "heads\":%d,"
             "\"head_dim\":%d,\"intermediate_size\":%d,\"vocab_size\":%d,\"num_hidden_layers\":%d,"
             "\"rms_norm_eps\":1e-6,\"rope_theta\":10000.0,"
             "\"max_position_embeddings\":128,\"tie_word_embeddings\":%s,\"hidden_act\":\"silu\","
             "\"bos_token_id\":1,\"eos_token_id\":2}",
             DIM, HEADS, KV, (int)head_size, FFN, VOCAB, LAYERS, tied ? "true" : "false");
    c->header[0] = '{';
    size_t at = add(c, 0, "model.embed_tokens.weight", VOCAB, DIM);
    for (int layer = 0; layer < LAYERS; layer++) at = add_layer(c, at, layer);
    at = add(c, at, "model.norm.weight", 1, DIM);
    if (!tied) at = add(c, at, "lm_head.weight", VOCAB, DIM);
    uint64_t length = strlen(c->header), seed = 11;
    c->header[length++] = '}';
    c->bytes = 8 + length + at;
    c->file = malloc(c->bytes);
    assert_non_null(c->file);
    memcpy(c->file, &length, 8);
    memcpy(c->file + 8, c->header, length);
    for (size_t i = 0; i < at / 4; i++) {
        float x = i == 7 && spoil != 0 ? spoil : random_normal(&seed);
        memcpy(c->file + 8 + length + 4 * i, &x, 4);
    }
    struct diag d = {0};
    c->source = source_open_json_memory(c->config, strlen(c->config), c->file, c->bytes, &d);
    if (!c->source) fail_msg("%s", d.text);
    return c;
}

static void checkpoint_free(struct checkpoint *c) {
    source_close(c->source);
    free(c->file);
    free(c);
}

static const struct plan_choice CHOICE = {.layer_bits = 8, .rotate = true, .origin = "memory"};

/* -------------------------------------------------------------------------------- by formula -- */

struct matrix {
    uint32_t rows, cols;
    double at[256][WIDEST];
};

static void load(struct source *source, const struct source_tensor *tensor, struct matrix *out) {
    float row[WIDEST];
    struct diag d = {0};
    memset(out, 0, sizeof *out);
    out->rows = (uint32_t)tensor->rows, out->cols = (uint32_t)tensor->cols;
    for (uint32_t r = 0; r < out->rows; r++) {
        assert_true(source_read_rows(source, tensor, r, 1, row, &d));
        for (uint32_t c = 0; c < out->cols; c++) out->at[r][c] = (double)row[c];
    }
}

/* W becomes W M, M block-diagonal of rotations of size n. */
static void from_right(struct matrix *w, uint32_t n, bool signs, bool transposed) {
    for (uint32_t r = 0; r < w->rows; r++) {
        double out[WIDEST] = {0};
        for (uint32_t c = 0; c < w->cols; c++)
            for (uint32_t k = 0; k < n; k++)
                out[c / n * n + k] += w->at[r][c] * matrix_element(n, signs, transposed, c % n, k);
        memcpy(w->at[r], out, sizeof out);
    }
}

/* W becomes M^T W: the same along columns. */
static void from_left(struct matrix *w, uint32_t n, bool signs, bool transposed) {
    for (uint32_t c = 0; c < w->cols; c++) {
        double out[256] = {0};
        for (uint32_t r = 0; r < w->rows; r++)
            for (uint32_t k = 0; k < n; k++)
                out[r / n * n + k] += w->at[r][c] * matrix_element(n, signs, transposed, r % n, k);
        for (uint32_t r = 0; r < w->rows; r++) w->at[r][c] = out[r];
    }
}

static void gains(struct source *source, enum source_role role, uint32_t layer, struct matrix *w) {
    float gain[DIM];
    struct diag d = {0};
    assert_true(source_read_rows(source, source_tensor(source, role, layer), 0, 1, gain, &d));
    for (uint32_t r = 0; r < w->rows; r++)
        for (uint32_t c = 0; c < DIM; c++) w->at[r][c] *= (double)gain[c];
}

static void scaled(struct matrix *w, double factor) {
    for (uint32_t r = 0; r < w->rows; r++)
        for (uint32_t c = 0; c < w->cols; c++) w->at[r][c] *= factor;
}

static double q_factor(void) {
    return 1.4426950408889634 / sqrt(head_size) / 16; /* head_block(48) */
}

/* Each half of a head is followed by zeros up to half of WIDE: rows, or columns. */
static void widen(struct matrix *w, bool rows) {
    static struct matrix narrow;
    narrow = *w;
    uint32_t half = head_size / 2, count = (rows ? w->rows : w->cols) / half;
    memset(w->at, 0, sizeof w->at);
    if (rows)
        w->rows = count * WIDE / 2;
    else
        w->cols = count * WIDE / 2;
    for (uint32_t i = 0; i < count * half; i++) {
        uint32_t to = i / half * (WIDE / 2) + i % half;
        if (rows) memcpy(w->at[to], narrow.at[i], sizeof w->at[to]);
        for (uint32_t r = 0; !rows && r < w->rows; r++) w->at[r][to] = narrow.at[r][i];
    }
}

static double norm_of(const struct matrix *w, bool row, uint32_t i) {
    double sum = 0;
    for (uint32_t k = 0; k < (row ? w->cols : w->rows); k++)
        sum += row ? w->at[i][k] * w->at[i][k] : w->at[k][i] * w->at[k][i];
    return sqrt(sum);
}

/* C of section 8 */
static void balances(struct source *source, uint32_t layer, double c[FFN_PADDED]) {
    static struct matrix gate, up, down;
    load(source, source_tensor(source, SOURCE_GATE, layer), &gate);
    load(source, source_tensor(source, SOURCE_UP, layer), &up);
    load(source, source_tensor(source, SOURCE_DOWN, layer), &down);
    gains(source, SOURCE_FFN_NORM, layer, &gate);
    gains(source, SOURCE_FFN_NORM, layer, &up);
    for (uint32_t i = 0; i < FFN_PADDED; i++) {
        double g = norm_of(&gate, true, i);
        c[i] = i < FFN ? sqrt(norm_of(&down, false, i) /
                              (norm_of(&up, true, i) * g * (0.5 + 0.2071 * g * g / (g * g + 4))))
                       : 1;
    }
}

static void by_formula(struct source *source, int which, uint32_t layer, struct matrix *w) {
    static const enum source_role roles[LT_COUNT] = {SOURCE_Q,    SOURCE_K,  SOURCE_V,   SOURCE_O,
                                                     SOURCE_GATE, SOURCE_UP, SOURCE_DOWN};
    double c[FFN_PADDED];
    load(source, source_tensor(source, roles[which], layer), w);
    if (which <= LT_O) widen(w, which != LT_O);
    if (which == LT_O) {
        from_right(w, WIDE, false, true); /* A^T on every head, */
        from_left(w, DIM, true, false);   /* R^T on the sum */
    } else if (which == LT_DOWN) {
        w->cols = FFN_PADDED;
        balances(source, layer, c);
        for (uint32_t r = 0; r < w->rows; r++)
            for (uint32_t k = 0; k < FFN_PADDED; k++) w->at[r][k] /= c[k];
        for (uint32_t r = 0; r < w->rows; r++) {
            double out[WIDEST] = {0};
            for (uint32_t i = 0; i < FFN_PADDED; i++)
                for (uint32_t k = 0; k < 64; k++)
                    out[i / 64 * 64 + k] +=
                        w->at[r][i] * (__builtin_popcount(i % 64 & k) % 2 ? -1 : 1) / 64;
            memcpy(w->at[r], out, sizeof out);
        }
        from_left(w, DIM, true, false);
    } else {
        gains(source, which <= LT_V ? SOURCE_ATTN_NORM : SOURCE_FFN_NORM, layer, w);
        from_right(w, DIM, true, false);
        if (which == LT_V) from_left(w, WIDE, false, true); /* A V: as row vectors, v A^T */
        if (which == LT_Q) scaled(w, q_factor());
        if (which == LT_UP) {
            balances(source, layer, c);
            for (uint32_t r = 0; r < w->rows; r++)
                for (uint32_t k = 0; k < w->cols; k++) w->at[r][k] *= c[r];
        }
        if (which >= LT_GATE) w->rows = FFN_PADDED; /* zero rows */
    }
}

/* ------------------------------------------------------------------------------------ checks -- */

struct capture {
    float w[256][WIDEST];
    uint32_t rows;
};

/* A tensor's quantizer in another's place. */
static void capture_rows(const struct quantizer *quantizer, const float *w, uint32_t rows,
                         uint32_t cols, float *room, struct quantized_row *out) {
    struct capture *capture = (struct capture *)(uintptr_t)quantizer->context;
    for (uint32_t r = 0; r < rows; r++)
        memcpy(capture->w[capture->rows++], w + (size_t)r * padded_cols(cols),
               padded_cols(cols) * sizeof(float));
    struct quantizer rounding = quantizer_rounding(quantizer->type);
    rounding.rows(&rounding, w, rows, cols, room, out);
}

struct bytes {
    uint8_t data[1 << 17];
    size_t used;
};

static bool take_bytes(void *user, const void *data, size_t bytes, struct diag *d) {
    struct bytes *b = user;
    if (b->used + bytes > sizeof b->data) return diag_fail(d, "too many bytes");
    memcpy(b->data + b->used, data, bytes);
    b->used += bytes;
    return true;
}

static void check_tensor(struct conversion *conversion, const struct plan *plan, uint32_t index,
                         const struct matrix *expected, float *rows) {
    static struct capture capture;
    static struct bytes bytes;
    struct plan_tensor tensor = plan->tensors[index];
    struct convert_error error;
    struct diag d = {0};
    capture.rows = 0;
    tensor.quantizer.rows = capture_rows, tensor.quantizer.context = &capture;
    bytes.used = 0;
    const struct convert_target target = {.sink = take_bytes, .user = &bytes};
    if (!convert_tensor(conversion, &tensor, rows, &target, &error, &d)) fail_msg("%s", d.text);
    const struct blob_tensor *record = &tensor.record;
    assert_true(record->rows == expected->rows && record->cols == expected->cols &&
                capture.rows == record->rows);
    assert_int_equal(bytes.used, record->bytes);
    double squares = 0, errors = 0, largest = 0;
    for (uint32_t r = 0; r < record->rows; r++) {
        for (uint32_t c = 0; c < record->cols; c++) {
            double w = (double)capture.w[r][c];
            if (fabs(w - expected->at[r][c]) > 2e-5)
                fail_msg("%s [%u][%u]: %g where %g is right", record->name, r, c, w,
                         expected->at[r][c]);
            double value = (double)rows[record->row_scales + r] *
                           unpack_scale(record->type, record->cols, bytes.data, r, c) *
                           unpack_weight(record->type, record->cols, bytes.data, r, c);
            squares += w * w, errors += (value - w) * (value - w),
                largest = fmax(largest, fabs(value - w));
        }
        for (uint32_t c = record->cols; c < padded_cols(record->cols); c++) {
            assert_true(capture.w[r][c] == 0);
            assert_int_equal(unpack_weight(record->type, record->cols, bytes.data, r, c), 0);
        }
    }
    for (uint32_t r = record->rows; r < padded_rows(record->rows); r++)
        assert_true(rows[record->row_scales + r] == 0);
    assert_true(sqrt(errors / squares) < (record->type == WEIGHT_W4T ? 0.11 : 0.009));
    assert_true(fabs(error.relative_rms - sqrt(errors / squares)) < 1e-6 &&
                fabs(error.max - largest) < 1e-6);
    assert_true(fabs(error.mean_square * record->rows * record->cols / errors - 1) < 1e-5);
}

static void check_biases(struct source *source, const struct plan *plan, uint32_t layer,
                         const float *rows) {
    static struct matrix bias;
    for (int which = LT_Q; which <= LT_V; which++) {
        const struct blob_tensor *record = &plan->tensors[plan->layers[layer].tensor[which]].record;
        load(source, source_tensor(source, (enum source_role)(SOURCE_Q_BIAS + which), layer),
             &bias);
        widen(&bias, false);
        if (which == LT_V) from_right(&bias, WIDE, false, true);
        if (which == LT_Q) scaled(&bias, q_factor());
        for (uint32_t i = 0; i < record->rows; i++)
            assert_true(fabs((double)rows[record->bias + i] - bias.at[0][i]) < 1e-5);
    }
}

static void check_model(bool tied, unsigned layer_bits) {
    static struct matrix expected;
    struct checkpoint *c = checkpoint(tied, 0);
    struct plan_choice choice = CHOICE;
    struct plan plan;
    struct diag d = {0};
    choice.layer_bits = layer_bits;
    assert_true(plan_make(&plan, c->source, &choice, &d));
    assert_int_equal(plan.model.tensors, 2 + LAYERS * LT_COUNT);
    struct conversion *conversion = convert_new(c->source, &plan, 1, &d);
    float *rows = calloc(plan.row_floats, sizeof *rows);
    assert_true(conversion && rows);
    load(c->source, source_tensor(c->source, SOURCE_EMBED, 0), &expected);
    from_right(&expected, DIM, true, false);
    check_tensor(conversion, &plan, plan.model.embed, &expected, rows);
    load(c->source, source_tensor(c->source, tied ? SOURCE_EMBED : SOURCE_HEAD, 0), &expected);
    gains(c->source, SOURCE_FINAL_NORM, 0, &expected);
    from_right(&expected, DIM, true, false);
    check_tensor(conversion, &plan, plan.model.head, &expected, rows);
    for (uint32_t layer = 0; layer < LAYERS; layer++) {
        for (int which = 0; which < LT_COUNT; which++) {
            uint32_t index = plan.layers[layer].tensor[which];
            by_formula(c->source, which, layer, &expected);
            assert_int_equal(plan.tensors[index].record.type,
                             layer_bits == 4 ? WEIGHT_W4T : WEIGHT_W8);
            check_tensor(conversion, &plan, index, &expected, rows);
        }
        check_biases(c->source, &plan, layer, rows);
    }
    free(rows);
    convert_free(conversion);
    plan_free(&plan);
    checkpoint_free(c);
}

static void follows_the_formulas(void **state) {
    (void)state;
    check_model(false, 8);
    check_model(true, 8);
    check_model(false, 4);
}

/* A head of 40 is filled up to 48, and the scores are still divided by the root of 40. */
static void fills_heads_up(void **state) {
    (void)state;
    head_size = 40;
    check_model(false, 8);
    check_model(false, 4);
    head_size = 48;
}

static void counts_parameters_once(void **state) {
    (void)state;
    const uint64_t q = HEADS * head_size, kv = KV * head_size;
    const uint64_t layer = 2 * DIM + 2 * q * DIM + 2 * kv * DIM + q + 2 * kv + 3 * FFN * DIM;
    for (int tied = 0; tied < 2; tied++) {
        struct checkpoint *c = checkpoint(tied, 0);
        struct plan plan;
        struct diag d = {0};
        assert_true(plan_make(&plan, c->source, &CHOICE, &d));
        assert_int_equal(plan.model.parameters,
                         (tied ? 1 : 2) * VOCAB * DIM + LAYERS * layer + DIM);
        plan_free(&plan);
        checkpoint_free(c);
    }
}

static void weights_too_large_are_refused(void **state) {
    (void)state;
    struct checkpoint *c = checkpoint(false, 1e30f);
    struct plan plan;
    struct diag d = {0};
    static struct bytes bytes;
    struct convert_error error;
    assert_true(plan_make(&plan, c->source, &CHOICE, &d));
    struct conversion *conversion = convert_new(c->source, &plan, 2, &d);
    float *rows = calloc(plan.row_floats, sizeof *rows);
    assert_true(conversion && rows);
    const struct convert_target target = {.sink = take_bytes, .user = &bytes};
    assert_false(
        convert_tensor(conversion, &plan.tensors[plan.model.embed], rows, &target, &error, &d));
    assert_non_null(strstr(d.text, "model.embed_tokens.weight: row 0"));
    free(rows);
    convert_free(conversion);
    plan_free(&plan);
    checkpoint_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_formulas), cmocka_unit_test(fills_heads_up),
        cmocka_unit_test(counts_parameters_once), cmocka_unit_test(weights_too_large_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
