/* Writes the figures of a packing as JSON. */
#ifndef PACK_REPORT_H
#define PACK_REPORT_H

#include "weights/pack/quantize/conversion.h"

struct report {
    const struct plan *plan;
    const struct convert_error *error; /* [plan->model.tensors] */
    const double *kl;                  /* likewise, the KL that 4 bits cost; NULL if not measured */
    uint64_t file_bytes, model_hash;
    double seconds;
    const uint32_t *reached; /* [reached_count] of calibrate_reached */
    uint32_t reached_count;
    uint32_t calibration_windows, calibration_length; /* 0: none */
    unsigned threads;
};

/* Whether path may be written: there must be nothing, an empty file or an earlier report. False
 * with a sentence. */
bool report_check(const char *path, struct diag *d);
/* The file appears whole or not at all. */
bool report_write(const struct report *report, const char *path, struct diag *d);

uint64_t report_peak_bytes(void); /* the process's largest resident size so far */

/* Of every four weights of the layers' tensors along a row of the source at least two are 0: in
 * which part of all fours. */
double report_sparse(const struct report *report);

/* How many experts no token of the calibration chose. */
uint32_t report_never_reached(const struct report *report);

#endif
