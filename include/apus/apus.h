/* Apus: text generation from a packed weight blob, in the caller's memory.
 *
 * The whole public API. Rules that hold for every call:
 *  - No call allocates memory, prints, exits, reads the environment or keeps global state. The
 *    driver of a GPU or an NPU may do so when a call uses it (apus_memory.driver_bytes).
 *  - Status codes: < 0: the call failed, and nothing that the caller can see has changed, unless
 *    its description says what has; 0: it is done; > 0: it succeeded, and the code says more. From
 *    version 0.1.0 on no value of any enumeration here changes its number; before 0.1.0 it may.
 *  - Structs begin with `uint32_t size`, which the caller sets to sizeof the struct, whether the
 *    library reads the struct or fills it. If the struct is shorter than the library's (an older
 *    header), the members that it lacks count as zero, and are not written; zero means the default
 *    unless said otherwise. If it is longer (a newer header), the members that this library does
 *    not know must be zero when it reads them, and it sets them to zero when it fills them. A size
 *    is a multiple of the struct's alignment and at most 4096; any other size, 0 too, is
 *    APUS_E_ARGUMENT. apus_part and apus_stop, which come in arrays, and the views apus_blob and
 *    apus_map have no size and do not change.
 *  - A call that refuses an argument says why: the log of the model's port (or of the blob's, if
 *    the call has no model) gets one sentence with the name of the field, its value and what it may
 *    be. No sentence comes if there is no log: when the model, session or blob itself is NULL or
 *    was never opened, or the size of the struct that names the port is wrong. Asking for a size
 *    (capacity 0 or data NULL) is no fault and logs nothing.
 *  - Only one thread at a time may use a session, except for apus_cancel and apus_cancel_request.
 *    Blobs and models are read-only, and sessions on any threads may share them.
 *  - A callback (apus_logits_fn, the port's functions) must call no function with a session but
 *    apus_cancel and apus_cancel_request, must not close a model, and must return: no longjmp and
 *    no exception may leave it. A call with a session in which a call is in progress gives
 *    APUS_E_ORDER, and apus_close does nothing then.
 *  - On x86-64 and AArch64 a call that computes with floats sets rounding to nearest without
 *    flush-to-zero while it runs, and restores the caller's float environment. On other machines
 *    the caller must keep the default float environment.
 *  - The name of a function begins with its object (apus_blob_, apus_model_, apus_pool_). All
 *    others work on a session, a text or the machine.
 *  - Text is UTF-8 with an explicit byte count; it need not be valid UTF-8 nor end in a zero byte.
 *
 * From text to text:
 *
 *     apus_blob_open(&blob, data, bytes, port);
 *     apus_model_measure(&mc, &need);      then get need.bytes of memory, need.alignment-aligned
 *     apus_model_open(&model, &mc, ...);
 *     apus_measure(&sc, &need);            and again: this memory is the arena
 *     apus_open(&session, &sc, ...);
 *     apus_prompt(session, parts, count, 0);
 *     apus_begin(session, &sampling);
 *     while (apus_next(session, &piece) == APUS_OK) { write piece.text; if (piece.stop) break; }
 *     apus_close(session);  apus_model_close(model);
 */
#ifndef APUS_H
#define APUS_H

#include <stddef.h>
#include <stdint.h>

#include "apus/port.h"

#if defined(_WIN32)
#define APUS_API
#else
#define APUS_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define APUS_VERSION_MAJOR 0
#define APUS_VERSION_MINOR 1
#define APUS_VERSION_PATCH 0

typedef int32_t apus_status;
enum {
    APUS_OK = 0,
    APUS_PARTIAL = 1, /* a deadline, a cancel or the end of its steps (apus_config.steps) stopped
                         the work. What was done is kept; call again to go on */

    APUS_E_ARGUMENT = -1,    /* a parameter is outside its documented range */
    APUS_E_SPACE = -2,       /* the memory given is smaller than measured, or not aligned */
    APUS_E_FORMAT = -3,      /* the bytes are no blob or saved state, or a damaged one. For a blob
                                the log says what was expected and what was found */
    APUS_E_VERSION = -4,     /* the blob or saved state has another format version */
    APUS_E_UNSUPPORTED = -5, /* the request is valid, but this build, engine or model cannot do
                                it */
    APUS_E_UNAVAILABLE = -6, /* this machine does not have the engine or instruction set that was
                                asked for */
    APUS_E_CONTEXT = -7,     /* more positions than the context holds */
    APUS_E_TOKEN = -8,       /* the vocabulary does not have the token id or the name of a special
                                token */
    APUS_E_TEXT = -9,        /* more text than the session was opened for
                                (apus_config.prompt_bytes) */
    APUS_E_MISMATCH = -10,   /* the saved state or draft belongs to another model */
    APUS_E_ORDER = -11,      /* the call came at the wrong time: apus_next before apus_begin,
                                apus_begin before apus_prompt has evaluated everything, any of them
                                from a callback */
    APUS_E_NUMERIC = -12,    /* a value left the range that the numeric contract allows (the weights
                                make no sense) */
    APUS_E_ENGINE = -13,     /* an engine failed and no other could take over */
    APUS_E_CONTRACT = -14    /* this build or machine does not round as the numeric contract
                                requires; the log says which check failed */
};

/* A short English sentence without a period, for any value. Never NULL. */
APUS_API const char *apus_status_text(apus_status status);

/* The version of the library that runs: major << 16 | minor << 8 | patch. */
APUS_API uint32_t apus_version(void);

/* ----------------------------------------------------------------------------------- machine -- */

/* Instruction sets of the CPU engine, the weakest first: plain C, those of x86-64, that of AArch64.
 * A mask is the strongest set that may be used. A machine may lack a set and have a stronger one:
 * some have AVX512 (with VNNI) and not AVXVNNI. */
typedef enum apus_cpu {
    APUS_CPU_BEST = 0,
    APUS_CPU_REF = 1,
    APUS_CPU_AVX2 = 2,
    APUS_CPU_AVXVNNI = 3,
    APUS_CPU_AVX512 = 4,
    APUS_CPU_NEON = 5 /* with dot products (FEAT_DotProd) */
} apus_cpu;

/* Says in words whether each engine can be used here, or what it needs. Calls say(user, engine,
 * available, text) once or more for every engine that this build knows. Engines look at the machine
 * through the port (NULL: a port without services), like models that are opened with the port. */
APUS_API void apus_probe(const apus_port *port,
                         void (*say)(void *user, const char *engine, int available,
                                     const char *text),
                         void *user);

/* The strongest instruction set of this machine; whether the machine has `cpu` (1 for BEST, 0 for a
 * value out of range); and the name of an instruction set ("ref", "avx2", "avxvnni", "avx512",
 * "neon"; NULL for a value out of range). */
APUS_API apus_cpu apus_cpu_best(void);
APUS_API int apus_cpu_has(apus_cpu cpu);
APUS_API const char *apus_cpu_name(apus_cpu cpu);

/* -------------------------------------------------------------------------------------- blob -- */

/* A parsed view of a blob: plain values, copyable, owns nothing. Fields are internal. */
typedef struct apus_blob {
    uint64_t opaque[32];
} apus_blob;

/* The bytes of a blob must not change while it is open, because they are checked only once, in
 * apus_blob_open. If they are a mapped file and somebody writes into it, apus_blob_describe gives
 * wrong values. A model that is open keeps its own copy of the records that say where everything
 * lies, but uses the weights, norms and tables as they are now: logits change, or calls fail with
 * APUS_E_NUMERIC. The tokenizer's tables are read in place, and changed ones can lead to reads
 * anywhere in the process, which may crash it. To replace a file, rename another one over it; do
 * not write into it. */
/* Checks the structure of `size` bytes at `data` (4096-aligned; they must outlive the blob and
 * everything opened from it) and fills *blob. Everything but the weights' bytes is checked here, in
 * time that is linear in the size of that part; every bit pattern of weights is safe. port may be
 * NULL. Its log gets one sentence if this call fails, or if a later call on this blob is refused;
 * so its log and user are kept in *blob and must stay usable as long as *blob is used. Fails with
 * APUS_E_FORMAT, APUS_E_VERSION or APUS_E_ARGUMENT (alignment). */
APUS_API apus_status apus_blob_open(apus_blob *blob, const void *data, size_t size,
                                    const apus_port *port);

/* Recomputes the hash of every section, weights included, and so reads the whole blob. *section
 * gets the name of the first section that differs, or NULL. */
APUS_API apus_status apus_blob_verify(const apus_blob *blob, const char **section);

typedef struct apus_layer_info {
    uint32_t size;
    uint32_t heads;    /* query heads; 0 where the layer has no attention */
    uint32_t kv_heads; /* divides heads */
    uint32_t head_dim;
    uint32_t ffn;     /* hidden width of the feed-forward part; 0 where the layer has none */
    uint32_t experts; /* 0, or the feed-forward part is one of so many, each `ffn` wide, of which */
    uint32_t active;  /* every token uses so many */
    uint32_t window;  /* a position sees so many positions, itself among them; 0: all before it */
} apus_layer_info;

typedef struct apus_tensor_info {
    uint32_t size;
    const char *name; /* "layer.3.ffn_down"; valid while the blob is, not longer than 47 bytes */
    const char *type; /* "w4", "w4t", "w5", "w6", "w8"; "w4s", "w8s": sparse, two of four columns
                         kept; or "row8": the embedding, 8 bits */
    uint32_t rows, cols;
    uint64_t bytes; /* weights, scales and row floats together, padding included */
} apus_tensor_info;

/* What a blob says about itself. Strings belong to the blob's data, are zero-terminated and may be
 * empty. */
typedef struct apus_info {
    uint32_t size;
    const char *name;         /* of the model */
    const char *architecture; /* as the source named it: "LlamaForCausalLM", "llama" ... */
    const char *provenance;   /* what the packer was given and did */
    uint64_t bytes;           /* of the blob */
    uint64_t parameters;      /* weights that were packed, embedding and head included */
    uint64_t weight_bytes;    /* bytes that one pass over the model reads: all GEMV weights with
                                 their scales, without the embedding */
    double bits_per_weight;   /* of the GEMV weights of the layers and the head */
    uint64_t model_hash;
    uint32_t layers, dim, vocab, max_positions;
    uint32_t tensors;
    uint32_t end_tokens;   /* how many ids end a generation, eos included */
    const char *tokenizer; /* "spm" or "bpe" */
    int add_bos;           /* != 0: a prompt begins with bos */
    int32_t bos, eos;      /* -1 where the model has none */
    uint32_t specials;     /* how many tokens apus_blob_special describes */
} apus_info;

/* A special token: one that no merges make. A SPECIAL part of a prompt names it. */
typedef struct apus_special {
    uint32_t size;
    int32_t id;
    const char *text; /* its spelling, not zero-terminated; belongs to the blob's data */
    size_t bytes;     /* 1 .. 255 */
    int control;      /* != 0: it is not text: no text shows it, and no TEXT part becomes it without
                         APUS_TEXT_SPECIALS. 0: it is text, and is found in any TEXT part */
    int ends;         /* != 0: it ends a generation */
} apus_special;

APUS_API apus_status apus_blob_describe(const apus_blob *blob, apus_info *info);
APUS_API apus_status apus_blob_layer(const apus_blob *blob, uint32_t layer, apus_layer_info *info);
APUS_API apus_status apus_blob_tensor(const apus_blob *blob, uint32_t index,
                                      apus_tensor_info *info);
APUS_API apus_status apus_blob_end_token(const apus_blob *blob, uint32_t index, int32_t *id);
/* index: below apus_info.specials. The tokens are sorted by their bytes. */
APUS_API apus_status apus_blob_special(const apus_blob *blob, uint32_t index,
                                       apus_special *special);

/* What a control token marks in a prompt that asks for the text between two texts (fill in the
 * middle). */
typedef enum apus_marker {
    APUS_MARKER_PREFIX = 0, /* the text before the gap */
    APUS_MARKER_SUFFIX,     /* the text behind the gap */
    APUS_MARKER_MIDDLE,     /* the gap, which the model fills from here on */
    APUS_MARKER_END,        /* the end of what the model filled in; also an end token */
    APUS_MARKER_PAD,        /* padding in training */
    APUS_MARKER_REPOSITORY, /* the name of a repository */
    APUS_MARKER_FILE        /* the name of a file, or the border between two */
} apus_marker;
enum { APUS_MARKERS = 7 };

/* How prompts for a model are written, as far as its packer knew: the names of conventions
 * (apps/template in the sources implements them), and the ids of their tokens. */
typedef struct apus_templates {
    uint32_t size;
    const char *chat; /* for a conversation: "chatml", "llama3" ...; "" if it is not known. Both
                         names belong to the blob's data and are zero-terminated, of at most 23
                         bytes */
    const char *fim;  /* for a gap in a file: "qwen", "codellama" ...; "" if it is not known */
    int32_t markers[APUS_MARKERS]; /* ids, by enum apus_marker; -1 if there is none */
} apus_templates;

APUS_API apus_status apus_blob_templates(const apus_blob *blob, apus_templates *templates);

/* ----------------------------------------------------------------------------------- prompts -- */

typedef enum apus_part_kind {
    APUS_PART_TEXT = 0,    /* data: bytes of text; never becomes a control token */
    APUS_PART_SPECIAL = 1, /* data: the exact text of one special token, such as "<|im_start|>" */
    APUS_PART_IDS = 2,     /* data: `count` int32_t ids */
    APUS_PART_BOS = 3      /* no data: the token that the model puts in front of a text, or nothing
                              if it puts none there */
} apus_part_kind;

enum {
    APUS_TEXT_NO_PREFIX = 1u, /* TEXT: without SentencePiece's implicit leading space, as for the
                                 suffix of a fill-in-the-middle prompt */
    APUS_TEXT_SPECIALS = 2u   /* TEXT: control tokens that are spelled out in the text become these
                                 tokens. For trusted text only */
};

/* One part of a prompt. Adjacent TEXT parts with equal flags are joined before tokenizing. */
typedef struct apus_part {
    apus_part_kind kind;
    uint32_t flags;
    const void *data;
    size_t count; /* bytes of TEXT and SPECIAL, ids of IDS */
} apus_part;

/* How many bytes of scratch memory (8-aligned) apus_tokenize needs for prompts of up to text_bytes
 * bytes of TEXT. */
APUS_API size_t apus_tokenize_scratch(const apus_blob *blob, size_t text_bytes);

/* Converts parts to ids. Writes up to capacity ids, and the number of all ids to *count.
 * APUS_E_SPACE if capacity or scratch is too small (if only capacity is, the ids that fit are
 * written and *count is right), APUS_E_TOKEN for an unknown special token or an id out of range. */
APUS_API apus_status apus_tokenize(const apus_blob *blob, const apus_part *parts,
                                   size_t parts_count, int32_t *ids, size_t capacity, size_t *count,
                                   void *scratch, size_t scratch_bytes);

/* Converts ids to bytes: the text that prompt and generation show. Special tokens are spelled out
 * only if specials != 0. Writes up to capacity bytes, without a zero byte at the end, and the
 * number of all bytes to *count; APUS_E_SPACE if that is more than capacity. `first` != 0: the ids
 * begin a text (SentencePiece drops its implicit leading space). */
APUS_API apus_status apus_detokenize(const apus_blob *blob, const int32_t *ids, size_t ids_count,
                                     int first, int specials, char *text, size_t capacity,
                                     size_t *count);

/* Token healing. The prompt of a completion often ends inside a word, and then its last ids are not
 * those that the whole word would have. The text is all of a TEXT part, or of adjacent ones,
 * joined; flags are those of the part. *keep gets how many of its bytes have the same ids however
 * the word continues. Make the prompt of these, and pass the others, *keep .. bytes - 1, as
 * apus_sampling.bind, wherever the generation begins: directly behind them, or behind the markers
 * of a fill-in-the-middle prompt. *keep is `bytes` if a special token ends the text, if the end of
 * the text is normalized before it becomes ids, and if SentencePiece's implicit space, which cannot
 * be bound, would have to be taken back. Of a longer word only the last 256 bytes are considered.
 * scratch: apus_tokenize_scratch(blob, 256) bytes, for any text. */
APUS_API apus_status apus_heal(const apus_blob *blob, const char *text, size_t bytes,
                               uint32_t flags, size_t *keep, void *scratch, size_t scratch_bytes);

/* ------------------------------------------------------------------------------------ memory -- */

typedef struct apus_memory {
    uint32_t size;
    uint32_t alignment;    /* of the arena's first byte */
    uint64_t bytes;        /* of the arena: exactly as many as are needed */
    uint64_t driver_bytes; /* most that drivers will allocate besides; 0 on the CPU */
} apus_memory;

/* ------------------------------------------------------------------------------------- model -- */

typedef struct apus_model apus_model; /* a blob, ready for computing on its engines. It lives in the
                                         caller's memory, and sessions share it */

/* An engine, and which layers of a model it computes. Strings and `pipeline_cache` are read only
 * while the model is measured and opened. */
typedef struct apus_engine_config {
    uint32_t size;       /* the same in all elements of a list; also the distance from one element
                            to the next */
    uint32_t layers;     /* how many layers it computes, behind those of the engine before it in the
                            list; 0, for the last engine only: all that are left. Together the
                            engines of a list compute each layer once */
    const char *name;    /* "cpu", or "igpu" or "npu" if the build has them; NULL means "cpu" */
    const char *device;  /* which device, for an engine that has several: an index, from 0, in the
                            order of apus_probe, or part of a name (igpu); NULL: the best one */
    const char *options; /* words with commas between, or NULL. igpu: "-dot", "-import", "-wave64"
                            and "-matrix" switch off integer dot products, the import of memory,
                            waves of 64 and cooperative matrices. npu: "all": small matrices go to
                            the NPU, too; "provider=xrt": it is used through AMD's runtime, not
                            through the kernel ("provider=kernel") */
    const void *overlay; /* npu: the program of its array, an xclbin container; must not change
                            until the model is closed */
    size_t overlay_bytes;
    const void *pipeline_cache; /* what apus_model_pipeline_cache gave earlier, 8-aligned, so that
                                   opening takes less time; or NULL. Bytes that were changed, or
                                   come from another device or driver, are ignored. It is code for
                                   the device, and the driver trusts it as it trusts a program: keep
                                   it where nobody else can write */
    size_t pipeline_cache_bytes;
} apus_engine_config;
enum { APUS_ENGINES_MAX = 4 };

typedef struct apus_model_config {
    uint32_t size;
    const apus_blob *blob;             /* copied */
    const apus_port *port;             /* copied; may be NULL */
    apus_cpu cpu;                      /* mask: the strongest instruction set that the CPU engine
                                          may use */
    uint32_t engines_count;            /* 0: the CPU alone; up to APUS_ENGINES_MAX */
    const apus_engine_config *engines; /* in the order of the layers that they compute. If one of
                                          them is not the CPU, the CPU engine is opened as well: it
                                          computes the layers with anything that the other engine
                                          cannot compute, and all layers after an engine has
                                          failed */
} apus_model_config;

APUS_API apus_status apus_model_measure(const apus_model_config *config, apus_memory *memory);
/* Runs the rounding self-test of the numeric contract first. APUS_E_UNAVAILABLE for a mask or
 * engine that this machine lacks. */
APUS_API apus_status apus_model_open(apus_model **model, const apus_model_config *config,
                                     void *memory, size_t bytes);
/* Copies what the driver of engines[engine] has compiled, for opening this or any model later.
 * *bytes is 0 if there is nothing (the CPU). data NULL gives the size alone; APUS_E_SPACE if
 * capacity is less. */
APUS_API apus_status apus_model_pipeline_cache(const apus_model *model, uint32_t engine, void *data,
                                               size_t capacity, size_t *bytes);
/* Every session on the model must be closed before. */
APUS_API void apus_model_close(apus_model *model);

/* -------------------------------------------------------------------------------------- pool -- */

typedef struct apus_pool apus_pool; /* threads that sessions share; lives in the caller's memory */

typedef struct apus_pool_config {
    uint32_t size;
    uint32_t threads;      /* including a caller's, 1 .. 64; 0 means 1. No more threads start than
                              the port counts processors */
    const apus_port *port; /* copied; may be NULL, and then each caller's thread computes alone */
} apus_pool_config;

/* A pool is for programs with several sessions, on one model or on several: without a pool each
 * session starts threads of its own, and these compete for the processors. Callers may use their
 * sessions at the same time. The pool's threads serve one pass at a time. A pass that begins
 * meanwhile is computed by its caller's thread alone until the pool's threads are free, so that no
 * session ever waits for another. */
APUS_API apus_status apus_pool_measure(const apus_pool_config *config, apus_memory *memory);
/* APUS_E_SPACE. Does not fail if threads cannot be started: then fewer do the work. */
APUS_API apus_status apus_pool_open(apus_pool **pool, const apus_pool_config *config, void *memory,
                                    size_t bytes);
/* Every session on the pool must be closed before. */
APUS_API void apus_pool_close(apus_pool *pool);

/* ----------------------------------------------------------------------------------- session -- */

typedef struct apus_session apus_session;

/* How many nanoseconds the passes of a session take on this machine; 0: not known. */
typedef struct apus_costs {
    uint32_t size;
    uint64_t draft_ns;      /* a step of the draft */
    uint64_t verify_ns[16]; /* [n - 1]: a pass of the model over n columns */
} apus_costs;

typedef struct apus_config {
    uint32_t size;
    const apus_model *model;
    uint32_t context;      /* positions, 1 .. the model's max_positions; 0: the smaller of
                              max_positions and 4096 */
    uint32_t threads;      /* most threads that compute, including the caller's, 1 .. 64; 0: 1, or
                              all of `pool`. No more threads start than the port counts processors.
                              If the port has a clock, fewer compute when more would not be faster,
                              as on a busy machine */
    uint32_t chunk;        /* most columns of one pass, 1 .. 512; 0: 128. More columns make long
                              prompts faster and take more of the arena. A round has at most chunk -
                              1 proposals */
    uint32_t prompt_bytes; /* most bytes of TEXT in one apus_prompt or apus_append, up to 2^29 (2^24
                              where size_t has 32 bits); 0: 16 * context + 4096 */

    /* Speculation: something cheaper proposes ids, and the model verifies several of them in one
     * pass. It never changes the ids, only how fast they come. */
    const apus_model *draft; /* a smaller model with the same tokenizer (its vocabulary may have
                                fewer or more rows), on any engine, or NULL. It may be shared like
                                `model`, and must stay open as long */
    uint32_t draft_context;  /* positions that the draft holds, at least 64; 0: as many as `context`
                                and the draft's max_positions allow. Of a longer context the draft
                                sees the last part */
    uint32_t proposals;      /* 1 .. 15: always that many in a round; 0: as many as are worth it, by
                                measurements while running (with no clock in the port: 4) */
    int lookup;              /* != 0: also propose the ids that followed the same ids earlier in the
                                context */
    int overlap;             /* whether the draft goes on proposing while the model verifies. This
                                needs two different engines, and one for the model that computes
                                without the caller's thread. > 0: always; < 0: never; 0: when it is
                                worth it, by measurements while running (with no clock in the port:
                                always) */
    const apus_costs *costs; /* if `proposals` is 0: the costs that an earlier session with the same
                                models, threads and engines measured (apus_get_costs); read during
                                apus_open. NULL: a model that reads up to 16 MiB in a pass is timed
                                in apus_open (for about 4 ms), others while they run. In both cases
                                the session then goes on measuring */
    apus_pool *pool;         /* the pool whose threads compute. Other sessions may share it, and it
                                must stay open as long as this one; NULL: the session starts threads
                                of its own */
    const uint8_t *state_key; /* 32 bytes, copied. apus_save signs states with it (BLAKE2s), and
                                 apus_restore accepts no others. NULL: states are protected only
                                 from damage */
    uint32_t steps; /* bounds the work of one call of apus_prompt, apus_append, apus_eval or
                       apus_next, for programs that share a processor without threads: so many
                       steps, each at most half a layer of a pass of the model or of the draft; 0:
                       any number. A call that uses its steps up gives APUS_PARTIAL, and the same
                       call again goes on, to the same ids. The longest piece of a step is a product
                       for `chunk` columns; on a GPU a step is a submission. Besides, a call reads
                       the text of its parts, or chooses ids from at most 16 rows of logits. With
                       steps a draft does not go on beside the model (overlap) */

    /* The cache of keys and values (K and V) of the model; a draft's has 8 bits. Fewer bits take
     * less of the arena, make long contexts faster, and change the logits: those of K the most. */
    uint32_t kv_bits; /* bits of a value: 8 or 4; 0: 8 */
    uint32_t v_bits;  /* those of V alone, where they differ: 8 or 4; 0: kv_bits */
} apus_config;

/* Counts the memory by the same code as apus_open places it: apus_open does not fail for lack of
 * space in as many bytes as this says. APUS_E_MISMATCH, with the reason in the log of the model's
 * port, for a draft whose token texts differ from the model's. */
APUS_API apus_status apus_measure(const apus_config *config, apus_memory *memory);
APUS_API apus_status apus_open(apus_session **session, const apus_config *config, void *arena,
                               size_t bytes);
/* Do not call this from a callback: while a call is in progress it does nothing, and the session
 * stays open. */
APUS_API void apus_close(apus_session *session);

/* The costs that the session has measured so far. Call it between other calls, while the session is
 * open. A program with several sessions on one model, draft and pool passes what one of them has
 * measured to the next one that it opens (apus_config.costs), which then begins with the right
 * number of proposals. */
APUS_API apus_status apus_get_costs(const apus_session *session, apus_costs *costs);

/* Makes the parts the whole context: keeps the longest prefix that they share with the present
 * context, and evaluates the rest in passes of up to `chunk` columns. deadline_ns: on the port's
 * clock, 0 for none. The parts must give at least one position (APUS_E_ARGUMENT).
 *
 * Returns APUS_PARTIAL if the deadline passed or a cancel came: the same call again goes on from
 * there. A pass stops between two operations: on the CPU and on an NPU within half a layer, on a
 * GPU between two submissions, which take a tenth of a second or one layer. Nothing that the pass
 * computed is lost: the next apus_prompt, apus_append or apus_eval goes on in the middle of the
 * pass, with those of its first ids that are still the same. So a prompt is evaluated even if its
 * end changes with every key and every key stops the call before. Every call makes progress, even
 * one whose deadline has already passed, and one that is cancelled while it runs; only a call that
 * was cancelled before it began does nothing. Positions count (apus_get_stats) when their pass is
 * complete.
 *
 * After APUS_PARTIAL the context (apus_ids) has all ids, but some are not evaluated yet. Then
 * apus_begin gives APUS_E_ORDER until apus_prompt or apus_append has evaluated all of them, or
 * apus_rewind has removed those that are not; apus_eval evaluates them first, without a deadline;
 * apus_save saves the positions that are complete; apus_restore replaces everything.
 *
 * On failure the context is as before, but after APUS_E_NUMERIC and APUS_E_ENGINE it has only the
 * positions that were evaluated without fault. */
APUS_API apus_status apus_prompt(apus_session *session, const apus_part *parts, size_t count,
                                 uint64_t deadline_ns);
/* Adds the parts behind everything in the context (prompt and generated ids). Otherwise it is like
 * apus_prompt. After APUS_PARTIAL call it with count 0 to go on. */
APUS_API apus_status apus_append(apus_session *session, const apus_part *parts, size_t count,
                                 uint64_t deadline_ns);

/* Stops the call in progress that evaluates or generates, or the next such call if there is none in
 * progress. May be called from any thread, a signal handler or a callback. A cancel that comes too
 * late stops the next call instead: if calls belong to requests of which a new one replaces the
 * last, use tickets. */
APUS_API void apus_cancel(apus_session *session);

/* Begins a request, which is all calls from here to the next apus_request. Returns its ticket, and
 * revokes every cancel before. Call it from the thread that uses the session. Returns 0, which is
 * no ticket, if the session is NULL, and from a callback. Tickets repeat after 2^30 - 1
 * requests. */
APUS_API uint32_t apus_request(apus_session *session);
/* Cancels the request with this ticket: its call in progress stops, and each later call of the
 * request returns at once, with APUS_PARTIAL or APUS_STOP_CANCELLED. Does nothing if the session
 * has begun another request meanwhile. May be called from any thread, a signal handler or a
 * callback, while the session is open. It never waits. */
APUS_API void apus_cancel_request(apus_session *session, uint32_t ticket);

/* Called before an id is chosen, with the raw logits of the real vocabulary, which it may change
 * (-inf: the id is never chosen; a NaN or a value above 2^50 fails the round with APUS_E_NUMERIC).
 * ids: the accepted ids of this generation so far. It must be a pure function of its arguments, or
 * speculation changes the output. The rules at the top say what it may call. */
typedef void (*apus_logits_fn)(void *user, float *logits, uint32_t vocab, const int32_t *ids,
                               size_t count);

typedef struct apus_stop {
    const char *text; /* 1 .. 63 bytes, copied */
    size_t bytes;
} apus_stop;
enum { APUS_STOPS_MAX = 8, APUS_ALTERNATIVES_MAX = 20, APUS_BIND_MAX = 4096 };

typedef struct apus_sampling {
    uint32_t size;
    float temperature;    /* 0: greedy (of equal logits the lower id wins); else 0.01 .. 100 */
    uint32_t top_k;       /* 0: off */
    float top_p;          /* 0 or 1: off; else the probability mass to keep, in (0, 1) */
    float min_p;          /* 0: off; else the least probability relative to the likeliest id's, in
                             (0, 1] */
    float repeat_penalty; /* 0 or 1: off; else 0.1 .. 10, which divides positive logits of recent
                             ids and multiplies negative ones */
    uint32_t repeat_last; /* how many ids count as recent, those of the prompt included; 0: 64; at
                             most 1024 */
    uint64_t seed;
    uint32_t max_tokens; /* 0: as many as the context holds */
    int ignore_end;      /* != 0: end tokens do not end the generation */
    int want_hash;       /* != 0: apus_get_stats gives a hash over the logits from which each id was
                            chosen */
    const apus_stop *stops;
    uint32_t stops_count;  /* at most APUS_STOPS_MAX */
    apus_logits_fn logits; /* may be NULL */
    void *logits_user;
    uint64_t deadline_ns;  /* 0: none. At the deadline the draft stops, which may still have the
                              prompt to read, and it goes on with the next generation, as
                              apus_prompt does. A verifying pass that has begun is finished, unless
                              the steps of a call ended in it */
    uint32_t alternatives; /* 0 .. APUS_ALTERNATIVES_MAX: how many of the likeliest ids apus_next
                              gives beside each id; 0 costs nothing */
    uint32_t bind_bytes;   /* 0 .. APUS_BIND_MAX */
    const char *bind;      /* [bind_bytes], copied: what the ids must spell first. It is for a
                              cursor inside a word whose beginning was taken back from the prompt
                              (apus_heal). Until all of it is spelled, an id may come if its bytes
                              begin with what is left to spell. If no id stands for exactly what is
                              left, an id of fewer bytes may come, too, if the tokenizer begins what
                              is left with it, whatever follows. The choice among these ids follows
                              the same rules, and no control token is among them. The text of the
                              generation begins behind it, and so do stop texts and offsets;
                              max_tokens also counts its ids. APUS_E_TOKEN if the vocabulary has no
                              piece for one of its bytes */
} apus_sampling;

/* Begins a generation behind the current context. APUS_E_ORDER if the context is empty or, after
 * APUS_PARTIAL, not evaluated. The rules apply in this order: repetition penalty, logits callback,
 * bind, top-k, top-p, min-p, temperature. The same seed and context give the same ids. */
APUS_API apus_status apus_begin(apus_session *session, const apus_sampling *sampling);

typedef enum apus_stop_reason {
    APUS_RUNNING = 0,
    APUS_STOP_EOS,    /* an end token, which is the last of `ids`; its text is not shown */
    APUS_STOP_LENGTH, /* max_tokens ids have come */
    APUS_STOP_TEXT,   /* a stop text came; the text that is shown ends before it */
    APUS_STOP_CANCELLED,
    APUS_STOP_DEADLINE,
    APUS_STOP_CONTEXT /* the context is full */
} apus_stop_reason;
/* "eos", "length", "stop", "cancelled", "deadline", "context"; "" while running. */
APUS_API const char *apus_stop_reason_text(apus_stop_reason reason);

/* What one round gave. Everything in it belongs to the session and is valid until the next call
 * with the session. */
typedef struct apus_piece {
    uint32_t size;
    const char *text; /* whole UTF-8 characters. Bytes that belong to no character come as they are,
                         and those of an unfinished character when the generation ends */
    size_t bytes;     /* may be 0: a character or a stop text may be incomplete */
    const int32_t *ids;
    const float *log_probs; /* the natural logarithm of each id's probability by the raw logits at
                               temperature 1 */
    size_t count;           /* of ids, 0 .. 16; 0 only if the round stopped before any id */
    apus_stop_reason stop;
    const uint64_t *offsets; /* [count] where the bytes of each id begin in the text of this
                                generation, which is the text of all its pieces together. They end
                                where those of the next id begin. All bytes of an id count, shown or
                                not: its text may come with a later piece, and bytes behind the end
                                of the whole text were not shown, because a stop text ended the text
                                before them */
    size_t alternatives;     /* as many as apus_sampling.alternatives says, or all ids of a smaller
                                vocabulary */
    const int32_t *alternative_ids;     /* [count][alternatives] the likeliest ids in the place of
                                           each id by the raw logits: the likeliest first, of equal
                                           ones the lower id first. The rules, the seed and the
                                           callback do not change them, so the id that was chosen
                                           need not be among them */
    const float *alternative_log_probs; /* [count][alternatives] their logarithms, as in
                                           log_probs */
} apus_piece;

/* Runs one round. Returns APUS_OK also for the round in which the generation stops; after that
 * APUS_E_ORDER, until apus_begin. Returns APUS_PARTIAL, and *piece is unchanged, where the call has
 * used its steps up (apus_config.steps): the next call goes on with the round. On failure
 * (APUS_E_NUMERIC, APUS_E_ENGINE) the generation is over, too, *piece is unchanged, and the context
 * keeps the ids that were given before, as far as they could be evaluated. */
APUS_API apus_status apus_next(apus_session *session, apus_piece *piece);

/* Adds ids to the current context, evaluates them, and writes logits [count][vocab] (vocab of
 * apus_info); -infinity for ids that the head of a model made to propose has no row for. logits may
 * be NULL. APUS_PARTIAL as in apus_prompt: then *done (done may be NULL) says how many ids are
 * evaluated and in the context, and a call with the others goes on. */
APUS_API apus_status apus_eval(apus_session *session, const int32_t *ids, size_t count,
                               float *logits, size_t *done);

/* Forgets all ids from `position` on (0 .. the count of apus_ids). Where a model's layers see a
 * window, rows for that window and about apus_config.chunk positions are kept. If `position` lies
 * further back than these reach, the ids before it stay, but apus_stats.positions is 0, apus_save
 * saves no positions, and the next call that evaluates (apus_next, too) begins with the first id.
 * apus_prompt goes back in the same way. */
APUS_API apus_status apus_rewind(apus_session *session, size_t position);

typedef struct apus_stats {
    uint32_t size;
    uint64_t positions;     /* positions that are evaluated; the context (apus_ids) may hold one id
                               more, the one that was chosen last, and after APUS_PARTIAL all that
                               are not evaluated yet */
    uint64_t reused;        /* positions that the last apus_prompt found in place */
    uint64_t prompt_tokens; /* positions that the last apus_prompt and the apus_append calls after
                               it evaluated */
    uint64_t prompt_ns;     /* and the time that this took */
    uint64_t new_tokens;    /* ids of this generation */
    uint64_t next_ns;       /* time inside apus_next of this generation */
    uint64_t passes;        /* model passes of this generation */
    uint64_t logits_hash;   /* over the raw float32 logits of the real vocabulary from which each id
                               of this generation was chosen, in order */
    uint64_t weight_bytes;  /* that one pass reads */
    uint64_t arena_bytes;
    const char *engine; /* the first engine that computed the last pass: "cpu", "igpu", "npu"; also
                           "cpu" after the CPU has taken over from an engine that failed */
    const char *cpu;    /* the instruction set that it uses; for other engines the device's name */
    uint32_t threads;   /* as configured; if the port lends no threads, or one could not be started,
                           fewer do the work */
    uint32_t context;   /* positions it holds */

    /* Speculation in this generation. */
    uint64_t rounds;   /* calls of apus_next that gave ids */
    uint64_t proposed; /* ids that were proposed one after another, and how many of them were
                          accepted */
    uint64_t accepted;
    uint64_t branches; /* ids that were proposed as alternatives to one of those, and how many of
                          them were accepted: at most one in a round */
    uint64_t branches_taken;
    uint64_t proposed_at[15]; /* `proposed` and `accepted` by the place in the round */
    uint64_t accepted_at[15];
    uint64_t off_rounds;      /* rounds without a proposal: none was worth its cost, or there was
                                 none */
    uint64_t draft_ns;        /* parts of next_ns: time in draft steps, including what the draft
                                 reads again after pauses and when its window slides; */
    uint64_t draft_prompt_ns; /* time in which the draft read what was there before its first
                                 step; */
    uint64_t verify_ns;       /* time in verifying passes; */
    uint64_t overlap_ns;      /* of that, time in which the draft went on meanwhile */
    uint64_t ahead;           /* ids that the draft proposed meanwhile, */
    uint64_t ahead_kept;      /* and proposals that were there already when their round began */
    uint32_t engines_count;   /* how many engines computed the last pass, one after the other; at
                                 most four are listed: */
    uint32_t engines_from[APUS_ENGINES_MAX]; /* the first layer of each, */
    const char *engines[APUS_ENGINES_MAX];   /* and its name; NULL behind the last */
    uint64_t read_bytes; /* weights that the passes of this generation read: of a layer's experts
                            those that the columns of a pass chose, each once; weight_bytes has what
                            one column is expected to choose */
} apus_stats;
APUS_API apus_status apus_get_stats(const apus_session *session, apus_stats *stats);

/* The context (ids and KV rows, not a running generation) as bytes, which only a session of the
 * same model and a library of the same format version takes. They have the evaluated positions
 * (apus_stats.positions), so the id that was chosen last is not among them; the caller appends it
 * if it is wanted. apus_save with data NULL gives the size alone; APUS_E_SPACE if capacity is less.
 * apus_restore checks everything before it changes anything: APUS_E_FORMAT, with a sentence in the
 * log, for a state that is damaged or made with another key, or with a key for a session without
 * one, or the other way round; APUS_E_VERSION; APUS_E_MISMATCH for another model, and for a cache
 * of other bits (apus_config.kv_bits); APUS_E_CONTEXT for more positions than this session holds.
 * data may have any alignment. Without a key anybody can make a state whose rows of the cache do
 * not belong to its ids, so that a text continues words that apus_ids does not show. Take states
 * only from places where nobody else writes, or give sessions a state_key. A key does not hide what
 * is in a state, nor does it distinguish an old state from a new one.
 */
APUS_API apus_status apus_save(const apus_session *session, void *data, size_t capacity,
                               size_t *bytes);
APUS_API apus_status apus_restore(apus_session *session, const void *data, size_t bytes);

/* The ids in the context; *ids is valid until the next call that changes it. */
APUS_API apus_status apus_ids(const apus_session *session, const int32_t **ids, size_t *count);

#ifdef __cplusplus
}
#endif
#endif
