/* Opens, verifies and describes a blob through the public API. weights/blob.c does the checking. */
#include "apus/apus.h"

#include <stddef.h>

#include "hal/fenv.h"
#include "runtime/config.h"
#include "weights/blob.h"
#include "weights/refuse.h"

_Static_assert(sizeof(struct blob) <= sizeof(apus_blob), "apus_blob holds a struct blob");
_Static_assert(_Alignof(apus_blob) % _Alignof(struct blob) == 0, "and is aligned for it");

APUS_API apus_status apus_blob_open(apus_blob *blob, const void *data, size_t size,
                                    const apus_port *port) {
    char why[BLOB_WHY];
    apus_port own;
    apus_status status = port_read(&own, port);
    if (!status) status = refuse_null(&own, "apus_blob_open", "blob", blob);
    if (status) return status;
    struct blob *b = (struct blob *)(void *)blob;
    status = blob_open(b, data, size, why);
    if (status) {
        port_log(&own, APUS_LOG_ERROR, why);
        return status;
    }
    b->log = own.log;
    b->log_user = own.user;
    return APUS_OK;
}

APUS_API apus_status apus_blob_verify(const apus_blob *blob, const char **section) {
    const struct blob *b = blob_opened(blob);
    if (!b) return APUS_E_ARGUMENT;
    uint32_t differs = blob_verify(b);
    if (section) *section = blob_section_name(differs);
    return differs == BLOB_SECTIONS ? APUS_OK : APUS_E_FORMAT;
}

/* Offsets are also checked where they are used, because the file may have changed. */
static const char *text_at(const struct blob *b, uint32_t offset) {
    return b->text + (offset < b->text_bytes ? offset : 0);
}

APUS_API apus_status apus_blob_describe(const apus_blob *blob, apus_info *info) {
    const struct blob *b = blob_opened(blob);
    if (!b) return APUS_E_ARGUMENT;
    apus_port port = blob_port(b);
    apus_status status = config_check(info, STRUCT(apus_info), &port);
    if (status) return status;
    uint64_t fenv = fenv_enter();
    const struct blob_read pass = blob_pass_read(b, 1);
    apus_info known = {
        .size = sizeof known,
        .name = text_at(b, b->model->name),
        .architecture = text_at(b, b->model->architecture),
        .provenance = text_at(b, b->model->provenance),
        .bytes = b->header->file_bytes,
        .parameters = b->model->parameters,
        .weight_bytes = pass.bytes,
        .bits_per_weight = 8.0 * (double)pass.bytes / (double)pass.weights,
        .model_hash = b->header->model_hash,
        .layers = b->layer_count,
        .dim = b->model->dim,
        .vocab = b->model->vocab,
        .max_positions = b->model->max_positions,
        .tensors = b->tensor_count,
        .tokenizer = b->vocab.header->kind == VOCAB_SPM ? "spm" : "bpe",
        .add_bos = (b->vocab.header->flags & VOCAB_ADD_BOS) != 0,
        .bos = b->vocab.header->bos,
        .eos = b->vocab.header->eos,
        .end_tokens = b->vocab.header->ends_count,
        .specials = b->vocab.header->added_count,
    };
    fenv_leave(fenv);
    config_write(info, &known, sizeof known);
    return APUS_OK;
}

APUS_API apus_status apus_blob_layer(const apus_blob *blob, uint32_t layer, apus_layer_info *info) {
    const struct blob *b = blob_opened(blob);
    if (!b) return APUS_E_ARGUMENT;
    apus_port port = blob_port(b);
    apus_status status = config_check(info, STRUCT(apus_layer_info), &port);
    if (!status)
        status = refuse_outside(&port, "apus_blob_layer", "layer", layer, 0, b->layer_count - 1);
    if (status) return status;
    /* A copy, whose variant stays what is checked here if others change the file. */
    struct blob_layer l = b->layers[layer];
    if (l.variant > b->variant_count) l.variant = 0;
    const struct blob_variant *v = layer_variant(&l, blob_variants(b));
    apus_layer_info known = {.size = sizeof known,
                             .heads = l.heads,
                             .kv_heads = l.kv_heads,
                             .head_dim = b->model->head_dim,
                             .ffn = l.ffn,
                             .experts = v->experts,
                             .active = v->active,
                             .window = v->window};
    config_write(info, &known, sizeof known);
    return APUS_OK;
}

APUS_API apus_status apus_blob_tensor(const apus_blob *blob, uint32_t index,
                                      apus_tensor_info *info) {
    const struct blob *b = blob_opened(blob);
    if (!b) return APUS_E_ARGUMENT;
    apus_port port = blob_port(b);
    apus_status status = config_check(info, STRUCT(apus_tensor_info), &port);
    if (!status)
        status = refuse_outside(&port, "apus_blob_tensor", "index", index, 0, b->tensor_count - 1);
    if (status) return status;
    const struct blob_tensor *t = &b->tensors[index];
    apus_tensor_info known = {sizeof known, t->name, weight_traits(t->type)->name,
                              t->rows,      t->cols, blob_tensor_bytes(t)};
    config_write(info, &known, sizeof known);
    return APUS_OK;
}

APUS_API apus_status apus_blob_end_token(const apus_blob *blob, uint32_t index, int32_t *id) {
    const struct blob *b = blob_opened(blob);
    if (!b) return APUS_E_ARGUMENT;
    apus_port port = blob_port(b);
    apus_status status = refuse_null(&port, "apus_blob_end_token", "id", id);
    if (!status && index >= b->vocab.header->ends_count)
        status = refuse(&port, APUS_E_ARGUMENT, "apus_blob_end_token",
                        "index is #, must be less than the # of apus_info.end_tokens",
                        CHECK_NUMBERS(index, b->vocab.header->ends_count));
    if (status) return status;
    *id = (int32_t)b->vocab.ends[index];
    return APUS_OK;
}

APUS_API apus_status apus_blob_special(const apus_blob *blob, uint32_t index,
                                       apus_special *special) {
    const struct blob *b = blob_opened(blob);
    if (!b) return APUS_E_ARGUMENT;
    const struct vocab *v = &b->vocab;
    apus_port port = blob_port(b);
    apus_status status = config_check(special, STRUCT(apus_special), &port);
    if (!status && index >= v->header->added_count)
        status = refuse(&port, APUS_E_ARGUMENT, "apus_blob_special",
                        "index is #, must be less than the # of apus_info.specials",
                        CHECK_NUMBERS(index, v->header->added_count));
    if (status) return status;
    uint32_t id = v->added[index].id;
    if (id >= v->header->rows)
        return refuse(&port, APUS_E_FORMAT, "apus_blob_special",
                      "the special token # has the id #: the tokenizer's tables have changed",
                      CHECK_NUMBERS(index, id));
    apus_special known = {.size = sizeof known,
                          .id = (int32_t)id,
                          .text = (const char *)vocab_bytes(v, id),
                          .bytes = vocab_length(v, id),
                          .control = vocab_type(v, id) == VOCAB_CONTROL,
                          .ends = vocab_is_end(v, id)};
    config_write(special, &known, sizeof known);
    return APUS_OK;
}

/* If the file has changed, a name may have lost its end since it was checked. */
static const char *template_name(const char name[VOCAB_TEMPLATE_NAME]) {
    return name[VOCAB_TEMPLATE_NAME - 1] ? "" : name;
}

APUS_API apus_status apus_blob_templates(const apus_blob *blob, apus_templates *templates) {
    const struct blob *b = blob_opened(blob);
    if (!b) return APUS_E_ARGUMENT;
    apus_port port = blob_port(b);
    apus_status status = config_check(templates, STRUCT(apus_templates), &port);
    if (status) return status;
    const struct vocab_templates *t = b->vocab.templates;
    apus_templates known = {.size = sizeof known, .chat = "", .fim = ""};
    if (t) known.chat = template_name(t->chat), known.fim = template_name(t->fim);
    for (int m = 0; m < APUS_MARKERS; m++)
        known.markers[m] = t && t->markers[m] < b->vocab.header->rows ? (int32_t)t->markers[m] : -1;
    config_write(templates, &known, sizeof known);
    return APUS_OK;
}
