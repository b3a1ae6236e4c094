#include "weights/pack/pack.h"

#include <assert.h>
#include <libgen.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "apps/kit/fail.h"
#include "weights/blob.h"
#include "weights/hash.h"
#include "weights/pack/quantize/budget.h"
#include "weights/pack/quantize/calibrate.h"
#include "weights/pack/calibration_text.h"
#include "weights/pack/draft_vocab.h"
#include "weights/pack/quantize/conversion.h"
#include "weights/pack/quantize/parallel.h"
#include "weights/pack/quantize/pack_plan.h"
#include "weights/pack/report.h"
#include "weights/pack/result.h"
#include "weights/pack/resume.h"
#include "weights/pack/quantize/rope.h"
#include "weights/pack/sections.h"
#include "weights/pack/quantize/sensitivity.h"
#include "weights/pack/checkpoint/source.h"
#include "weights/pack/vocab/vocab_build.h"
#include "weights/pack/work.h"
#include "weights/pack/writer.h"

static const uint64_t LONG_WORK = 1000000000; /* with this many parameters calibration takes about
                                                 an hour */

/* Everything that is needed while a blob is made. A job of zeros can be freed. */
struct job {
    const struct settings *settings;
    struct diag *d;
    unsigned threads;
    struct sparsity sparsity;
    char *origin_path; /* a copy of the source's name, because the result of basename points into
                          it */
    struct source *source;
    struct plan plan;
    struct conversion *conversion;
    struct calibration_text text;
    struct calibrator *calibrator; /* NULL if weights are only rounded */
    struct convert_error *error;
    double *kl; /* the KL that each tensor costs at 4 bits; NULL if not measured */
    float *rows, *rope;
    struct blob_tensor *records;
    void *vocab;
    size_t vocab_bytes;
    uint32_t *head_ids; /* [settings->draft_vocab]; NULL: the head has all rows */
    uint8_t *model;     /* the section MODEL */
    size_t model_bytes;
    struct blob_header header;
    struct writer writer;
    struct work work;
    struct stream {
        struct hash64 hash;
        uint64_t written; /* bytes of WEIGHTS so far */
        uint64_t before;  /* weights of the tensor's parts that are done */
        uint32_t tensor;
    } stream;
    struct resume resume; /* without a path, work is not saved */
    struct saved {
        uint64_t hash;    /* hash of what was written */
        uint32_t tensors; /* tensors that are finished */
        uint32_t zero;
    } saved;
    uint32_t resumed; /* the tensor that this run began with */
};

static bool open_source(struct job *job) {
    job->source = source_open(job->settings->source, job->d);
    return job->source != NULL;
}

/* Says before the work begins what a user may not expect, a sentence on each line. */
static void say_notes(const struct job *job) {
    for (const char *at = job->plan.notes; *at;) {
        const char *end = strstr(at, "; ");
        int length = end ? (int)(end - at) : (int)strlen(at);
        fail_note("note: %.*s.", length, at);
        at += length + (end ? 2 : 0);
    }
}

static const struct calibrate_effort *effort(const struct job *job) {
    const char *name = job->settings->effort;
    return name && strcmp(name, CALIBRATE_QUICK.name) == 0 ? &CALIBRATE_QUICK : &CALIBRATE_FULL;
}

static bool make_plan(struct job *job) {
    const struct settings *settings = job->settings;
    if (!(settings->prune ? sparsity_of_all : sparsity_find)(job->source, &job->sparsity, job->d))
        return false;
    char calibration[96] = "not calibrated";
    if (job->text.windows)
        snprintf(calibration, sizeof calibration,
                 "calibrated%s on %u windows of %u tokens of %s %016llx",
                 effort(job)->quick ? " quickly" : "", job->text.windows, job->text.length,
                 settings->calibrate ? "the text" : "the packer's text",
                 (unsigned long long)job->text.hash);
    job->origin_path = realpath(settings->source, NULL);
    if (!job->origin_path) return diag_fail(job->d, "%s cannot be found again", settings->source);
    struct plan_choice choice = {.layer_bits = settings->layer_bits,
                                 .bits = settings->bits,
                                 .positions = (uint32_t)settings->positions,
                                 .rotate = !settings->no_rotate,
                                 .sparsity = &job->sparsity,
                                 .prune = settings->prune != NULL,
                                 .name = settings->name,
                                 .origin = basename(job->origin_path),
                                 .calibration = calibration,
                                 .dropped = job->text.dropped,
                                 .head_ids = job->head_ids,
                                 .head_rows = (uint32_t)settings->draft_vocab};
    if (!plan_make(&job->plan, job->source, &choice, job->d)) return false;
    say_notes(job);
    return true;
}

static size_t rope_bytes(const struct plan *plan) {
    return (size_t)plan->rope_tables * plan->model.max_positions * plan->model.head_dim *
           sizeof(float);
}

static bool make_rope(struct job *job) {
    const struct model_config *config = source_config(job->source);
    uint32_t head_dim = job->plan.model.head_dim, positions = job->plan.model.max_positions;
    float divisor[BLOB_HEAD_DIM_MAX / 2];
    struct rope_table table[BLOB_ROPE_TABLES_MAX];
    if (!source_rope_divisors(job->source, positions, divisor, job->d) ||
        !rope_table_make(&config->rope, positions, divisor, &table[0], job->d) ||
        (job->plan.rope_tables > 1 &&
         !rope_table_make(&config->window_rope, positions, NULL, &table[1], job->d)))
        return false;
    job->rope = malloc(rope_bytes(&job->plan));
    if (!job->rope) return diag_fail(job->d, "out of memory");
    float *at = job->rope;
    for (uint32_t t = 0; t < job->plan.rope_tables; t++)
        for (uint32_t p = 0; p < positions; p++, at += head_dim)
            rope_position(&table[t], head_dim, p, at);
    return true;
}

static bool make_vocab(struct job *job) {
    const struct model_config *config = source_config(job->source);
    struct vocab_notes notes = {{0}};
    struct vocab_request request = {.gguf = source_gguf(job->source),
                                    .directory = source_directory(job->source),
                                    .rows = config->vocab,
                                    .bos = config->bos,
                                    .ends = config->end_tokens,
                                    .ends_count = config->end_tokens_count,
                                    .pre = job->settings->pre,
                                    .fim = job->settings->fim,
                                    .notes = &notes};
    job->vocab = vocab_build(&request, &job->vocab_bytes, job->d);
    if (notes.text[0]) source_note(job->source, notes.text);
    return job->vocab != NULL;
}

/* Chooses the rows that the head keeps. */
static bool make_head(struct job *job) {
    const struct settings *s = job->settings;
    if (!s->draft_vocab) return true;
    job->head_ids = draft_vocab_choose(source_config(job->source)->vocab, (uint32_t)s->draft_vocab,
                                       s->draft_text ? s->draft_text : s->calibrate, job->vocab,
                                       job->vocab_bytes, job->d);
    return job->head_ids != NULL;
}

static bool make_model(struct job *job) {
    const struct plan *plan = &job->plan;
    const size_t ids = plan->draft.head_rows * sizeof *job->head_ids;
    job->model_bytes = sizeof plan->model + (plan->model.draft ? sizeof plan->draft + ids : 0);
    job->model = malloc(job->model_bytes);
    if (!job->model) return diag_fail(job->d, "out of memory");
    memcpy(job->model, &plan->model, sizeof plan->model);
    if (!plan->model.draft) return true;
    memcpy(job->model + sizeof plan->model, &plan->draft, sizeof plan->draft);
    if (ids) memcpy(job->model + sizeof plan->model + sizeof plan->draft, job->head_ids, ids);
    return true;
}

static bool make_tables(struct job *job) {
    const struct plan *plan = &job->plan;
    assert(plan->row_floats > 0 && plan->model.tensors >= 2); /* at least the embedding and the
                                                                 head */
    job->rows = calloc(plan->row_floats, sizeof(float));
    job->error = calloc(plan->model.tensors, sizeof *job->error);
    /* each expert sees few tokens of a measurement: its figure would say little */
    bool measures = plan->layer_bits == 4 && job->text.windows && !effort(job)->quick &&
                    !plan_has_experts(plan);
    if (measures) job->kl = calloc(plan->model.tensors, sizeof *job->kl);
    if (!job->rows || !job->error || (measures && !job->kl))
        return diag_fail(job->d, "out of memory");
    return make_model(job) && make_rope(job);
}

static void show_measuring(void *user, uint64_t weights) {
    struct job *job = user;
    work_measured(&job->work, weights);
}

static void plan_work(struct job *job, struct sensitivity_cost measuring) {
    const struct work_request request = {
        .plan = &job->plan,
        .tokens = job->calibrator ? job->text.windows * job->text.length : 0,
        .first = job->stream.tensor,
        .measuring = measuring,
        .quick = effort(job)->quick,
        .threads = job->threads};
    work_plan(&job->work, &request);
}

static bool measure_kl(struct job *job) {
    const struct sensitivity_request request = {.plan = &job->plan,
                                                .conversion = job->conversion,
                                                .rope = job->rope,
                                                .rows = job->rows,
                                                .ids = job->text.ids,
                                                .windows = job->text.windows,
                                                .length = job->text.length,
                                                .threads = job->threads,
                                                .progress = show_measuring,
                                                .user = job};
    const struct sensitivity_cost nothing = {0, 0};
    plan_work(job, job->kl ? sensitivity_cost(&request) : nothing);
    if (!job->kl) return true;
    if (!sensitivity_measure(&request, job->kl, job->d)) return false;
    work_measured_all(&job->work);
    return true;
}

/* Chooses which tensors keep 8 bits. */
static bool budget_of_kl(struct job *job) {
    if (job->plan.layer_bits == 4 && !budget_spend(&job->plan, job->kl, job->d)) return false;
    plan_work(job, job->work.measuring);
    return true;
}

static bool make_sections(struct job *job) {
    const struct plan *plan = &job->plan;
    if (!job->records) job->records = calloc(plan->model.tensors, sizeof *job->records);
    if (!job->records) return diag_fail(job->d, "out of memory");
    for (uint32_t i = 0; i < plan->model.tensors; i++) job->records[i] = plan->tensors[i].record;
    const uint64_t bytes[BLOB_SECTIONS] = {
        [BLOB_MODEL] = job->model_bytes,
        [BLOB_LAYERS] = plan->model.layers * sizeof *plan->layers +
                        plan->variant_count * sizeof *plan->variants,
        [BLOB_TENSORS] = plan->model.tensors * sizeof *job->records,
        [BLOB_ROWS] = plan->row_floats * sizeof(float),
        [BLOB_ROPE] = rope_bytes(plan),
        [BLOB_VOCAB] = job->vocab_bytes,
        [BLOB_TEXT] = plan->text_bytes,
        [BLOB_WEIGHTS] = plan->weight_bytes};
    for (int kind = 0; kind < BLOB_SECTIONS; kind++) job->header.section[kind].bytes = bytes[kind];
    sections_place(&job->header);
    return true;
}

/* Writes the next bytes of WEIGHTS. */
static bool put_weights(void *user, const void *data, size_t bytes, struct diag *d) {
    struct job *job = user;
    if (!writer_put(&job->writer, job->header.section[BLOB_WEIGHTS].offset + job->stream.written,
                    data, bytes, d))
        return false;
    hash64_add(&job->stream.hash, data, bytes);
    job->stream.written += bytes;
    return true;
}

static void show(void *user, uint64_t weights) {
    struct job *job = user;
    work_quantized(&job->work, job->stream.before + weights);
}

static bool put_values(void *user, uint32_t first, uint32_t rows, const float *values,
                       struct diag *d) {
    struct job *job = user;
    return calibrate_rows(job->calibrator, first, rows, values, d);
}

/* Converts and writes a tensor, expert by expert where it has several. Without a calibrator its
 * quantizer is the plan's. */
static bool write_tensor(struct job *job, const struct plan_tensor *tensor) {
    const struct convert_target target = {.sink = put_weights,
                                          .values = job->calibrator ? put_values : NULL,
                                          .progress = show,
                                          .user = job};
    struct convert_error *error = &job->error[job->stream.tensor];
    work_tensor(&job->work, job->stream.tensor);
    job->stream.before = 0;
    for (uint32_t i = 0; i < plan_parts(tensor); i++) {
        struct plan_tensor part = plan_part(job->source, tensor, i);
        struct convert_error one;
        if (job->calibrator &&
            !calibrate_before(job->calibrator, job->stream.tensor, i, &part.quantizer, job->d))
            return false;
        if (i == 0) work_calibrated(&job->work);
        if (!convert_tensor(job->conversion, &part, job->rows, &target, &one, job->d)) return false;
        if (i == 0)
            *error = one;
        else
            convert_error_add(error, i, &one);
        job->stream.before += (uint64_t)part.record.rows * part.record.cols;
    }
    return !job->calibrator || calibrate_after(job->calibrator, job->d);
}

static bool ends_layer(const struct plan *plan, uint32_t tensor) {
    const struct plan_tensor *this = &plan->tensors[tensor];
    return tensor != plan->model.embed && tensor != plan->model.head &&
           (tensor + 1 == plan->model.head || this[1].layer != this->layer);
}

static bool keep_work(struct job *job) {
    job->saved =
        (struct saved){.hash = hash64_end(&job->stream.hash), .tensors = job->stream.tensor};
    return writer_keep(&job->writer, job->d) && resume_save(&job->resume, job->d);
}

static bool write_weights(struct job *job) {
    static const uint8_t zero[BLOB_ALIGN];
    while (job->stream.tensor < job->plan.model.tensors) {
        const struct plan_tensor *tensor = &job->plan.tensors[job->stream.tensor];
        size_t gap = (size_t)(tensor->record.offset - job->stream.written);
        if (!put_weights(job, zero, gap, job->d) || !write_tensor(job, tensor)) return false;
        job->stream.tensor++;
        if (job->resume.path && ends_layer(&job->plan, job->stream.tensor - 1) && !keep_work(job))
            return false;
    }
    job->header.section[BLOB_WEIGHTS].hash = hash64_end(&job->stream.hash);
    work_write(&job->work);
    return true;
}

static bool write_front(struct job *job) {
    const void *const data[BLOB_WEIGHTS] = {job->model, job->plan.layers, job->records,  job->rows,
                                            job->rope,  job->vocab,       job->plan.text};
    for (int kind = 0; kind < BLOB_WEIGHTS; kind++) {
        struct blob_section *section = &job->header.section[kind];
        section->hash = hash64(data[kind], (size_t)section->bytes);
        if (!writer_put(&job->writer, section->offset, data[kind], (size_t)section->bytes, job->d))
            return false;
    }
    sections_seal(&job->header);
    return writer_put(&job->writer, 0, &job->header, sizeof job->header, job->d);
}

/* The blob is mapped when it is written, so a blob larger than the address space is refused before
 * any work is done. */
static bool is_addressable(const struct job *job, uint64_t bytes) {
    return bytes <= SIZE_MAX ||
           diag_fail(job->d,
                     "the blob takes %llu bytes, and addresses of this build end at %zu: pack it "
                     "where addresses have 64 bits",
                     (unsigned long long)bytes, SIZE_MAX);
}

/* Checks that the reader accepts what was written. The padding after the last section is made here,
 * because the mapping needs it. */
static bool check_written(struct job *job) {
    size_t bytes = (size_t)job->header.file_bytes;
    char why[BLOB_WHY] = "";
    struct blob blob;
    if (!is_addressable(job, job->header.file_bytes)) return false;
    if (!writer_extend(&job->writer, bytes, job->d)) return false;
    void *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, job->writer.out.fd, 0);
    if (map == MAP_FAILED) return diag_fail(job->d, "%s cannot be read back", job->settings->out);
    bool good = blob_open(&blob, map, bytes, why) == APUS_OK;
    munmap(map, bytes);
    return good || diag_fail(job->d, "%s was not written right: %s", job->settings->out, why);
}

static bool finish(struct job *job, double seconds) {
    struct report report = {.plan = &job->plan,
                            .error = job->error,
                            .kl = job->kl,
                            .file_bytes = job->header.file_bytes,
                            .model_hash = job->header.model_hash,
                            .seconds = seconds,
                            .threads = job->threads,
                            .calibration_windows = job->text.windows,
                            .calibration_length = job->text.length};
    if (job->calibrator) report.reached = calibrate_reached(job->calibrator, &report.reached_count);
    if (job->settings->report && !report_write(&report, job->settings->report, job->d))
        return false;
    if (!writer_commit(&job->writer, job->d)) {
        if (job->settings->report) remove(job->settings->report);
        return false;
    }
    if (writer_forget(job->settings->out))
        resume_forget(job->settings->out); /* also one that an earlier run left */
    work_end(&job->work);
    result_say(job->settings, &report, job->resumed, job->calibrator != NULL);
    return true;
}

static bool make_text(struct job *job) {
    const struct model_config *config = source_config(job->source);
    uint32_t widest = config->dim, positions = config->max_positions;
    for (uint32_t i = 0; i < config->layers; i++)
        widest = config->layer[i].ffn > widest ? config->layer[i].ffn : widest;
    uint32_t length = positions < effort(job)->length ? positions : effort(job)->length;
    if (job->settings->positions && job->settings->positions < length)
        length = (uint32_t)job->settings->positions;
    return job->settings->no_calibrate ||
           calibration_text_read(&job->text, job->settings->calibrate, job->vocab, job->vocab_bytes,
                                 calibrate_windows(effort(job), widest), length, job->d);
}

static bool make_calibrator(struct job *job) {
    const struct calibrate_request request = {.plan = &job->plan,
                                              .effort = effort(job),
                                              .rope = job->rope,
                                              .rows = job->rows,
                                              .ids = job->text.ids,
                                              .windows = job->text.windows,
                                              .length = job->text.length,
                                              .threads = job->threads};
    if (job->text.windows == 0) return true;
    job->calibrator = calibrate_new(&request, job->d);
    return job->calibrator != NULL;
}

static void show_looking(void *user, uint64_t bytes) {
    struct job *job = user;
    work_looked(&job->work, bytes, source_bytes(job->source));
}

/* Makes the key from everything that decides the bytes of the blob. The source's content is a part
 * of it, because files of the same size and time may differ. */
static bool make_key(struct job *job) {
    const struct plan *plan = &job->plan;
    struct hash64 hash;
    char words[64];
    snprintf(words, sizeof words, "%.17g %u", plan->bits, plan->layer_bits);
    if (!resume_key(&hash, words, job->d)) return false;
    hash64_add(&hash, job->model, job->model_bytes);
    hash64_add(&hash, plan->layers, (size_t)job->header.section[BLOB_LAYERS].bytes);
    hash64_add(&hash, plan->text, (size_t)plan->text_bytes);
    hash64_add(&hash, job->vocab, job->vocab_bytes);
    hash64_add(&hash, job->rope, rope_bytes(plan));
    if (!source_add_bytes(job->source, &hash, show_looking, job, job->d)) return false;
    job->resume.key = hash64_end(&hash);
    return true;
}

/* Prepares to save work, if that is wanted: the key, and the pieces of memory to be saved. */
static bool prepare_resume(struct job *job) {
    const struct plan *plan = &job->plan;
    size_t bytes = 0, tensors = plan->model.tensors;
    if (!job->settings->resume && !(job->calibrator && plan->model.parameters >= LONG_WORK))
        return true;
    if (!resume_begin(&job->resume, job->settings->out, job->d) || !make_key(job)) return false;
    resume_add(&job->resume, &job->saved, sizeof job->saved);
    resume_add(&job->resume, job->error, tensors * sizeof *job->error);
    resume_add(&job->resume, job->rows, plan->row_floats * sizeof *job->rows);
    if (job->kl) resume_add(&job->resume, job->kl, tensors * sizeof *job->kl);
    float *stream = job->calibrator ? calibrate_stream(job->calibrator, &bytes) : NULL;
    if (stream) resume_add(&job->resume, stream, bytes);
    uint32_t experts = 0,
             *reached = job->calibrator ? calibrate_reached(job->calibrator, &experts) : NULL;
    if (reached) resume_add(&job->resume, reached, experts * sizeof *reached);
    return true;
}

static bool is_finite(const float *x, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!isfinite(x[i])) return false;
    return true;
}

/* Whether the loaded state can belong to this work. Its hash is right, but anybody can make a state
 * with a right hash. */
static bool makes_sense(const struct job *job) {
    const struct plan *plan = &job->plan;
    const struct saved *saved = &job->saved;
    size_t bytes = 0;
    if (saved->zero || saved->tensors < 1 || saved->tensors >= plan->model.tensors ||
        !ends_layer(plan, saved->tensors - 1))
        return false;
    for (uint32_t i = 0; i < plan->model.tensors; i++) {
        const struct convert_error *error = &job->error[i];
        if (!isfinite(error->relative_rms) || !isfinite(error->mean_square) ||
            !isfinite(error->max) || !(error->sparse >= 0 && error->sparse <= 1))
            return false;
        if (job->kl && !isfinite(job->kl[i])) return false;
    }
    const float *stream = job->calibrator ? calibrate_stream(job->calibrator, &bytes) : NULL;
    return is_finite(job->rows, plan->row_floats) && is_finite(stream, bytes / sizeof *stream);
}

/* Reads the part of the blob that is there. False if it is not the part that was written when the
 * state was saved. */
static bool take_over(struct job *job) {
    uint8_t buffer[1 << 14];
    const struct plan_tensor *last = &job->plan.tensors[job->saved.tensors - 1];
    uint64_t offset = job->header.section[BLOB_WEIGHTS].offset;
    struct stream stream = {.written = last->record.offset + last->record.bytes,
                            .tensor = job->saved.tensors};
    hash64_begin(&stream.hash);
    for (uint64_t at = 0; at < stream.written;) {
        size_t bytes =
            stream.written - at < sizeof buffer ? (size_t)(stream.written - at) : sizeof buffer;
        if (!writer_get(&job->writer, offset + at, buffer, bytes)) return false;
        hash64_add(&stream.hash, buffer, bytes), at += bytes;
    }
    if (hash64_end(&stream.hash) != job->saved.hash) return false;
    job->stream = stream, job->resumed = stream.tensor;
    plan_work(job, (struct sensitivity_cost){0, 0}); /* only what is left */
    return true;
}

/* Goes on with an earlier run's work if there is any. The budget is spent by the figures that were
 * saved, which decides where the tensors lie. */
static bool resume_or_begin(struct job *job) {
    bool loaded = job->resume.path && resume_load(&job->resume) && makes_sense(job);
    if (loaded && budget_of_kl(job) && make_sections(job) && take_over(job)) return true;
    if (job->d->text[0]) return false;
    memset(&job->stream, 0, sizeof job->stream);
    hash64_begin(&job->stream.hash);
    memset(job->rows, 0, job->plan.row_floats * sizeof *job->rows);
    if (job->resume.path && !writer_clear(&job->writer, job->plan.weight_bytes, job->d))
        return false;
    return convert_gains(job->source, &job->plan, job->rows, job->d) && measure_kl(job) &&
           budget_of_kl(job) && make_sections(job);
}

/* Checks before any work that the outputs are not the source, and that nothing is in their way. */
static bool check_outputs(struct job *job) {
    const struct settings *settings = job->settings;
    if (outfile_same(settings->out, settings->source))
        return diag_fail(job->d, "-o names the source itself, %s", settings->source);
    if (!writer_check(settings->out, job->d)) return false;
    if (!settings->report) return true;
    if (outfile_same(settings->report, settings->out))
        return diag_fail(job->d, "-o and --report both name %s", settings->out);
    return report_check(settings->report, job->d);
}

static bool run(struct job *job) {
    double begun = progress_clock();
    if (!check_outputs(job)) return false;
    if (!open_source(job) || !make_vocab(job) || !make_text(job) || !make_head(job) ||
        !make_plan(job) || !is_addressable(job, job->plan.weight_bytes) || !make_tables(job))
        return false;
    job->conversion = convert_new(job->source, &job->plan, job->threads, job->d);
    if (!job->conversion || !make_calibrator(job) || !prepare_resume(job)) return false;
    return writer_open(&job->writer, job->settings->out, job->resume.path != NULL,
                       job->plan.weight_bytes, job->d) &&
           resume_or_begin(job) && write_weights(job) && write_front(job) && check_written(job) &&
           finish(job, progress_clock() - begun);
}

bool pack(const struct settings *settings, struct diag *d) {
    struct job *job = calloc(1, sizeof *job);
    if (!job) return diag_fail(d, "out of memory");
    job->settings = settings, job->d = d;
    job->threads = settings->threads ? (unsigned)settings->threads : parallel_cores();
    work_begin(&job->work, settings->quiet  ? PROGRESS_NONE
                           : settings->json ? PROGRESS_OBJECTS
                                            : PROGRESS_TEXT);
    bool good = run(job);
    work_end(&job->work);
    writer_abandon(&job->writer);
    convert_free(job->conversion);
    calibrate_free(job->calibrator);
    calibration_text_free(&job->text);
    plan_free(&job->plan);
    sparsity_free(&job->sparsity);
    source_close(job->source);
    resume_end(&job->resume);
    free(job->origin_path);
    free(job->error);
    free(job->kl);
    free(job->rows);
    free(job->rope);
    free(job->records);
    free(job->vocab);
    free(job->head_ids);
    free(job->model);
    free(job);
    return good;
}
