/* Which matrices of real models go to an NPU. The models have shapes only, without weights. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "npu/model.h"
#include "runtime/graph.h"

struct shape {
    const char *name;
    uint32_t layers, dim, ffn, heads, kv_heads, head_dim, vocab, type;
    int layer_operations, head; /* how many of a layer's four operations go to the NPU, and whether
                                   the head does */
};

static const struct shape shapes[] = {
    {"SmolLM2 135M", 30, 576, 1536, 9, 3, 64, 49152, WEIGHT_W4T, 0, 0},
    {"SmolLM2 135M, 8 bits", 30, 576, 1536, 9, 3, 64, 49152, WEIGHT_W8, 0, 0},
    {"Qwen2.5 0.5B", 24, 896, 4864, 14, 2, 64, 151936, WEIGHT_W4T, 1, 1},  /* gate and up: 4.6 MB */
    {"Llama 3.2 1B", 16, 2048, 8192, 32, 8, 64, 128256, WEIGHT_W4T, 3, 1}, /* O: 2.2 MB */
    {"Llama 2 7B", 32, 4096, 11008, 32, 32, 128, 32000, WEIGHT_W4T, 4, 1},
    {"Llama 2 7B, 8 bits", 32, 4096, 11008, 32, 32, 128, 32000, WEIGHT_W8, 4, 1},
    {"Llama 3.1 8B", 32, 4096, 14336, 32, 8, 128, 128256, WEIGHT_W4T, 4, 1},
    {"Qwen2.5 7B", 28, 3584, 18944, 28, 4, 128, 152064, WEIGHT_W4T, 4, 1},
};

struct planned {
    struct hal_model hal;
    struct hal_program program;
    struct hal_op *ops;
    uint32_t *weight;
    struct blob_model model;
    struct blob_layer *layers;
    struct blob_tensor *tensors;
    struct npu_model npu;
    uint64_t bytes;
};

static uint32_t add(struct planned *p, uint32_t type, uint32_t rows, uint32_t cols) {
    struct blob_tensor *t = &p->tensors[p->model.tensors];
    *t = (struct blob_tensor){.type = type,
                              .rows = rows,
                              .cols = cols,
                              .offset = p->bytes,
                              .bytes = weight_bytes(type, rows, cols)};
    p->bytes += round_up((uint32_t)t->bytes, BLOB_ALIGN);
    return p->model.tensors++;
}

static void plan(struct planned *p, const struct shape *s, int all) {
    memset(p, 0, sizeof *p);
    p->layers = calloc(s->layers, sizeof *p->layers);
    p->tensors = calloc(2 + s->layers * LT_COUNT, sizeof *p->tensors);
    assert_true(p->layers && p->tensors);
    p->model.layers = s->layers, p->model.dim = s->dim, p->model.vocab = s->vocab,
    p->model.head_dim = s->head_dim;
    p->model.embed = add(p, WEIGHT_ROW8, s->vocab, s->dim);
    for (uint32_t i = 0; i < s->layers; i++) {
        struct blob_layer *l = &p->layers[i];
        uint32_t q = s->heads * s->head_dim, kv = s->kv_heads * s->head_dim;
        *l = (struct blob_layer){.heads = s->heads, .kv_heads = s->kv_heads, .ffn = s->ffn};
        l->tensor[LT_Q] = add(p, s->type, q, s->dim);
        l->tensor[LT_K] = add(p, s->type, kv, s->dim);
        l->tensor[LT_V] = add(p, WEIGHT_W8, kv, s->dim); /* as the packer has it */
        l->tensor[LT_O] = add(p, s->type, s->dim, q);
        l->tensor[LT_GATE] = add(p, s->type, s->ffn, s->dim);
        l->tensor[LT_UP] = add(p, s->type, s->ffn, s->dim);
        l->tensor[LT_DOWN] = add(p, s->type, s->dim, s->ffn);
    }
    p->model.head = add(p, WEIGHT_W8, s->vocab, s->dim);
    p->hal.dims = &p->model, p->hal.layers = p->layers, p->hal.tensors = p->tensors;
    p->npu.options.all = all;
    p->npu.tensors = p->model.tensors;
    p->npu.tensor = calloc(p->npu.tensors, sizeof *p->npu.tensor);
    assert_non_null(p->npu.tensor);
    graph_measure(&p->hal, &p->program);
    p->ops = calloc(p->program.count, sizeof *p->ops);
    p->weight = calloc(p->program.weights, sizeof *p->weight);
    assert_true(p->ops && p->weight);
    graph_build(&p->hal, p->ops, p->weight, &p->program);
    weights_plan(&p->npu, &p->hal, &p->program);
}

static void drop(struct planned *p) {
    free(p->layers), free(p->tensors), free(p->npu.tensor);
    free(p->ops), free(p->weight);
}

/* How many of a layer's operations go to the NPU. An operation goes with all its matrices or not at
 * all. */
static int operations(const struct planned *p, const struct blob_layer *l) {
    static const enum layer_tensor first[] = {LT_Q, LT_O, LT_GATE, LT_DOWN, LT_COUNT};
    int go = 0;
    for (int o = 0; o < 4; o++) {
        uint32_t most = p->npu.tensor[l->tensor[first[o]]].columns_max;
        for (int t = first[o]; t < (int)first[o + 1]; t++)
            assert_int_equal(!p->npu.tensor[l->tensor[t]].columns_max, !most);
        go += most != 0;
    }
    return go;
}

static void the_dispatch_is_weighed(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const struct shape *s = &shapes[i];
        struct planned p;
        plan(&p, s, 0);
        for (uint32_t l = 0; l < s->layers; l++)
            if (operations(&p, &p.layers[l]) != s->layer_operations)
                fail_msg("%s: %d operations of layer %u go", s->name, operations(&p, &p.layers[l]),
                         l);
        if ((p.npu.tensor[p.model.head].columns_max != 0) != s->head)
            fail_msg("%s: the head", s->name);
        assert_int_equal(p.npu.tensor[p.model.embed].columns_max, 0);
        drop(&p);
        plan(&p, s, 1);
        assert_int_equal(operations(&p, &p.layers[s->layers - 1]), 4);
        assert_true(p.npu.tensor[p.model.head].columns_max);
        drop(&p);
    }
}

/* The matrices of a 7B model that go to the NPU take a verification of 16 columns at once, and are
 * read where they lie. */
static void a_target_verifies_in_place(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct planned p;
        plan(&p, &shapes[i], 0);
        for (uint32_t t = 0; t < p.npu.tensors; t++) {
            const struct npu_tensor *n = &p.npu.tensor[t];
            if (!n->columns_max) continue;
            assert_int_equal(n->columns_max, 16);
            if (shapes[i].dim % 256 == 0 && n->copied)
                fail_msg("%s: tensor %u is copied", shapes[i].name, t);
        }
        drop(&p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_dispatch_is_weighed),
                                       cmocka_unit_test(a_target_verifies_in_place)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
