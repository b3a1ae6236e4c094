/* Apus: text generation from a packed weight blob, in the caller's memory.
 *
 * The whole public API. Rules that hold for every call:
 *  - No call allocates memory, prints, exits, reads the environment or keeps global state. What the
 *    driver of a GPU or an NPU does beneath it is not ours (apus_memory.driver_bytes).
 *  - Status codes: < 0 failed and nothing the caller can see has changed, unless the call says what
 *    has; 0 done; > 0 done and says more. From version 0.1.0 on no value of any enumeration here is
 *    renumbered; before it, they may be.
 *  - Structs begin with `uint32_t size`, which the caller sets to sizeof the struct, whether the
 *    library reads or fills it. Of a shorter one (an older header's) members past its size read as
 *    zero, and zero means the default unless said otherwise; they are not written. Of a longer one
 *    (a newer header's) what this library does not know must be zero where it reads, and becomes
 *    zero where it fills. Sizes go by the struct's alignment up to 4096; others, 0 among them, are
 *    APUS_E_ARGUMENT. apus_part and apus_stop, which come in arrays, and the views apus_blob and
 *    apus_map have no size and do not change.
 *  - What is refused is said: the log of the model's port (of the blob's, where a call has no
 *    model) gets one sentence with the field, what it holds and what it may hold. Not where no log
 *    can be found: the model, session or blob itself is NULL or was never opened, or the size of
 *    the struct that names the port is wrong. Asking for a size (capacity 0 or data NULL) is no
 *    fault and says nothing.
 *  - A session is used by one thread at a time, except apus_cancel and apus_cancel_request. Blobs
 *    and models are read-only and may be shared by sessions on any threads.
 *  - A callback (apus_logits_fn, the port's functions) calls nothing of a session but those two,
 *    closes no model, and returns: no longjmp and no exception leaves it. A call into a session in
 *    which a call is in progress is APUS_E_ORDER, and apus_close does nothing then.
 *  - A call that computes with floats sets round-to-nearest without flush-to-zero for its duration
 *    and restores the caller's float environment, on x86-64 and AArch64. Elsewhere the caller keeps
 *    the default one.
 *  - A function names its object (apus_blob_, apus_model_, apus_pool_), or works on a session, a
 *    text or the machine.
 *  - Text is UTF-8 with an explicit byte count; it need not be valid UTF-8 nor end in a zero byte.
 *
 * From text to text:
 *
 *     apus_blob_open(&blob, data, bytes, port);
 *     apus_model_measure(&mc, &need);      then need.bytes of memory, need.alignment-aligned
 *     apus_model_open(&model, &mc, ...);
 *     apus_measure(&sc, &need);            likewise: the arena
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
    APUS_PARTIAL = 1, /* a deadline or cancel stopped the work; what was done is kept: call again */

    APUS_E_ARGUMENT = -1,    /* a parameter is outside its documented range */
    APUS_E_SPACE = -2,       /* the memory given is smaller than measured, or not aligned */
    APUS_E_FORMAT = -3,      /* not a blob or saved state, or a damaged one: for a blob the log says
                                what was expected and found */
    APUS_E_VERSION = -4,     /* a blob or saved state of another format version */
    APUS_E_UNSUPPORTED = -5, /* understood, but not possible with this build, engine or model */
    APUS_E_UNAVAILABLE = -6, /* the engine or instruction set asked for is not on this machine */
    APUS_E_CONTEXT = -7,     /* more positions than the context holds */
    APUS_E_TOKEN = -8,       /* a token id, or the name of a special token, that the vocabulary does
                                not have */
    APUS_E_TEXT = -9,        /* more text than the session was opened for (config.prompt_bytes) */
    APUS_E_MISMATCH = -10,   /* a saved state or draft that belongs to another model */
    APUS_E_ORDER = -11,      /* a call at the wrong time: apus_next before apus_begin, apus_begin
                                before apus_prompt has done all, any of them from a callback */
    APUS_E_NUMERIC = -12,    /* a value left the range the numeric contract allows (weights that
                                make no sense) */
    APUS_E_ENGINE = -13,     /* an engine failed and no other could take over */
    APUS_E_CONTRACT = -14    /* this build or machine does not round as the numeric contract needs;
                                the log says which check failed */
};

/* A short English sentence without a period, never NULL, for any value. */
APUS_API const char *apus_status_text(apus_status status);

/* major << 16 | minor << 8 | patch of the library that runs. */
APUS_API uint32_t apus_version(void);

/* ----------------------------------------------------------------------------------- machine -- */

/* Instruction sets of the CPU engine, weakest first. A mask names the strongest one allowed. A
 * machine may lack one and have a stronger one: AVX512 (with VNNI) does without AVXVNNI. */
typedef enum apus_cpu {
    APUS_CPU_BEST = 0,
    APUS_CPU_REF = 1,
    APUS_CPU_AVX2 = 2,
    APUS_CPU_AVXVNNI = 3,
    APUS_CPU_AVX512 = 4
} apus_cpu;

/* What an engine would need here, in words. Calls say(user, engine, available, text) once or more
 * for every engine this build knows. Engines look at the machine through the port (NULL: one
 * without services), as models that are opened with it do. */
APUS_API void apus_probe(const apus_port *port,
                         void (*say)(void *user, const char *engine, int available,
                                     const char *text),
                         void *user);

/* The strongest instruction set of this machine; whether it has `cpu` (1 for BEST, 0 if out of
 * range); and the name of any ("ref", "avx2", "avxvnni", "avx512"; NULL if out of range). */
APUS_API apus_cpu apus_cpu_best(void);
APUS_API int apus_cpu_has(apus_cpu cpu);
APUS_API const char *apus_cpu_name(apus_cpu cpu);

/* -------------------------------------------------------------------------------------- blob -- */

/* A parsed view of a blob: plain values, copyable, owns nothing. Fields are internal. */
typedef struct apus_blob {
    uint64_t opaque[32];
} apus_blob;

/* The bytes must stay as they are: what is checked is checked once, here. If they are a file's and
 * somebody writes into it, then apus_blob_describe gives wrong values, an opened model goes on by
 * its own copy of the records that say where everything lies, with weights, norms and tables as
 * they become: other logits, a NUMERIC failure. The tokenizer's tables are read in place, and
 * changed ones can lead to reads anywhere in the process, and so to its end. Replace a file by
 * renaming another one over it; do not write into it. */
/* Checks the structure of `size` bytes at `data` (4096-aligned; must outlive the blob and
 * everything opened from it) and fills *blob. Everything but the weight bytes is checked here, in
 * time linear in that part; weight bytes are safe in every bit pattern. port may be NULL; its log
 * gets one sentence on failure, and why later calls on this blob are refused: log and user are kept
 * in *blob and must stay usable as long as it is. APUS_E_FORMAT, APUS_E_VERSION, APUS_E_ARGUMENT
 * (alignment). */
APUS_API apus_status apus_blob_open(apus_blob *blob, const void *data, size_t size,
                                    const apus_port *port);

/* Recomputes the hash of every section, weights included (reads the whole blob). section gets the
 * failing section's name, or NULL. */
APUS_API apus_status apus_blob_verify(const apus_blob *blob, const char **section);

typedef struct apus_layer_info {
    uint32_t size;
    uint32_t heads;    /* query heads; 0 where the layer has no attention */
    uint32_t kv_heads; /* divides heads */
    uint32_t head_dim;
    uint32_t ffn; /* hidden width of the feed-forward part; 0 where the layer has none */
} apus_layer_info;

typedef struct apus_tensor_info {
    uint32_t size;
    const char *name; /* "layer.3.ffn_down"; valid while the blob is, not longer than 47 bytes */
    const char *type; /* "w4", "w8", or "row8": the embedding, 8 bits */
    uint32_t rows, cols;
    uint64_t bytes; /* weights, scales and row floats together, padding included */
} apus_tensor_info;

/* What a blob says of itself. Strings belong to the blob's data, are zero-terminated and may be
 * empty. */
typedef struct apus_info {
    uint32_t size;
    const char *name;         /* of the model */
    const char *architecture; /* as the source named it: "LlamaForCausalLM", "llama" ... */
    const char *provenance;   /* what the packer was given and did */
    uint64_t bytes;           /* of the blob */
    uint64_t parameters;      /* weights that were packed, embedding and head included */
    uint64_t weight_bytes;    /* bytes one pass over the model reads: all GEMV weights with their
                                 scales, embedding not included */
    double bits_per_weight;   /* of the GEMV weights of the layers and the head */
    uint64_t model_hash;
    uint32_t layers, dim, vocab, max_positions;
    uint32_t tensors;
    uint32_t end_tokens;   /* count of ids that end a generation, eos included */
    const char *tokenizer; /* "spm" or "bpe" */
    int add_bos;           /* a prompt begins with bos */
    int32_t bos, eos;      /* -1 where the model has none */
    uint32_t specials;     /* count of tokens that apus_blob_special tells */
} apus_info;

/* A token that stands outside of the merges: the name of a SPECIAL part. */
typedef struct apus_special {
    uint32_t size;
    int32_t id;
    const char *text; /* as it is spelled, not zero-terminated; belongs to the blob's data */
    size_t bytes;     /* 1 .. 255 */
    int control;      /* != 0: it is no text: shown by nothing, and never made of a TEXT part
                         without APUS_TEXT_SPECIALS. 0: text, found in any TEXT part */
    int ends;         /* != 0: it ends a generation */
} apus_special;

APUS_API apus_status apus_blob_describe(const apus_blob *blob, apus_info *info);
APUS_API apus_status apus_blob_layer(const apus_blob *blob, uint32_t layer, apus_layer_info *info);
APUS_API apus_status apus_blob_tensor(const apus_blob *blob, uint32_t index,
                                      apus_tensor_info *info);
APUS_API apus_status apus_blob_end_token(const apus_blob *blob, uint32_t index, int32_t *id);
/* index: below apus_info.specials; in the order of the tokens' bytes. */
APUS_API apus_status apus_blob_special(const apus_blob *blob, uint32_t index,
                                       apus_special *special);

/* What a control token marks in a prompt that asks for what belongs between two texts. */
typedef enum apus_marker {
    APUS_MARKER_PREFIX = 0, /* the text before the gap */
    APUS_MARKER_SUFFIX,     /* the text behind it */
    APUS_MARKER_MIDDLE,     /* the gap, which the model fills from here on */
    APUS_MARKER_END,        /* the end of what it filled in; also an end token */
    APUS_MARKER_PAD,        /* padding in training */
    APUS_MARKER_REPOSITORY, /* the name of a repository */
    APUS_MARKER_FILE        /* the name of a file, or the border between two */
} apus_marker;
enum { APUS_MARKERS = 7 };

/* How prompts for a model are written, as far as its packer knew: names of conventions, which
 * apps/template of the sources knows, and the ids of their tokens. */
typedef struct apus_templates {
    uint32_t size;
    const char *chat; /* "chatml", "llama3" ...; "" where it is not known. Both belong to the blob's
                         data and are zero-terminated, at most 23 bytes */
    const char *fim;  /* for a gap in a file: "qwen", "codellama" ...; likewise */
    int32_t markers[APUS_MARKERS]; /* ids by enum apus_marker; -1 where there is none */
} apus_templates;

APUS_API apus_status apus_blob_templates(const apus_blob *blob, apus_templates *templates);

/* ----------------------------------------------------------------------------------- prompts -- */

typedef enum apus_part_kind {
    APUS_PART_TEXT = 0,    /* data: bytes of text; never becomes a control token */
    APUS_PART_SPECIAL = 1, /* data: the exact text of one special token, such as "<|im_start|>" */
    APUS_PART_IDS = 2,     /* data: `count` int32_t ids */
    APUS_PART_BOS = 3      /* data: none; the token the model puts in front, or nothing where it
                              puts none */
} apus_part_kind;

enum {
    APUS_TEXT_NO_PREFIX = 1u, /* TEXT: no implicit leading space (SentencePiece); the suffix of a
                                 fill-in-the-middle prompt */
    APUS_TEXT_SPECIALS = 2u   /* TEXT: control tokens spelled out in the text are taken as such. For
                                 trusted text only */
};

/* One part of a prompt. Adjacent TEXT parts with equal flags are joined before tokenizing. */
typedef struct apus_part {
    apus_part_kind kind;
    uint32_t flags;
    const void *data;
    size_t count; /* bytes of TEXT and SPECIAL, ids of IDS */
} apus_part;

/* Bytes of scratch that tokenizing prompts of up to text_bytes bytes of TEXT takes (8-aligned). */
APUS_API size_t apus_tokenize_scratch(const apus_blob *blob, size_t text_bytes);

/* Parts to ids. Writes up to capacity ids and the number needed to *count. APUS_E_SPACE where
 * capacity or scratch is too small (the ids that fit are written and *count is right if only
 * capacity was short), APUS_E_TOKEN for an unknown special or an id out of range. */
APUS_API apus_status apus_tokenize(const apus_blob *blob, const apus_part *parts,
                                   size_t parts_count, int32_t *ids, size_t capacity, size_t *count,
                                   void *scratch, size_t scratch_bytes);

/* Ids to bytes: the text that prompt and generation show, special tokens spelled out only with
 * specials != 0. Writes up to capacity bytes (no terminator) and the number needed to *count;
 * APUS_E_SPACE if it is more than capacity. `first` != 0: the ids begin a text (SentencePiece drops
 * its implicit leading space). */
APUS_API apus_status apus_detokenize(const apus_blob *blob, const int32_t *ids, size_t ids_count,
                                     int first, int specials, char *text, size_t capacity,
                                     size_t *count);

/* Token healing. The prompt of a completion mostly ends inside a word, and its last ids are not
 * those that the whole word would have. *keep: how many bytes of the text, which is all of a TEXT
 * part (or of adjacent ones, joined), have the same ids however the word goes on. The prompt is
 * made of those, and the others, *keep .. bytes - 1, are handed to apus_sampling.bind, wherever
 * the generation begins: directly behind them, or behind the markers of a fill-in-the-middle
 * prompt. flags: of the part. *keep is `bytes` where a special token ends the text, where its end
 * is normalized before it becomes ids, and where SentencePiece's implicit space, which nobody can
 * bind, would have to be taken back. Of words of more than 256 bytes that many are looked at.
 * scratch: apus_tokenize_scratch(blob, 256), whatever the text. */
APUS_API apus_status apus_heal(const apus_blob *blob, const char *text, size_t bytes,
                               uint32_t flags, size_t *keep, void *scratch, size_t scratch_bytes);

/* ------------------------------------------------------------------------------------ memory -- */

typedef struct apus_memory {
    uint32_t size;
    uint32_t alignment;    /* of the arena's first byte */
    uint64_t bytes;        /* of the arena, exactly enough */
    uint64_t driver_bytes; /* what drivers will take besides; 0 on the CPU */
} apus_memory;

/* ------------------------------------------------------------------------------------- model -- */

typedef struct apus_model apus_model; /* a blob made ready on an engine; lives in the caller's
                                         memory; shared by sessions */

/* An engine, and which layers of a model it computes. Strings and `pipeline_cache` are read while
 * opening and measuring. */
typedef struct apus_engine_config {
    uint32_t size;       /* the same in all of a list: also the distance from one to the next */
    uint32_t layers;     /* that it computes, behind those of the engine before it in the list; 0
                            for the last one: all that are left. The list computes each layer
                            once */
    const char *name;    /* "cpu", or "igpu" or "npu" where the build has it; NULL means "cpu" */
    const char *device;  /* of an engine with several, as apus_probe lists them: an index from 0,
                            or part of a name (igpu); NULL: the best */
    const char *options; /* words with commas between, or NULL. igpu: "-dot", "-import", "-wave64",
                            "-matrix" switch off integer dot products, the import of memory, waves
                            of 64, cooperative matrices. npu: "all": small matrices too;
                            "provider=xrt": through AMD's runtime, not "provider=kernel" */
    const void *overlay; /* npu: the program of its array, an xclbin container; stays as it is
                            until the model is closed */
    size_t overlay_bytes;
    const void *pipeline_cache; /* what apus_model_pipeline_cache gave before, 8-aligned, or NULL:
                                   opening takes less time. What is changed, or comes from another
                                   device or driver, is ignored. It is code for the device, and the
                                   driver believes it: as trusted as a program, to be kept where
                                   nobody else writes */
    size_t pipeline_cache_bytes;
} apus_engine_config;
enum { APUS_ENGINES_MAX = 4 };

typedef struct apus_model_config {
    uint32_t size;
    const apus_blob *blob;             /* copied */
    const apus_port *port;             /* copied; may be NULL */
    apus_cpu cpu;                      /* mask of the CPU engine's instruction set */
    uint32_t engines_count;            /* 0: the CPU alone; up to APUS_ENGINES_MAX */
    const apus_engine_config *engines; /* in the order of the layers that they compute. Beside any
                                          that is not the CPU the CPU is opened too. It computes
                                          the layers with something that the engine does not take,
                                          and all of them when one has failed */
} apus_model_config;

APUS_API apus_status apus_model_measure(const apus_model_config *config, apus_memory *memory);
/* Runs the rounding self-test of the numeric contract first. APUS_E_UNAVAILABLE for a mask or
 * engine this machine lacks. */
APUS_API apus_status apus_model_open(apus_model **model, const apus_model_config *config,
                                     void *memory, size_t bytes);
/* What the driver of engines[engine] has compiled, for later openings of this or any model; *bytes
 * is 0 where nothing is (the CPU). data NULL gives the size alone; APUS_E_SPACE where capacity is
 * less. */
APUS_API apus_status apus_model_pipeline_cache(const apus_model *model, uint32_t engine, void *data,
                                               size_t capacity, size_t *bytes);
/* Every session on it must be closed before. */
APUS_API void apus_model_close(apus_model *model);

/* -------------------------------------------------------------------------------------- pool -- */

typedef struct apus_pool apus_pool; /* threads that sessions share; lives in the caller's memory */

typedef struct apus_pool_config {
    uint32_t size;
    uint32_t threads;      /* including a caller's, 1 .. 64; 0: 1. No more start than the port
                              counts processors */
    const apus_port *port; /* copied; may be NULL, and then the callers compute alone */
} apus_pool_config;

/* For programs with several sessions, on one model or on more: without a pool each starts threads
 * of its own, and they compete for the processors. Callers may use their sessions at the same time.
 * The threads serve one pass at a time; a pass that begins meanwhile is computed by its caller's
 * thread alone until they are free, so that no session ever waits for another. */
APUS_API apus_status apus_pool_measure(const apus_pool_config *config, apus_memory *memory);
/* APUS_E_SPACE; never fails for threads that do not start: fewer do the work. */
APUS_API apus_status apus_pool_open(apus_pool **pool, const apus_pool_config *config, void *memory,
                                    size_t bytes);
/* Every session on it must be closed before. */
APUS_API void apus_pool_close(apus_pool *pool);

/* ----------------------------------------------------------------------------------- session -- */

typedef struct apus_session apus_session;

/* What the passes of a session take on this machine, in nanoseconds; 0: not known. */
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
    uint32_t threads;      /* most that compute, including the caller's, 1 .. 64; 0: 1, or all of
                              `pool`. No more start than the port counts processors; with its clock
                              fewer compute where more do not pay, as on a busy machine */
    uint32_t chunk;        /* most columns of one pass, 1 .. 512; 0: 128. More is faster for long
                              prompts and takes more arena; a round has chunk - 1 proposals at
                              most */
    uint32_t prompt_bytes; /* most bytes of TEXT in one apus_prompt or apus_append, up to 2^29 (2^24
                              where size_t has 32 bits); 0: 16 * context + 4096 */

    /* Speculation: proposals that the model verifies several at a time. It never changes the ids,
     * only how fast they come. */
    const apus_model *draft; /* a smaller model with the same tokenizer (fewer or more rows are
                                fine), on any engine, or NULL. It may be shared like `model`, and
                                stays open as long */
    uint32_t draft_context;  /* positions the draft holds, at least 64; 0: as many as context and
                                its max_positions allow. Of a longer context it sees the last
                                part */
    uint32_t proposals;      /* 1 .. 15: always that many a round; 0: as many as pay, measured while
                                running (needs the port's clock, else 4) */
    int lookup;              /* != 0: also propose what followed the same ids earlier in the
                                context */
    int overlap;             /* drafting on while the model verifies, where the two are on different
                                engines and the model's works by itself: > 0 always, < 0 never; 0:
                                where it pays, measured while running (without the port's clock:
                                always) */
    const apus_costs *costs; /* where `proposals` is 0: what is known of them, from an earlier
                                session with the same models, threads and engines (apus_get_costs);
                                read during apus_open. NULL: a model of up to 16 MiB a pass is timed
                                at open (for about 4 ms), others as they run. What passes then take
                                changes it in any case */
    apus_pool *pool;         /* whose threads compute, shared with other sessions and open as long
                                as this one; NULL: the session starts its own */
    const uint8_t *state_key; /* 32 bytes, copied; apus_save signs with it (BLAKE2s), and
                                 apus_restore takes nothing else. NULL: states are protected from
                                 damage alone */
} apus_config;

/* The same walk as apus_open, only counting: apus_open cannot fail for space when given what it
 * says. APUS_E_MISMATCH, with the reason in the log of the model's port, for a draft whose token
 * texts differ from the model's. */
APUS_API apus_status apus_measure(const apus_config *config, apus_memory *memory);
APUS_API apus_status apus_open(apus_session **session, const apus_config *config, void *arena,
                               size_t bytes);
/* Not from a callback: it does nothing while a call is in progress, and the session stays open. */
APUS_API void apus_close(apus_session *session);

/* What the session reckons with by now; between its calls, while it stays open. A program with
 * several sessions on one model, draft and pool hands what one of them has learned to the next that
 * it opens (apus_config.costs), which then begins with the right number of proposals. */
APUS_API apus_status apus_get_costs(const apus_session *session, apus_costs *costs);

/* Makes the parts the whole context: keeps the longest common prefix with what is there and
 * evaluates the rest in passes of up to `chunk` columns. deadline_ns: on the port's clock, 0 for
 * none. At least one position must result (APUS_E_ARGUMENT).
 *
 * APUS_PARTIAL when the deadline passed or a cancel came: the same call again goes on from there. A
 * pass stops between two operations: on the CPU and on an NPU within half a layer, on a GPU between
 * two submissions, of a tenth of a second or of one layer. Nothing of what it did is lost: the next
 * apus_prompt, apus_append or apus_eval goes on in the middle of the pass, with as many of its ids
 * as are still the same from its first on. So a prompt that changes at its end with every key, each
 * stopping the call before, is evaluated all the same. Every call makes progress, also one whose
 * deadline has passed already, and one that is cancelled while it runs; one that was cancelled
 * before it began does nothing. Positions count (apus_get_stats) when their pass is complete.
 *
 * After APUS_PARTIAL the context (apus_ids) has all ids, of which some are not evaluated.
 * apus_begin is APUS_E_ORDER until apus_prompt or apus_append has gone on to the end, or
 * apus_rewind has taken the rest away; apus_eval evaluates the rest first, without a deadline;
 * apus_save saves the positions that are complete; apus_restore replaces everything.
 *
 * On failure the context is as before, except that APUS_E_NUMERIC and APUS_E_ENGINE keep only the
 * positions that were good. */
APUS_API apus_status apus_prompt(apus_session *session, const apus_part *parts, size_t count,
                                 uint64_t deadline_ns);
/* Adds the parts after everything in the context (prompt and generated ids). Otherwise like
 * apus_prompt; after APUS_PARTIAL call with count 0 to go on. */
APUS_API apus_status apus_append(apus_session *session, const apus_part *parts, size_t count,
                                 uint64_t deadline_ns);

/* Stops the call in progress that evaluates or generates, or the next such call if none is. From
 * any thread, a signal handler or a callback. One that comes late stops what comes next: where
 * calls belong to requests that supersede each other, use tickets. */
APUS_API void apus_cancel(apus_session *session);

/* Begins a request: the calls from here to the next apus_request. Gives its ticket, and takes back
 * every cancel before. By the thread that uses the session; 0, which is no ticket, for no session
 * and from a callback. Tickets come again after 2^30 - 1 requests. */
APUS_API uint32_t apus_request(apus_session *session);
/* Cancels the request with this ticket: its call in progress stops, and each later one at once,
 * with APUS_PARTIAL or APUS_STOP_CANCELLED. Does nothing if the session has begun another request
 * meanwhile. From any thread, a signal handler or a callback, while the session is open; it never
 * waits. */
APUS_API void apus_cancel_request(apus_session *session, uint32_t ticket);

/* Called before each choice with the raw logits of the real vocabulary; may change them (-inf:
 * never; a NaN or more than 2^50 fails the round with APUS_E_NUMERIC). ids: the accepted ids of
 * this generation so far. Must be a pure function of its arguments, or speculation changes the
 * output. What it may call: see the rules at the top. */
typedef void (*apus_logits_fn)(void *user, float *logits, uint32_t vocab, const int32_t *ids,
                               size_t count);

typedef struct apus_stop {
    const char *text; /* 1 .. 63 bytes, copied */
    size_t bytes;
} apus_stop;
enum { APUS_STOPS_MAX = 8, APUS_ALTERNATIVES_MAX = 20, APUS_BIND_MAX = 4096 };

typedef struct apus_sampling {
    uint32_t size;
    float temperature;    /* 0: greedy (ties to the lower id); else 0.01 .. 100 */
    uint32_t top_k;       /* 0: off */
    float top_p;          /* 0 or 1: off; else mass to keep, in (0, 1) */
    float min_p;          /* 0: off; else least probability relative to the best, in (0, 1] */
    float repeat_penalty; /* 0 or 1: off; else 0.1 .. 10: divides positive and multiplies negative
                              logits of recent ids */
    uint32_t repeat_last; /* how many ids back, prompt included; 0: 64; at most 1024 */
    uint64_t seed;
    uint32_t max_tokens; /* 0: as many as the context holds */
    int ignore_end;      /* != 0: end tokens do not end the generation */
    int want_hash;       /* != 0: apus_get_stats gives a hash over the logits behind each id */
    const apus_stop *stops;
    uint32_t stops_count;  /* at most APUS_STOPS_MAX */
    apus_logits_fn logits; /* may be NULL */
    void *logits_user;
    uint64_t deadline_ns;  /* 0: none. The draft, which may have a prompt to catch up with, stops at
                              it and goes on with the next generation, as apus_prompt does; a
                              verifying pass that has begun is finished */
    uint32_t alternatives; /* 0 .. APUS_ALTERNATIVES_MAX: so many of the likeliest ids are told
                              beside each id; 0 costs nothing */
    uint32_t bind_bytes;   /* 0 .. APUS_BIND_MAX */
    const char *bind;      /* [bind_bytes], copied: what the ids must spell first, for a cursor
                              inside a word, the beginning of which was taken back from the
                              prompt (apus_heal). Until all is spelled only ids come whose
                              bytes begin with what is left of it and, where no id is just that,
                              ids with which the tokenizer begins what is left, whatever follows;
                              chosen by the same rules among those alone, and no control token. The
                              text begins behind it, and so do stop texts and offsets; max_tokens
                              counts its ids, too. A byte that the vocabulary has no piece for is
                              APUS_E_TOKEN */
} apus_sampling;

/* Begins a generation after the current context; APUS_E_ORDER where that is empty or, after
 * APUS_PARTIAL, not evaluated. Order of the rules: repetition penalty, logits callback, bind,
 * top-k, top-p, min-p, temperature. The same seed and context give the same ids. */
APUS_API apus_status apus_begin(apus_session *session, const apus_sampling *sampling);

typedef enum apus_stop_reason {
    APUS_RUNNING = 0,
    APUS_STOP_EOS,    /* an end token, the last of ids; its text is not shown */
    APUS_STOP_LENGTH, /* max_tokens */
    APUS_STOP_TEXT,   /* a stop text; the text shown ends before it */
    APUS_STOP_CANCELLED,
    APUS_STOP_DEADLINE,
    APUS_STOP_CONTEXT /* the context is full */
} apus_stop_reason;
/* "eos", "length", "stop", "cancelled", "deadline", "context"; "" while running. */
APUS_API const char *apus_stop_reason_text(apus_stop_reason reason);

/* What one round gave. Everything belongs to the session and is valid until its next call. */
typedef struct apus_piece {
    uint32_t size;
    const char *text; /* whole UTF-8 characters; bytes that are part of none come as they are,
                         unfinished ones when the generation ends */
    size_t bytes;     /* may be 0: a character or a stop text may be incomplete */
    const int32_t *ids;
    const float *log_probs; /* natural logarithm of each id's probability under the raw logits at
                               temperature 1 */
    size_t count;           /* of ids, 0 .. 16; 0 only when the round stopped before an id */
    apus_stop_reason stop;
    const uint64_t *offsets; /* [count] where the bytes of each id begin in the text of this
                                generation, all its pieces together; they end where those of the
                                next id begin. Ids count with all their bytes, shown or not: the
                                text of an id may come with a later piece, and what lies behind the
                                end of the whole text was not shown, because a stop text took it */
    size_t alternatives;     /* as apus_sampling has it, or all there are in a smaller vocabulary */
    const int32_t *alternative_ids;     /* [count][alternatives] the likeliest in the place of each
                                           id under the raw logits, the likeliest first, ties to
                                           the lower id. Whatever rules, seed and callback made of
                                           the choice: the id itself need not be among them */
    const float *alternative_log_probs; /* [count][alternatives] as log_probs has it of them */
} apus_piece;

/* One round. APUS_OK also for the round that stops; after it APUS_E_ORDER until apus_begin. On
 * failure (APUS_E_NUMERIC, APUS_E_ENGINE) the generation is over likewise, *piece is untouched, and
 * the context keeps the ids given before, as far as they could be evaluated. */
APUS_API apus_status apus_next(apus_session *session, apus_piece *piece);

/* Evaluates ids after the current context and writes logits [count][vocab] (vocab of apus_info),
 * all of them into the context. logits may be NULL. APUS_PARTIAL as in apus_prompt with *done of
 * the ids finished (done may be NULL), which are in the context then: a call with the others goes
 * on. */
APUS_API apus_status apus_eval(apus_session *session, const int32_t *ids, size_t count,
                               float *logits, size_t *done);

/* Forgets all ids from `position` on (0 .. the count of apus_ids). */
APUS_API apus_status apus_rewind(apus_session *session, size_t position);

typedef struct apus_stats {
    uint32_t size;
    uint64_t positions;     /* evaluated; the context (apus_ids) may hold one id more, the last
                                one chosen, and after APUS_PARTIAL as many as are left */
    uint64_t reused;        /* positions the last apus_prompt found in place */
    uint64_t prompt_tokens; /* positions the last apus_prompt and the apus_append calls after it
                                evaluated */
    uint64_t prompt_ns;     /* and the time it took */
    uint64_t new_tokens;    /* ids of this generation */
    uint64_t next_ns;       /* time inside apus_next of this generation */
    uint64_t passes;        /* model passes of this generation */
    uint64_t logits_hash;   /* over the raw float32 logits, real vocabulary only, behind each id of
                                this generation, in order */
    uint64_t weight_bytes;  /* read by one pass */
    uint64_t arena_bytes;
    const char *engine; /* that computed the last pass, the first of them: "cpu", "igpu", "npu";
                                "cpu" too where it took over from another that failed */
    const char *cpu;    /* its instruction set in use; the device's name on other engines */
    uint32_t threads;   /* as configured; where the port lends none, or one could not be
                                started, fewer do the work */
    uint32_t context;   /* positions it holds */

    /* Speculation in this generation. */
    uint64_t rounds;   /* calls of apus_next that gave ids */
    uint64_t proposed; /* ids proposed one after another, and of them accepted */
    uint64_t accepted;
    uint64_t branches; /* ids proposed instead of one of those, and of them accepted: at most
                                 one a round */
    uint64_t branches_taken;
    uint64_t proposed_at[15]; /* the same by place in the round */
    uint64_t accepted_at[15];
    uint64_t off_rounds;      /* rounds without a proposal: none would have paid, or there was
                                 none */
    uint64_t draft_ns;        /* parts of next_ns: time in draft steps, what the draft catches up
                                 with after pauses and slides included, */
    uint64_t draft_prompt_ns; /* in showing the draft what was there before the first of them, */
    uint64_t verify_ns;       /* and in verifying passes; */
    uint64_t overlap_ns;      /* of that, the time in which the draft went on meanwhile: */
    uint64_t ahead;           /* ids it made so, */
    uint64_t ahead_kept;      /* and proposals that were there when their round began */
    uint32_t engines_count;   /* how many computed it, one after the other, or the first four: */
    uint32_t engines_from[APUS_ENGINES_MAX]; /* the first layer of each, */
    const char *engines[APUS_ENGINES_MAX];   /* and its name; NULL behind the last */
} apus_stats;
APUS_API apus_status apus_get_stats(const apus_session *session, apus_stats *stats);

/* The context (ids and KV rows, not a running generation) as bytes bound to the model and the
 * format version: the evaluated positions (apus_stats.positions), so the last id chosen is
 * not in it and is appended by the caller if it is wanted. apus_save with data NULL gives the size
 * alone; APUS_E_SPACE where capacity is less. apus_restore checks everything before it changes
 * anything: APUS_E_FORMAT, with a sentence for a state that is damaged, made with another key, with
 * a key for a session without one or the other way round; APUS_E_VERSION, APUS_E_MISMATCH for
 * another model, APUS_E_CONTEXT for more positions than this session holds. data: any alignment.
 * Without a key anybody can make a state: rows of the cache that do not belong to its ids, so that
 * a text goes on from words that apus_ids does not show. Take states from where only you write, or
 * give sessions a state_key. A key does not hide what is in them, nor does it tell an old state
 * from a new one. */
APUS_API apus_status apus_save(const apus_session *session, void *data, size_t capacity,
                               size_t *bytes);
APUS_API apus_status apus_restore(apus_session *session, const void *data, size_t bytes);

/* The ids in the context; *ids is valid until the next call that changes it. */
APUS_API apus_status apus_ids(const apus_session *session, const int32_t **ids, size_t *count);

#ifdef __cplusplus
}
#endif
#endif
