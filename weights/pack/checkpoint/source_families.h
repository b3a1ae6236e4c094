/* The architectures that are understood, one row each: their names in both kinds of files, and how
 * they differ from Llama. A new family is a row here; if its tensors have other names, rows of
 * SOURCE_ALIAS_ROWS (source_roles.h); if its configuration has other keys, rows of source_keys.c.
 * Architectures that are refused have a row too, which says what is missing. */
#ifndef PACK_SOURCE_FAMILIES_H
#define PACK_SOURCE_FAMILIES_H

#include <stdint.h>

#include "weights/pack/checkpoint/diag.h"
#include "weights/pack/checkpoint/source_roles.h"

/* What is special about an architecture: a bit for each. */
enum family_trait {
    FAMILY_INTERLEAVED = 1 << 0, /* GGUF files have the rows of ORDER_ROTARY tensors interleaved */
    FAMILY_WINDOWED = 1 << 1,    /* sliding_window counts if use_sliding_window is missing */
    FAMILY_VARIED = 1 << 2,      /* the shapes of layers may differ, by DeciLM's lists */
    FAMILY_KV_OPTIONAL = 1 << 3, /* num_key_value_heads may be missing; then there are as many as
                                    heads */
    FAMILY_SCALED = 1 << 4,      /* Granite's four factors */
    FAMILY_FOURTH_UNROTATED = 1 << 5, /* SmolLM3: a list says which layers are without RoPE; without
                                         it every fourth is */
    FAMILY_FUSED = 1 << 6,            /* Phi-3: Q, K, V in one tensor, GATE and UP in one tensor */
    FAMILY_PARTIAL = 1 << 7,          /* partial_rotary_factor counts */
    FAMILY_ROPE_OPTIONAL = 1 << 8,    /* Granite 4: the configuration says whether there is RoPE */
    FAMILY_SHARED_MLP = 1 << 9,  /* Granite 4: the feed-forward part is the "shared expert" of a
                                         mixture without experts */
    FAMILY_TEMPERED = 1 << 10,   /* Ministral 3: queries grow with the position */
    FAMILY_INSIDE = 1 << 11,     /* the model is text_config of another that sees pictures; its
                                   tensors' names begin with "language_model." */
    FAMILY_LAYER_NORM = 1 << 12, /* StarCoder2: layer norms, an ungated feed-forward part with names
                                   of its own, biases wherever use_bias says so */
    FAMILY_EXPERTS = 1 << 13,    /* layers may have experts */
    FAMILY_EXPERTS_ACROSS = 1 << 14, /* gpt-oss: a Hugging Face directory has all experts in one
                                        tensor with inputs as rows, GATE and UP by turns */
    FAMILY_CHOOSES_NORM = 1 << 15,   /* norm_topk_prob, false if missing, says whether experts'
                                      weights are a softmax over the chosen alone */
    FAMILY_GPT_OSS = 1 << 16, /* the activation is clamped; where nothing says otherwise every other
                                layer sees a window, the first among them; YaRN's range is not
                                rounded; experts may be MXFP4, which names outputs as rows */
    FAMILY_WINDOW_ROPE = 1 << 17,  /* GGUF files: layers with a window, which
                                     attention.sliding_window_pattern tells, have RoPE without
                                     scaling, of theta rope.freq_base_swa */
    FAMILY_WINDOW_PLAIN = 1 << 18, /* config.json: where nothing says otherwise three of four layers
                                      have a window, and RoPE without scaling */
    FAMILY_BEHIND = 1 << 19 /* a Hugging Face directory names the norm behind attention as others
                               name that before the feed-forward part */
};

struct source_family {
    const char *name[NAMINGS]; /* NULL: files of this kind use another row's name */
    uint32_t features;         /* SOURCE_FEATURE of what all models of the architecture have */
    uint32_t traits;           /* enum family_trait */
    const char *missing;       /* not NULL: it is refused, and this is why: "experts" */
};

/* NULL, with a sentence that lists all names that are understood, or says what is missing. `file`
 * is the name for that sentence. */
const struct source_family *source_family(enum source_naming naming, const char *name,
                                          const char *file, struct diag *d);

#endif
