#include "weights/pack/report.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "apps/kit/outfile.h"

/* Read from /proc, because the value of getrusage begins with the size of the program that started
 * this one. */
uint64_t report_peak_bytes(void) {
    unsigned long long kilobytes = 0;
    char line[256];
    FILE *file = fopen("/proc/self/status", "r");
    while (file && kilobytes == 0 && fgets(line, sizeof line, file))
        if (strncmp(line, "VmHWM:", 6) == 0) kilobytes = strtoull(line + 6, NULL, 10);
    if (file) fclose(file);
    struct rusage usage;
    if (kilobytes == 0 && getrusage(RUSAGE_SELF, &usage) == 0)
        kilobytes = (unsigned long long)usage.ru_maxrss;
    return kilobytes * 1024;
}

static json_t *notes(const char *at) {
    json_t *list = json_array();
    while (*at) {
        const char *end = strstr(at, "; ");
        size_t length = end ? (size_t)(end - at) : strlen(at);
        json_array_append_new(list, json_stringn(at, length));
        at += length + (end ? 2 : 0);
    }
    return list;
}

static json_t *tensors(const struct report *report) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < report->plan->model.tensors; i++) {
        const struct blob_tensor *record = &report->plan->tensors[i].record;
        const struct convert_error *error = &report->error[i];
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:f}", "name",
                            record->name, "source", report->plan->tensors[i].from->name,
                            "source_type", report->plan->tensors[i].from->type, "type",
                            weight_traits(record->type)->name, "rows", (json_int_t)record->rows,
                            "cols", (json_int_t)record->cols, "bytes", (json_int_t)record->bytes,
                            "relative_rms_error", error->relative_rms, "mean_squared_error",
                            error->mean_square, "max_error", error->max, "two_of_four_zero",
                            error->sparse));
        if (report->kl && i != report->plan->model.embed && i != report->plan->model.head)
            json_object_set_new(json_array_get(list, i), "kl_at_4_bits", json_real(report->kl[i]));
    }
    return list;
}

/* How many tokens of the calibration chose each expert, and which experts none did. */
static json_t *experts(const struct report *report) {
    const struct plan *plan = report->plan;
    json_t *list = json_array();
    for (uint32_t i = 0, at = 0; i < plan->model.layers; i++) {
        const struct blob_variant *v = layer_variant(&plan->layers[i], plan->variants);
        if (!v->experts) continue;
        json_t *tokens_of = json_array(), *none = json_array();
        for (uint32_t e = 0; e < v->experts; e++) {
            const uint32_t tokens = report->reached[at + e];
            json_array_append_new(tokens_of, json_integer((json_int_t)tokens));
            if (!tokens) json_array_append_new(none, json_integer((json_int_t)e));
        }
        json_array_append_new(list, json_pack("{s:I, s:o, s:o}", "layer", (json_int_t)i, "tokens",
                                              tokens_of, "never_reached", none));
        at += v->experts;
    }
    return list;
}

uint32_t report_never_reached(const struct report *report) {
    uint32_t never = 0;
    for (uint32_t i = 0; i < report->reached_count; i++) never += !report->reached[i];
    return never;
}

double report_sparse(const struct report *report) {
    const struct blob_model *model = &report->plan->model;
    double sparse = 0, all = 0;
    for (uint32_t i = 0; i < model->tensors; i++) {
        if (i == model->embed || i == model->head) continue;
        const struct blob_tensor *record = &report->plan->tensors[i].record;
        const double quads = (double)record->rows * ((record->cols + 3) / 4);
        sparse += report->error[i].sparse * quads, all += quads;
    }
    return sparse / all;
}

enum { REPORT_MOST = 256 << 20 }; /* bytes; a tensor takes about three hundred */

/* Whether the file is a JSON object with the keys that only reports have. */
static bool is_report(int fd) {
    struct stat st;
    json_t *all =
        fstat(fd, &st) == 0 && st.st_size <= REPORT_MOST ? json_loadfd(fd, 0, NULL) : NULL;
    bool good = json_object_get(all, "layer_bits_per_weight") &&
                json_object_get(all, "peak_rss_bytes") && json_object_get(all, "tensors");
    json_decref(all);
    return good;
}

static const struct outfile_kind REPORT = {"report of apus-pack", is_report};

bool report_check(const char *path, struct diag *d) {
    char why[OUTFILE_WHY];
    return outfile_check(path, &REPORT, why) || diag_fail(d, "%s", why);
}

bool report_write(const struct report *report, const char *path, struct diag *d) {
    const struct plan *plan = report->plan;
    char hash[17];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)report->model_hash);
    json_t *all = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:I, s:I, s:{s:I, s:I}, "
        "s:o, s:o}",
        "name", plan->text + plan->model.name, "architecture",
        plan->text + plan->model.architecture, "provenance", plan->text + plan->model.provenance,
        "hash", hash, "weights", plan->layer_bits == 4 ? "int4" : "int8", "rotated",
        (int)plan->model.rotated, "parameters", (json_int_t)plan->model.parameters, "positions",
        (json_int_t)plan->model.max_positions, "bytes", (json_int_t)report->file_bytes,
        "bits_per_weight", plan_bits_per_weight(plan), "layer_bits_per_weight",
        plan_layer_bits(plan), "two_of_four_zero", report_sparse(report), "seconds",
        report->seconds, "threads", (json_int_t)report->threads, "peak_rss_bytes",
        (json_int_t)report_peak_bytes(), "calibration", "windows",
        (json_int_t)report->calibration_windows, "tokens", (json_int_t)report->calibration_length,
        "notes", notes(plan->notes), "tensors", tensors(report));
    if (!all)
        return diag_fail(
            d, "%s cannot be written: a name of the model is not UTF-8, or memory is short", path);
    if (report->reached_count) json_object_set_new(all, "experts", experts(report));
    char *text = json_dumps(all, JSON_INDENT(2));
    json_decref(all);
    if (!text) return diag_fail(d, "out of memory for the report");
    struct outfile out;
    bool good = outfile_open(&out, path, &REPORT) && outfile_put(&out, 0, text, strlen(text)) &&
                outfile_put(&out, strlen(text), "\n", 1) && outfile_commit(&out);
    if (!good) outfile_abandon(&out);
    free(text);
    return good || diag_fail(d, "%s", out.why);
}
