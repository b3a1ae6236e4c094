/* What the files source*.c share. Other files include source.h. */
#ifndef PACK_SOURCE_INSIDE_H
#define PACK_SOURCE_INSIDE_H

#include "weights/pack/checkpoint/gguf.h"
#include "weights/pack/checkpoint/json_fields.h"
#include "weights/pack/checkpoint/safetensors.h"
#include "weights/pack/checkpoint/source.h"
#include "weights/pack/checkpoint/source_families.h"
#include "weights/pack/checkpoint/source_file.h"

/* Bounds far above every known model, and small enough that no product of two overflows 64 bits in
 * the packer. */
enum {
    SOURCE_MAX_DIM = 1 << 20,
    SOURCE_MAX_FFN = 1 << 22,
    SOURCE_MAX_VOCAB = 1 << 24,
    SOURCE_MAX_EXPERTS = 1 << 12,
    SOURCE_MAX_HEADS = 1 << 14,
    SOURCE_MAX_HEAD_DIM = 1 << 13,
    SOURCE_MAX_POSITIONS = 1 << 24
};

/* A tensor as it lies in a file of either kind. */
struct stored_tensor {
    const char *name;
    enum gguf_type type;
    uint32_t dims;       /* 1..4 */
    uint64_t rows, cols; /* a tensor of one dimension has 1 row; of more than two, the outer ones
                            are multiplied into rows */
    const struct source_file *file;
    uint64_t offset;
    const struct source_file *scales_file; /* MXFP4 of safetensors: the scales lie apart (mxfp4.h);
                                              else NULL */
    uint64_t scales_offset;
};

/* How a kind of checkpoint names its tensors: "<layer_prefix><number>.<name>" of
 * source_roles.h. */
struct naming {
    enum source_naming names;
    const char *layer_prefix;
    const char *const *skipped;       /* global names that do not change the function,
                                         NULL-terminated */
    const char *const *layer_skipped; /* likewise after the layer's number */
    const char *const
        *zeros; /* global biases that the function has no place for: they must be zeros */
    const char *const *layer_zeros; /* likewise after the layer's number */
};

extern const struct naming source_gguf_naming, source_json_naming;

struct source {
    struct model_config config;
    struct gguf *gguf; /* one of these two */
    struct safetensors *safetensors;
    char *directory;
    struct stored_tensor *stored;
    size_t stored_count;
    struct source_tensor *tensors; /* the roles of the model, then those of each layer; name NULL:
                                      there is none */
    struct source_tensor *experts; /* [layers][experts_most][EXPERT_ROLES]; NULL: there are none */
    uint32_t experts_most;
    uint8_t *raw; /* [raw_bytes] buffer for reading */
    size_t raw_bytes;
};

/* Fill *config from the file's keys. config->layer is allocated and belongs to the source. */
bool config_of_gguf(const struct gguf *gguf, struct model_config *config, struct diag *d);
bool config_of_json(const json_t *root, const char *file, struct model_config *config,
                    struct diag *d);
/* Refuse keys that change the function. Keys of config.json that are not known are noted. */
bool config_check_keys(const json_t *root, const char *file, struct model_config *config,
                       struct diag *d);
bool config_check_gguf_keys(const struct gguf *gguf, const struct model_config *config,
                            struct diag *d);
/* Read RoPE (source_rope.c). The layers and the positions are read. */
bool config_rope_of_json(const json_t *root, const char *file, struct model_config *config,
                         struct diag *d);
bool config_rope_of_gguf(const struct gguf *gguf, struct model_config *config, struct diag *d);
/* Adds the end tokens of generation_config.json. */
bool config_add_generation(const json_t *root, const char *file, struct model_config *config,
                           struct diag *d);

/* For both kinds of files: checks ranges and relations that hold for every model. `file` is the
 * name for sentences. */
bool source_config_check(const struct model_config *config, const char *file, struct diag *d);
bool config_allocate_layers(struct model_config *config, uint64_t layers, const char *file,
                            struct diag *d);
/* Whether an id is a token's. Writers say "none" by an id that no token has (-1, 2^32 - 1, the
 * number of tokens); such an id is noted. */
bool config_is_token(struct model_config *config, const char *key, double id);
bool config_add_end_token(struct model_config *config, uint64_t id, const char *file,
                          struct diag *d); /* id < vocab */
void config_note(struct model_config *config, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Ends the positions at this number, if there are more, and notes why: "positions end at N of M,
 * <why>". */
void config_cap_positions(struct model_config *config, uint64_t positions, const char *why);
/* What is read of every model where nothing else is said. */
void config_begin(struct model_config *config);

/* Finds the role of every stored tensor and checks that they are what the configuration asks for.
 * `file` is the name for sentences. */
bool source_assign(struct source *source, const struct naming *naming, const char *file,
                   struct diag *d);
/* Goes over the rows of a stored tensor, or of two of one shape, piece by piece, as long as `good`
 * returns true. b may be NULL. */
typedef bool source_visit(const float *values, const float *others, size_t count, struct diag *d);
bool source_visit_rows(struct source *source, const struct stored_tensor *a,
                       const struct stored_tensor *b, source_visit *good, struct diag *d);
struct source_tensor *source_slot(const struct source *source, int role, uint32_t layer);

/* Whether a NULL-terminated list holds the name. */
bool name_is_listed(const char *const *list, const char *name);

/* Open sources from memory, for tests and fuzzers. The bytes must outlive the source. */
struct source *source_open_gguf_memory(const void *data, size_t bytes, struct diag *d);
struct source *source_open_json_memory(const char *config, size_t config_bytes, const void *weights,
                                       size_t weights_bytes, struct diag *d);

#endif
