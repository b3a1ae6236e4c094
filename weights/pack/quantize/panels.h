/* The byte layouts of weights/format.h, written from quantized rows. */
#ifndef PACK_PANELS_H
#define PACK_PANELS_H

#include "weights/pack/quantize/quantize.h"

/* Writes one panel of 16 rows, panel_bytes(type, cols) bytes, to out. rows: 1 .. 16; the rows after
 * them are written as absent. */
void layout_panel(enum weight_type type, uint32_t cols, const struct quantized_row *row,
                  uint32_t rows, uint8_t *out);

#endif
