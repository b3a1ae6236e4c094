#include "weights/pack/result.h"

#include <stdio.h>
#include <string.h>

#include "apps/kit/json.h"
#include "apps/kit/terminal.h"

enum { FEW_TOKENS = 2048 };

static const char *not_calibrated(const struct settings *settings, const struct plan *plan) {
    if (!settings->no_calibrate)
        return "Not calibrated: the tokenizer has no id for the calibration text.";
    return plan->layer_bits == 4
               ? "Not calibrated: each weight was rounded by itself. At 4 bits that changes every "
                 "third or fourth token of a small model."
               : "Not calibrated: each weight was rounded by itself. At 8 bits a small model is "
                 "then 1.7 times as far from the original.";
}

static void print_object(const struct settings *settings, const struct report *report,
                         uint32_t resumed, bool calibrated) {
    const struct plan *plan = report->plan;
    const char *name = plan->text + plan->model.name;
    json_t *object = json_object();
    json_object_set_new(object, "output", json_bytes(settings->out, strlen(settings->out)));
    json_object_set_new(object, "name", json_bytes(name, strlen(name)));
    json_object_set_new(object, "parameters", json_integer((json_int_t)plan->model.parameters));
    json_object_set_new(object, "layer_bits", json_integer(plan->layer_bits));
    json_object_set_new(object, "bits_per_weight", json_number(plan_layer_bits(plan)));
    json_object_set_new(object, "two_of_four_zero", json_number(report_sparse(report)));
    json_object_set_new(object, "bytes", json_integer((json_int_t)report->file_bytes));
    json_object_set_new(object, "seconds", json_number(report->seconds));
    json_object_set_new(object, "resumed_tensors", json_integer(resumed));
    json_object_set_new(object, "calibrated", json_boolean(calibrated));
    json_put(object); /* main checks whether standard output took it */
}

void result_say(const struct settings *settings, const struct report *report, uint32_t resumed,
                bool calibrated) {
    const struct plan *plan = report->plan;
    const uint32_t tokens = report->calibration_windows * report->calibration_length;
    if (settings->json) print_object(settings, report, resumed, calibrated);
    if (settings->json || settings->quiet) return;
    printf("%s: %s, %.1f M parameters, int%u layers at %.2f bits, %.1f MB, packed in %.1f s\n",
           terminal_shown(settings->out), terminal_shown(plan->text + plan->model.name),
           (double)plan->model.parameters / 1e6, plan->layer_bits, plan_layer_bits(plan),
           (double)report->file_bytes / 1e6, report->seconds);
    if (resumed)
        printf("Went on after %u of %u tensors, which an earlier run had finished.\n", resumed,
               plan->model.tensors);
    if (!calibrated) printf("%s\n", not_calibrated(settings, plan));
    uint32_t sparse = 0;
    for (uint32_t i = 0; i < plan->model.tensors; i++)
        sparse += weight_traits(plan->tensors[i].record.type)->sparse;
    if (sparse)
        printf("%u tensors keep two of every four weights. In the source %.1f %% of all fours of "
               "layers' weights have two zeros.\n",
               sparse, 100 * report_sparse(report));
    const uint32_t never = report_never_reached(report);
    if (never)
        printf("%u of %u experts were chosen by no token of the calibration: their down matrices "
               "were only rounded.\n",
               never, report->reached_count);
    if (calibrated && settings->calibrate && tokens < FEW_TOKENS)
        printf("Calibrated on %u tokens only: errors were kept from them at the cost of everything "
               "else. Give more text.\n",
               tokens);
}
