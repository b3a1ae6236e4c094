/* apus trace: reads a pass operation by operation, of one engine, or compares those of two
 * engines. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apus/trace.h"
#include "command.h"
#include "fail_status.h"
#include "input.h"
#include "kit/fail.h"
#include "kit/json.h"
#include "load.h"

#define AT(member) offsetof(struct settings, member)

static const struct option options[] = {
    OPTION_MODEL,
    OPTION_IDS,
    {NULL, "--other", OPTION_STRING, AT(reference), 0, 0, "FILE",
     "the blob that B computes with, where it is not MODEL.apus: the same model packed otherwise",
     "another blob for B"},
};

#ifndef APUS_TRACE

static int trace_main(const struct settings *settings) {
    (void)settings;
    return fail(EXIT_UNAVAILABLE, "this program was built without the trace: cmake --preset dev "
                                  "and cmake --build --preset dev make one that has it.");
}

#else

/* A step that is kept to be compared later. */
struct kept {
    apus_trace_step step;
    unsigned char *data; /* [columns][bytes] */
};

struct reading {
    const char *name;  /* as the user gave it */
    const char *model; /* the blob's file */
    const struct settings *settings;
    struct kept *kept;
    size_t count, room;
    const struct reading *reference; /* what to compare with, or NULL */
    size_t compared;
    int differs, faulty;
};

/* The name of an instruction set means the CPU engine with that set. */
static struct settings choose(const struct settings *settings, const char *name) {
    struct settings chosen = *settings;
    chosen.engine = name;
    for (apus_cpu cpu = APUS_CPU_REF; apus_cpu_name(cpu); cpu = (apus_cpu)(cpu + 1))
        if (!strcmp(name, apus_cpu_name(cpu))) {
            chosen.cpu = cpu;
            chosen.engine = "cpu";
        }
    return chosen;
}

static const void *column_of(const apus_trace_step *s, uint32_t column) {
    return (const unsigned char *)s->data + column * s->stride;
}

static uint64_t hash_of(const apus_trace_step *s) {
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (uint32_t c = 0; c < s->columns; c++) {
        const unsigned char *p = column_of(s, c);
        for (size_t i = 0; i < s->bytes; i++) h = (h ^ p[i]) * 0x100000001b3u;
    }
    return h;
}

static void print_step(const apus_trace_step *s, int json) {
    double most = 0, sum = 0;
    size_t values = s->floats ? s->bytes / sizeof(float) : 0;
    for (uint32_t c = 0; c < s->columns; c++) {
        const float *x = column_of(s, c);
        for (size_t i = 0; i < values; i++) {
            sum += fabsf(x[i]);
            if (!(fabsf(x[i]) <= most)) most = fabsf(x[i]);
        }
    }
    double mean = values ? sum / (double)(values * s->columns) : 0;
    if (json) {
        json_t *object = json_object();
        json_object_set_new(object, "index", json_integer(s->index));
        json_object_set_new(object, "layer", json_integer(s->layer));
        json_object_set_new(object, "operation", json_string(s->operation));
        json_object_set_new(object, "slot", json_string(s->slot));
        json_object_set_new(object, "hash",
                            json_sprintf("%016llx", (unsigned long long)hash_of(s)));
        json_object_set_new(object, "largest", s->floats ? json_number(most) : json_null());
        json_object_set_new(object, "mean", s->floats ? json_number(mean) : json_null());
        json_print(object);
        return;
    }
    printf("%5u  layer %-4u %-6s -> %-8s %016llx", s->index, s->layer, s->operation, s->slot,
           (unsigned long long)hash_of(s));
    if (s->floats) printf("  largest %-10.4g mean %.4g", most, mean);
    putchar('\n');
}

static int keep_step(struct reading *r, const apus_trace_step *s) {
    if (r->count == r->room) {
        size_t room = r->room ? 2 * r->room : 256;
        struct kept *more = realloc(r->kept, room * sizeof *more);
        if (!more) return 0;
        r->kept = more;
        r->room = room;
    }
    struct kept *k = &r->kept[r->count];
    *k = (struct kept){*s, malloc(s->columns * s->bytes + 1)};
    if (!k->data) return 0;
    for (uint32_t c = 0; c < s->columns; c++)
        memcpy(k->data + c * s->bytes, column_of(s, c), s->bytes);
    k->step.data = k->data;
    k->step.stride = s->bytes;
    r->count++;
    return 1;
}

static int is_same_step(const apus_trace_step *a, const apus_trace_step *b) {
    return a->index == b->index && !strcmp(a->slot, b->slot);
}

/* Prints where a column differs first. */
static void print_difference(const struct reading *r, const apus_trace_step *a,
                             const apus_trace_step *b, uint32_t column) {
    const unsigned char *p = column_of(a, column), *q = column_of(b, column);
    size_t at = 0, width = a->floats ? sizeof(float) : 1;
    while (p[at] == q[at]) at++;
    at /= width;
    char values[128];
    if (a->floats)
        snprintf(values, sizeof values, "%.9g and %.9g",
                 (double)((const float *)(const void *)p)[at],
                 (double)((const float *)(const void *)q)[at]);
    else
        snprintf(values, sizeof values, "%d and %d", p[at], q[at]);
    if (!r->settings->json) {
        printf(
            "%s and %s differ first at operation %u (layer %u, %s -> %s), column %u, %s %zu: %s\n",
            r->reference->name, r->name, a->index, a->layer, a->operation, a->slot, column,
            a->floats ? "value" : "byte", at, values);
        return;
    }
    json_t *object = json_object();
    json_object_set_new(object, "same", json_boolean(0));
    json_object_set_new(object, "index", json_integer(a->index));
    json_object_set_new(object, "layer", json_integer(a->layer));
    json_object_set_new(object, "operation", json_string(a->operation));
    json_object_set_new(object, "slot", json_string(a->slot));
    json_object_set_new(object, "column", json_integer(column));
    json_object_set_new(object, "at", json_integer((json_int_t)at));
    json_object_set_new(object, "values", json_string(values));
    json_print(object);
}

static void take_step(void *user, const apus_trace_step *s) {
    struct reading *r = user;
    if (!r->reference) {
        if (!keep_step(r, s)) r->faulty = 1;
        return;
    }
    if (r->differs) return;
    /* The reference has every operation. An engine that is read layer by layer has only some of
     * them. */
    size_t i = r->compared;
    while (i < r->reference->count && !is_same_step(&r->reference->kept[i].step, s)) i++;
    if (i == r->reference->count) return;
    r->compared = i + 1;
    const apus_trace_step *want = &r->reference->kept[i].step;
    for (uint32_t c = 0; c < s->columns && !r->differs; c++)
        if (memcmp(column_of(want, c), column_of(s, c), s->bytes)) {
            r->differs = 1;
            print_difference(r, want, s, c);
        }
    r->count++;
}

/* Reads the steps of a model on an engine. */
static int read_steps(struct reading *r, const struct ids *ids) {
    struct settings chosen = choose(r->settings, r->name);
    struct loaded loaded;
    chosen.model = r->model;
    int status = load_model(&loaded, &chosen);
    if (status) return status;
    apus_memory need = {.size = sizeof need};
    apus_trace_config config = {.size = sizeof config,
                                .model = loaded.model,
                                .ids = ids->ids,
                                .count = (uint32_t)ids->count,
                                .threads = (uint32_t)chosen.threads,
                                .step = take_step,
                                .user = r};
    void *memory = NULL;
    apus_status done = apus_trace_measure(&config, &need);
    if (done == APUS_OK) {
        memory = aligned_alloc(64, need.bytes);
        done = memory ? apus_trace(&config, memory, need.bytes) : APUS_E_SPACE;
    }
    if (done) status = fail_status(done, "tracing");
    if (!status && r->faulty) status = fail(EXIT_FAULT, "no memory left for what the pass wrote.");
    free(memory);
    unload(&loaded);
    return status;
}

static int trace_engines(const struct settings *settings, const struct ids *ids) {
    struct reading one = {
        .name = settings->trace_first, .model = settings->model, .settings = settings};
    int status = read_steps(&one, ids);
    if (!status && !settings->trace_second) {
        for (size_t i = 0; i < one.count; i++) print_step(&one.kept[i].step, settings->json);
        status = output_flush();
    } else if (!status) {
        /* The second engine may leave out steps, so it is compared with all those of the first. */
        struct reading two = {.name = settings->trace_second,
                              .model = settings->reference ? settings->reference : settings->model,
                              .settings = settings,
                              .reference = &one};
        status = read_steps(&two, ids);
        if (!status && !two.differs) {
            if (settings->json) {
                json_t *object = json_object();
                json_object_set_new(object, "same", json_boolean(1));
                json_object_set_new(object, "compared", json_integer((json_int_t)two.count));
                status = json_print(object);
            } else {
                printf("%s and %s have the same bits in all of the %zu places compared\n", one.name,
                       two.name, two.count);
                status = output_flush();
            }
        }
        if (!status && two.differs) status = EXIT_FAULT;
    }
    for (size_t i = 0; i < one.count; i++) free(one.kept[i].data);
    free(one.kept);
    return status;
}

static int trace_main(const struct settings *settings) {
    struct loaded loaded;
    struct ids ids = {NULL, 0, 0};
    if (!settings->trace_first)
        return fail(EXIT_USAGE, "no engine was given: name one, or two to be compared, such as ref "
                                "and avx2.");
    if (settings->reference && !settings->trace_second)
        return fail(EXIT_USAGE, "--other FILE is the blob of the second engine: name two.");
    if (!settings->ids)
        return fail(EXIT_USAGE, "no ids were given: use --ids LIST, such as --ids 1,2,3.");
    int status = load_blob(&loaded, settings->model);
    if (status) return status;
    status = input_ids(&ids, settings->ids, loaded.info.vocab);
    unload(&loaded);
    if (!status && ids.count > APUS_TRACE_IDS_MAX)
        status = fail(EXIT_USAGE, "%zu ids were given, at most %d can be traced.", ids.count,
                      APUS_TRACE_IDS_MAX);
    if (!status) status = trace_engines(settings, &ids);
    free(ids.ids);
    return status;
}

#endif

const struct command command_trace = {
    .name = "trace",
    .summary = "read a pass operation by operation, or find where two engines differ",
    .usage = "MODEL.apus A [B] --ids LIST [--other FILE]",
    .description =
        "For developers, in builds that have it (the preset dev). A and B are instruction sets "
        "(ref, avx2, avxvnni, avx512, neon) or engines (cpu, igpu, npu). With A alone prints what "
        "each "
        "operation of a pass over the ids wrote; with B, the first operation whose result differs, "
        "and exit status 1. igpu is read layer by layer.\n\nWith --json: an object a step (index, "
        "layer, operation, slot, hash, largest, mean), or one object (same, compared, or index, "
        "layer, operation, slot, column, at, values).",
    .example = "apus trace model.apus ref avx2 --ids 1604,803,24",
    .options = options,
    .options_count = COUNT_OF(options),
    .surplus = SURPLUS_TEXT,
    .operands = {OPERAND_MODEL, {"A", AT(trace_first), 0}, {"B", AT(trace_second), 0}},
    .main = trace_main,
};
