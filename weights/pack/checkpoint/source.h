/* A checkpoint as the packer sees it: hyper-parameters and tensors by role, the same for GGUF files
 * and Hugging Face directories.
 *
 * Opening reads only the configuration and the tables of tensors, and checks that they agree: every
 * tensor that the configuration asks for is there with the right shape, and no tensor is left over
 * that would change the function. Values are read row by row on request, so memory holds the tables
 * and one buffer of a few MiB, whatever the size of the model. What is not understood is refused,
 * with its name. */
#ifndef PACK_SOURCE_H
#define PACK_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weights/pack/checkpoint/diag.h"
#include "weights/pack/checkpoint/source_roles.h"

struct gguf;
struct source;

/* -------------------------------------------------------------------------- hyper-parameters -- */

struct layer_config {
    uint32_t heads;    /* query heads; 0 if the layer has no attention (then kv_heads is 0 too) */
    uint32_t kv_heads; /* divides heads */
    uint32_t head_dim; /* even; the same in all layers of today's models */
    uint32_t ffn;      /* 0 if the layer has no feed-forward part */
    bool unrotated;    /* its attention is without RoPE */
    uint32_t experts;  /* 0: one feed-forward part; else each of so many is `ffn` wide */
    uint32_t active;   /* of them for a token */
    bool everyone;     /* their weights are a softmax over all experts, not over the chosen */
    uint32_t window;   /* a position sees this many positions, itself among them; 0: all */
};

enum rope_scaling {
    ROPE_NONE,
    ROPE_LINEAR,   /* positions / factor */
    ROPE_LLAMA3,   /* factor, low_freq_factor, high_freq_factor, original_positions */
    ROPE_YARN,     /* factor, beta_fast, beta_slow, exact_range, original_positions */
    ROPE_DYNAMIC,  /* theta grows with the positions from original_positions on; factor */
    ROPE_LONG,     /* each frequency is divided by its entry of one of two lists (LongRoPE) */
    ROPE_DIVISORS, /* each frequency is divided by its entry of one list, and by factor */
};

struct rope_config {
    double theta;    /* frequency i of rotary / 2 is theta^(-2 i / rotary) before scaling; pairs are
                     (i, i + head_dim / 2) */
    uint32_t rotary; /* elements of a head that are rotated: even, 2 .. head_dim. The others have
                        frequency 0 */
    enum rope_scaling scaling;
    double factor;               /* >= 1; with DIVISORS 1 unless the file also scales linearly */
    double low_freq_factor;      /* LLAMA3 */
    double high_freq_factor;     /* for LLAMA3; > low_freq_factor */
    double beta_fast, beta_slow; /* YARN: turns in the original positions; fast >= slow > 0 */
    bool exact_range;            /* YARN: the ends of the ramp are not rounded to whole
                                    frequencies */
    double attention_factor;     /* sines and cosines of what is rotated are multiplied by it; 0:
                                    by what follows from factor (rope.h) */
    double mscale, mscale_all;   /* YARN: of that formula; 0: not given */
    uint32_t original_positions; /* LLAMA3, YARN, DYNAMIC, LONG */
    uint32_t reach;              /* DYNAMIC: positions that may be asked for beyond the model's own,
                                    max_positions */
    /* The lists of LONG, [rotary / 2] each, malloc'ed; NULL where the file has them as tensors
     * (source_rope_divisors gives them in both cases). */
    float *short_divisor, *long_divisor;
};

/* Factors that are 1 for most models. */
struct scale_config {
    double embedding; /* of the embedding's rows */
    double scores;    /* of the products of q and k; 0: 1 / sqrt(head_dim) */
    double residual;  /* of what a sublayer adds */
    double logits;    /* of the logits */
};

enum { SOURCE_MAX_LAYERS = 4096, SOURCE_MAX_END_TOKENS = 16 };

struct source_family;

struct model_config {
    const struct source_family *family;
    bool inside;           /* the model is a part of another: FAMILY_INSIDE */
    char architecture[64]; /* as the source names it: "LlamaForCausalLM", "llama" */
    char name[128];        /* the model's: general.name, or the directory's last part; may be
                              empty */
    char notes[1024]; /* what was decided while reading, in sentences ("positions end at ..."); may
                         be empty */
    uint32_t layers;  /* 1 .. SOURCE_MAX_LAYERS */
    uint32_t dim;
    uint32_t vocab;             /* rows of the embedding and the head */
    uint32_t max_positions;     /* after every cap */
    struct layer_config *layer; /* [layers] */
    double eps;                 /* of every RMSNorm, > 0 */
    struct rope_config rope;
    bool window_rope_differs;       /* of layers with a window it is */
    struct rope_config window_rope; /* this one, with the same rotary, and not DYNAMIC, LONG or
                                       DIVISORS */
    struct scale_config scale;
    bool tied;         /* the head is the embedding */
    uint32_t features; /* SOURCE_FEATURE(WHEN_...) of each feature that the
                                                  layers have */
    int64_t bos;       /* the configuration's; < vocab; -1 if it names
                                                  none */
    int64_t mask; /* the id that stands for one to be guessed, of models that guess several at once;
                     < vocab; -1: it is not such a model */
    int32_t end_tokens[SOURCE_MAX_END_TOKENS]; /* ids that end a generation, the configuration's eos
                                                  first; each < vocab, no duplicates */
    uint32_t end_tokens_count;
};

static inline bool config_has(const struct model_config *config, enum source_when feature) {
    return config->features & SOURCE_FEATURE(feature);
}

/* Whether the layer's queries and keys are turned by window_rope. */
static inline bool config_turns_by_window(const struct model_config *config, uint32_t layer) {
    const struct layer_config *l = &config->layer[layer];
    return config->window_rope_differs && l->window && !l->unrotated;
}

bool config_clamps(const struct model_config *config); /* whether its activation is gpt-oss's */

/* ----------------------------------------------------------------------------------- tensors -- */

/* How a file has a matrix of an expert (source_experts.c). */
struct expert_view {
    uint64_t first, begin, step; /* rows, or values of a row, of what is stored */
    enum { EXPERT_ALONG, EXPERT_ACROSS, EXPERT_VECTOR } how;
};

struct source_tensor {
    const char *name; /* in the file */
    const char *type; /* "BF16", "Q4_K" ... */
    double bits;      /* bits per weight in the file */
    /* As source_roles.h has them. source_read_rows gives the rows of Q and K in the order in which
     * a head's element i is rotated with i + head_dim / 2, whatever the file's own order. */
    uint64_t rows, cols;
    /* These are for the files source*.c alone. */
    const void *stored;
    bool of_expert;
    struct expert_view expert;
    uint64_t first; /* the tensor begins at this row of what is stored */
    uint32_t
        head_dim;     /* not 0: the rows of each head (columns of a bias) have to be put in order */
    uint32_t rotary;  /* how many of them are rotated */
    bool interleaved; /* whether the file has the two of a pair beside each other; otherwise they
                          are rotary / 2 apart. Those that are not rotated come last. */
};

/* Opens a GGUF file, or a directory with config.json and safetensors. NULL with a sentence on
 * failure. */
struct source *source_open(const char *path, struct diag *d);
void source_close(struct source *source); /* also NULL */

const struct model_config *source_config(const struct source *source);
void source_note(struct source *source,
                 const char *sentences); /* adds to the configuration's notes */

/* The tensor of a role; layer counts from 0 and is ignored for roles without one. NULL if the model
 * has none. Valid until close. */
const struct source_tensor *source_tensor(const struct source *source, enum source_role role,
                                          uint32_t layer);

/* The matrices and biases of each expert of a layer; rows and columns as of a feed-forward part. */
enum expert_role {
    EXPERT_GATE,
    EXPERT_UP,
    EXPERT_DOWN,
    EXPERT_GATE_BIAS,
    EXPERT_UP_BIAS,
    EXPERT_DOWN_BIAS,
    EXPERT_ROLES
};
const struct source_tensor *source_expert(const struct source *source, enum expert_role role,
                                          uint32_t layer, uint32_t expert);

/* Reads rows first .. first + rows - 1 as float32 to out [rows][cols]. Fails, with the tensor's
 * name and row, if a value is not finite (which a block's scale may cause). Two threads must not
 * call it on one source at once. */
bool source_read_rows(struct source *source, const struct source_tensor *tensor, uint64_t first,
                      uint64_t rows, float *out, struct diag *d);

/* Fills out [rotary / 2] with the divisors of RoPE's frequencies for a blob of this many positions,
 * if the scaling is ROPE_DIVISORS or ROPE_LONG. */
bool source_rope_divisors(struct source *source, uint32_t positions, float *out, struct diag *d);

/* Adds every byte of the files that hold the weights, as they were opened, to the hash. progress
 * may be NULL. */
struct hash64;
bool source_add_bytes(const struct source *source, struct hash64 *hash,
                      void (*progress)(void *user, uint64_t bytes), void *user, struct diag *d);
uint64_t source_bytes(const struct source *source); /* how many bytes that are */

/* Where the tokenizer is: exactly one of the two is not NULL. */
const struct gguf *source_gguf(const struct source *source);
const char *source_directory(const struct source *source);

#endif
