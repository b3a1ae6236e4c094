/* A blob through the public API: opened, verified, described. weights/blob.c does the checking. */
#include "apus/apus.h"

#include <stddef.h>

#include "hal/fenv.h"
#include "runtime/config.h"
#include "weights/blob.h"

_Static_assert(sizeof(struct blob) <= sizeof(apus_blob), "apus_blob holds a struct blob");
_Static_assert(_Alignof(apus_blob) % _Alignof(struct blob) == 0, "and is aligned for it");

/* NULL for no blob, or one that was zeroed and never opened. */
static const struct blob *opened(const apus_blob *blob) { return blob && blob_of(blob)->header ? blob_of(blob) : NULL; }

APUS_API apus_status apus_blob_open(apus_blob *blob, const void *data, size_t size, const apus_port *port) {
    char why[BLOB_WHY];
    apus_port own;
    if (!blob || port_read(&own, port)) return APUS_E_ARGUMENT;
    apus_status status = blob_open((struct blob *)(void *)blob, data, size, why);
    if (status) port_log(&own, APUS_LOG_ERROR, why);
    return status;
}

APUS_API apus_status apus_blob_verify(const apus_blob *blob, const char **section) {
    const struct blob *b = opened(blob);
    if (!b) return APUS_E_ARGUMENT;
    uint32_t differs = blob_verify(b);
    if (section) *section = blob_section_name(differs);
    return differs == BLOB_SECTIONS ? APUS_OK : APUS_E_FORMAT;
}

APUS_API apus_status apus_describe(const apus_blob *blob, apus_info *info) {
    const struct blob *b = opened(blob);
    if (!b || !info) return APUS_E_ARGUMENT;
    uint64_t pass = blob_pass_bytes(b), fenv = fenv_enter();
    *info = (apus_info){
        .name = b->text + b->model->name,
        .architecture = b->text + b->model->architecture,
        .provenance = b->text + b->model->provenance,
        .bytes = b->header->file_bytes,
        .parameters = b->model->parameters,
        .weight_bytes = pass,
        .bits_per_weight = 8.0 * (double)pass / (double)blob_pass_weights(b),
        .model_hash = b->header->model_hash,
        .layers = b->model->layers,
        .dim = b->model->dim,
        .vocab = b->model->vocab,
        .max_positions = b->model->max_positions,
        .tensors = b->model->tensors,
        .tokenizer = b->vocab.header->kind == VOCAB_SPM ? "spm" : "bpe",
        .add_bos = (b->vocab.header->flags & VOCAB_ADD_BOS) != 0,
        .bos = b->vocab.header->bos,
        .eos = b->vocab.header->eos,
        .end_tokens = b->vocab.header->ends_count,
    };
    fenv_leave(fenv);
    return APUS_OK;
}

APUS_API apus_status apus_describe_layer(const apus_blob *blob, uint32_t layer, apus_layer_info *info) {
    const struct blob *b = opened(blob);
    if (!b || !info || layer >= b->model->layers) return APUS_E_ARGUMENT;
    const struct blob_layer *l = &b->layers[layer];
    *info = (apus_layer_info){.heads = l->heads, .kv_heads = l->kv_heads, .head_dim = b->model->head_dim, .ffn = l->ffn};
    return APUS_OK;
}

static const char *type_name(uint32_t type) { return type == WEIGHT_W4 ? "w4" : type == WEIGHT_W8 ? "w8" : "row8"; }

APUS_API apus_status apus_describe_tensor(const apus_blob *blob, uint32_t index, apus_tensor_info *info) {
    const struct blob *b = opened(blob);
    if (!b || !info || index >= b->model->tensors) return APUS_E_ARGUMENT;
    const struct blob_tensor *t = &b->tensors[index];
    *info =
        (apus_tensor_info){.name = t->name, .type = type_name(t->type), .rows = t->rows, .cols = t->cols, .bytes = blob_tensor_bytes(t)};
    return APUS_OK;
}

APUS_API apus_status apus_describe_end_token(const apus_blob *blob, uint32_t index, int32_t *id) {
    const struct blob *b = opened(blob);
    if (!b || !id || index >= b->vocab.header->ends_count) return APUS_E_ARGUMENT;
    *id = (int32_t)b->vocab.ends[index];
    return APUS_OK;
}
