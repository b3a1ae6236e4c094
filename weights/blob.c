#include "weights/blob.h"

#include <assert.h>
#include <string.h>

#include "weights/blob_reader.h"
#include "weights/hash.h"

static const char *const section_names[BLOB_SECTIONS] = {"MODEL", "LAYERS", "TENSORS", "ROWS",
                                                         "ROPE",  "VOCAB",  "TEXT",    "WEIGHTS"};

const char *blob_section_name(uint32_t kind) {
    return kind < BLOB_SECTIONS ? section_names[kind] : NULL;
}

/* Index of the first byte that is not zero, or n. */
static uint64_t first_nonzero(const uint8_t *p, uint64_t n) {
    uint64_t i = 0;
    while (i < n && p[i] == 0) i++;
    return i;
}

/* ----------------------------------------------------------------------- header and sections -- */

static bool header_holds(struct reader *r) {
    const struct blob_header *h = r->blob.header;
    check_at(&r->c, "header", CHECK_NO_INDEX, NULL);
    uint64_t dirty = first_nonzero(h->zero, sizeof h->zero);
    return check_equal(&r->c, "header_bytes", h->header_bytes, sizeof *h) &&
           check_equal(&r->c, "sections", h->sections, BLOB_SECTIONS) &&
           check_equal(&r->c, "file_bytes", h->file_bytes, r->size) &&
           check_multiple(&r->c, "file_bytes", h->file_bytes, BLOB_ALIGN) &&
           (dirty == sizeof h->zero ||
            check_fail(&r->c, "padding byte # is #, must be 0", NULL,
                       CHECK_NUMBERS(sizeof *h - sizeof h->zero + dirty, h->zero[dirty])));
}

/* Each section begins at the next multiple of BLOB_ALIGN after the one before, and the file ends at
 * the next multiple after the last. So no sections overlap, and no bytes lie between them. size is
 * a multiple of BLOB_ALIGN, so rounding up never goes beyond it. */
static bool sections_hold(struct reader *r) {
    const struct blob_header *h = r->blob.header;
    uint64_t next = sizeof *h;
    for (uint32_t k = 0; k < BLOB_SECTIONS; k++) {
        const struct blob_section *s = &h->section[k];
        check_at(&r->c, "section", k, section_names[k]);
        if (!check_equal(&r->c, "offset", s->offset, next) ||
            !check_range(&r->c, "bytes", s->bytes, 0, r->size - next))
            return false;
        uint64_t end = next + s->bytes;
        next = (end + BLOB_ALIGN - 1) / BLOB_ALIGN * BLOB_ALIGN;
        uint64_t dirty = first_nonzero(r->data + end, next - end);
        if (dirty != next - end)
            return check_fail(&r->c, "padding byte # of the file is #, must be 0", NULL,
                              CHECK_NUMBERS(end + dirty, r->data[end + dirty]));
    }
    check_at(&r->c, "header", CHECK_NO_INDEX, NULL);
    return check_equal(&r->c, "file_bytes", h->file_bytes, next);
}

static bool hashes_hold(struct reader *r) {
    const struct blob_header *h = r->blob.header;
    check_at(&r->c, "header", CHECK_NO_INDEX, NULL);
    if (!check_hash(&r->c, "model_hash", h->model_hash, hash64(h->section, sizeof h->section)))
        return false;
    for (uint32_t k = 0; k < BLOB_WEIGHTS; k++) {
        check_at(&r->c, "section", k, section_names[k]);
        if (!check_hash(&r->c, "hash", h->section[k].hash,
                        hash64(section_at(r, k), (size_t)section_bytes(r, k))))
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------------------------- model -- */

/* 2^-40, 1, 2^-50, 2^50 as bits */
enum { EPS_LOW = 0x2B800000, ONE = 0x3F800000, FLOAT_LOW = 0x26800000, FLOAT_HIGH = 0x58800000 };

static uint32_t bits_of(float x) {
    union {
        float x;
        uint32_t b;
    } w = {.x = x};
    return w.b;
}

static bool model_holds(struct reader *r) {
    const struct blob_model *m = r->blob.model;
    struct check *c = &r->c;
    check_at(c, "model", CHECK_NO_INDEX, NULL);
    if (!check_range(c, "layers", m->layers, 1, BLOB_LAYERS_MAX) ||
        !check_range(c, "dim", m->dim, 1, BLOB_DIM_MAX) ||
        !check_range(c, "vocab", m->vocab, 1, BLOB_VOCAB_MAX) ||
        !check_range(c, "max_positions", m->max_positions, 1, BLOB_POSITIONS_MAX) ||
        !check_range(c, "head_dim", m->head_dim, 16, BLOB_HEAD_DIM_MAX) ||
        !check_multiple(c, "head_dim", m->head_dim, 16) ||
        !check_range(c, "tensors", m->tensors, 2, 2 + (uint64_t)m->layers * (LT_COUNT + 1)))
        return false;
    uint32_t eps = bits_of(m->eps);
    if (eps < EPS_LOW || eps > ONE)
        return check_fail(c, "eps has the bits $, must be a float from 2^-40 to 1", NULL,
                          CHECK_NUMBERS(eps));
    return check_range(c, "rotated", m->rotated, 0, 1) &&
           check_range(c, "embed", m->embed, 0, m->tensors - 1) &&
           check_range(c, "head", m->head, 0, m->tensors - 1);
}

/* The bytes that MODEL has as far as its records are read: they say themselves what follows. */
static uint64_t model_bytes(const struct blob_model *m) {
    const struct blob_draft *d = model_draft(m);
    return sizeof *m + (d ? sizeof *d + d->head_rows * sizeof(uint32_t) : 0);
}

/* What follows the model record: the ids of the head's rows are a subset of all, in order. */
static bool draft_holds(struct reader *r) {
    const struct blob_model *m = r->blob.model;
    const struct blob_draft *d = model_draft(m);
    struct check *c = &r->c;
    if (!d) return true;
    check_at(c, "model", CHECK_NO_INDEX, NULL);
    if (d->mask != BLOB_ABSENT && !check_range(c, "mask", d->mask, 0, m->vocab - 1)) return false;
    for (uint32_t i = 0; i < d->head_rows; i++) {
        uint64_t least = i ? (uint64_t)head_ids(d)[i - 1] + 1 : 0;
        if (head_ids(d)[i] < least || head_ids(d)[i] >= m->vocab)
            return check_fail(c, "id # of the head is #, must be # to #", NULL,
                              CHECK_NUMBERS(i, head_ids(d)[i], least, m->vocab - 1));
    }
    return true;
}

/* The variants behind the layers: whole records, at most one for each layer. */
static bool layers_fit(struct reader *r) {
    const uint64_t layers = r->blob.model->layers, first = layers * sizeof(struct blob_layer),
                   bytes = section_bytes(r, BLOB_LAYERS), one = sizeof(struct blob_variant);
    check_at(&r->c, "section", BLOB_LAYERS, section_names[BLOB_LAYERS]);
    if (!check_range(&r->c, "bytes", bytes, first, first + layers * one)) return false;
    if ((bytes - first) % one)
        return check_fail(&r->c, "bytes is #, must be # and a multiple of # more", NULL,
                          CHECK_NUMBERS(bytes, first, one));
    r->blob.layer_count = (uint16_t)layers;
    r->blob.variant_count = (uint16_t)((bytes - first) / one);
    return true;
}

/* The sections whose size follows from the model record. Of ROPE's tables there may be two, which
 * rotations_hold checks. */
static bool sizes_hold(struct reader *r) {
    const struct blob_model *m = r->blob.model;
    const uint64_t rope = (uint64_t)m->max_positions * m->head_dim * sizeof(float);
    r->blob.rope_tables = section_bytes(r, BLOB_ROPE) == 2 * rope ? 2 : 1;
    const uint64_t expected[] = {[BLOB_TENSORS] = m->tensors * sizeof(struct blob_tensor),
                                 [BLOB_ROPE] = r->blob.rope_tables * rope};
    if (!layers_fit(r)) return false;
    for (uint32_t k = BLOB_TENSORS; k <= BLOB_ROPE; k++) {
        check_at(&r->c, "section", k, section_names[k]);
        if (k == BLOB_ROWS
                ? !check_multiple(&r->c, "bytes", section_bytes(r, k), PANEL_ROWS * sizeof(float))
                : !check_equal(&r->c, "bytes", section_bytes(r, k), expected[k]))
            return false;
    }
    return true;
}

static bool text_holds(struct reader *r) {
    const struct blob_model *m = r->blob.model;
    uint64_t bytes = section_bytes(r, BLOB_TEXT);
    check_at(&r->c, "section", BLOB_TEXT, section_names[BLOB_TEXT]);
    if (!check_range(&r->c, "bytes", bytes, 1, UINT32_MAX) ||
        !check_equal(&r->c, "first byte", (uint8_t)r->blob.text[0], 0) ||
        !check_equal(&r->c, "last byte", (uint8_t)r->blob.text[bytes - 1], 0))
        return false;
    check_at(&r->c, "model", CHECK_NO_INDEX, NULL);
    return check_range(&r->c, "name", m->name, 0, bytes - 1) &&
           check_range(&r->c, "architecture", m->architecture, 0, bytes - 1) &&
           check_range(&r->c, "provenance", m->provenance, 0, bytes - 1);
}

/* Every float is +0 or its magnitude is from 2^-50 to high (as bits). The first loop never exits
 * early, so that it runs at memory speed. */
static bool floats_hold(struct reader *r, uint32_t kind, const float *x, uint32_t high) {
    size_t count = (size_t)(section_bytes(r, kind) / sizeof(float));
    uint32_t bad = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t b = bits_of(x[i]);
        bad |= (b != 0) & ((b & 0x7fffffffu) - FLOAT_LOW > high - FLOAT_LOW);
    }
    if (!bad) return true;
    for (size_t i = 0; i < count; i++) {
        uint32_t b = bits_of(x[i]);
        if (b == 0 || (b & 0x7fffffffu) - FLOAT_LOW <= high - FLOAT_LOW) continue;
        check_at(&r->c, "section", kind, section_names[kind]);
        check_fail(&r->c, "float # has the bits $, must be +0 or a magnitude with bits $ to $",
                   NULL, CHECK_NUMBERS(i, b, FLOAT_LOW, high));
        break;
    }
    return false;
}

/* ----------------------------------------------------------------------------------- tensors -- */

/* The name is printable, so that messages can quote it. It has a zero at its end and only zeros
 * after that. */
static bool name_holds(struct reader *r, uint32_t index, const struct blob_tensor *t) {
    size_t length = 0;
    while (length < sizeof t->name && t->name[length] > ' ' && t->name[length] < 127) length++;
    check_at(&r->c, "tensor", index, NULL);
    if (length == 0 || length == sizeof t->name || t->name[length] != 0)
        return check_fail(
            &r->c, "name has byte # at #, must be 1 to # printable characters and a zero", NULL,
            CHECK_NUMBERS(length < sizeof t->name ? (uint8_t)t->name[length] : 0, length,
                          sizeof t->name - 1));
    uint64_t left = sizeof t->name - length;
    return first_nonzero((const uint8_t *)t->name + length, left) == left ||
           check_fail(&r->c, "name has bytes after its end", NULL, NULL);
}

bool blob_run_holds(struct reader *r, const char *field, uint32_t first, uint32_t rows) {
    uint64_t count = section_bytes(r, BLOB_ROWS) / sizeof(float), padded = padded_rows(rows);
    if (!check_multiple(&r->c, field, first, PANEL_ROWS)) return false;
    if (padded > count || first > count - padded)
        return check_fail(&r->c, "@ is #, and # floats from there pass the # of ROWS", field,
                          CHECK_NUMBERS(first, padded, count));
    for (uint64_t i = rows; i < padded; i++) {
        uint32_t b = bits_of(r->blob.rows[first + i]);
        if (b)
            return check_fail(&r->c, "@: float # past the rows has the bits $, must be +0", field,
                              CHECK_NUMBERS(i, b));
    }
    return true;
}

/* Each tensor lies after the one before it, so one pass shows that none overlap. */
static bool tensors_hold(struct reader *r) {
    uint64_t next = 0, weights = section_bytes(r, BLOB_WEIGHTS);
    for (uint32_t i = 0; i < r->blob.model->tensors; i++) {
        const struct blob_tensor *t = &r->blob.tensors[i];
        struct check *c = &r->c;
        if (!name_holds(r, i, t)) return false;
        check_at(c, "tensor", i, t->name);
        if (!check_range(c, "type", t->type, 1, WEIGHT_TYPES - 1) ||
            !check_range(c, "rows", t->rows, 1, BLOB_VOCAB_MAX) ||
            !check_range(c, "cols", t->cols, 1, BLOB_DIM_MAX) ||
            !check_equal(c, "zero", tensor_zero(t), 0) ||
            !check_equal(c, "bytes", t->bytes, weight_bytes(t->type, t->rows, t->cols)) ||
            !check_multiple(c, "offset", t->offset, BLOB_ALIGN))
            return false;
        if (t->offset < next || t->offset > weights || t->bytes > weights - t->offset)
            return check_fail(c, "# bytes at # of WEIGHTS, must lie between # and #", NULL,
                              CHECK_NUMBERS(t->bytes, t->offset, next, weights));
        next = t->offset + t->bytes;
        if (!blob_run_holds(r, "row_scales", t->row_scales, t->rows)) return false;
        for (uint32_t k = 0; k < ROW_RUNS; k++) {
            uint32_t at = tensor_run(t, (enum row_run)k);
            if (at != BLOB_ABSENT && !blob_run_holds(r, row_run_names[k], at, t->rows))
                return false;
        }
    }
    return true;
}

/* -------------------------------------------------------------------------------------- open -- */

static bool vocab_holds(struct reader *r) {
    const char *why = "";
    check_at(&r->c, "section", BLOB_VOCAB, section_names[BLOB_VOCAB]);
    if (vocab_open(&r->blob.vocab, section_at(r, BLOB_VOCAB), (size_t)section_bytes(r, BLOB_VOCAB),
                   &why) != APUS_OK)
        return check_fail(&r->c, "@", why, NULL);
    return check_equal(&r->c, "rows", r->blob.vocab.header->rows, r->blob.model->vocab);
}

/* The section holds the records that are read from it, and nothing else. Each is read once that is
 * known of it. */
static bool model_fits(struct reader *r, const struct blob_model *m) {
    struct check *c = &r->c;
    uint64_t bytes = section_bytes(r, BLOB_MODEL), least = sizeof *m;
    check_at(c, "section", BLOB_MODEL, section_names[BLOB_MODEL]);
    if (!check_range(c, "bytes", bytes, least, UINT64_MAX)) return false;
    if (m->draft > 1) {
        check_at(c, "model", CHECK_NO_INDEX, NULL);
        return check_range(c, "draft", m->draft, 0, 1);
    }
    const struct blob_draft *d = model_draft(m);
    if (d) {
        if (!check_range(c, "bytes", bytes, least + sizeof *d, UINT64_MAX)) return false;
        check_at(c, "model", CHECK_NO_INDEX, NULL);
        if (!check_range(c, "vocab", m->vocab, 1, BLOB_VOCAB_MAX) ||
            !check_range(c, "head_rows", d->head_rows, 0, m->vocab - 1) ||
            !check_equal(c, "zero", d->zero[0] | d->zero[1], 0))
            return false;
        check_at(c, "section", BLOB_MODEL, section_names[BLOB_MODEL]);
    }
    return check_equal(c, "bytes", bytes, model_bytes(m));
}

static bool blob_holds(struct reader *r) {
    struct blob *b = &r->blob;
    if (!header_holds(r) || !sections_hold(r) || !hashes_hold(r) ||
        !model_fits(r, section_at(r, BLOB_MODEL)))
        return false;
    b->model = section_at(r, BLOB_MODEL);
    if (!model_holds(r) || !draft_holds(r) || !sizes_hold(r)) return false;
    b->layers = section_at(r, BLOB_LAYERS);
    b->tensors = section_at(r, BLOB_TENSORS);
    b->rows = section_at(r, BLOB_ROWS);
    b->rope = section_at(r, BLOB_ROPE);
    b->text = section_at(r, BLOB_TEXT);
    b->weights = section_at(r, BLOB_WEIGHTS);
    return text_holds(r) && floats_hold(r, BLOB_ROWS, b->rows, FLOAT_HIGH) &&
           floats_hold(r, BLOB_ROPE, b->rope, ONE) && tensors_hold(r) && blob_layers_hold(r) &&
           vocab_holds(r);
}

apus_status blob_open(struct blob *blob, const void *data, size_t size, char why[BLOB_WHY]) {
    assert(blob && why);
    struct reader r = {.c = {.why = why, .why_bytes = BLOB_WHY}, .data = data, .size = size};
    check_at(&r.c, "blob", CHECK_NO_INDEX, NULL);
    if (!data || (uintptr_t)data % BLOB_ALIGN) {
        check_fail(&r.c, "the data's address is $, must be a multiple of # and not 0", NULL,
                   CHECK_NUMBERS((uintptr_t)data, BLOB_ALIGN));
        return APUS_E_ARGUMENT;
    }
    if (!check_range(&r.c, "size", size, sizeof(struct blob_header), SIZE_MAX))
        return APUS_E_FORMAT;
    r.blob.header = data;
    if (memcmp(r.blob.header->magic, "APUS", 4) != 0) {
        uint32_t magic;
        memcpy(&magic, data, 4);
        check_fail(&r.c, "not an Apus blob: the first four bytes are $, must be $", NULL,
                   CHECK_NUMBERS(magic, 0x53555041));
        return APUS_E_FORMAT;
    }
    check_at(&r.c, "header", CHECK_NO_INDEX, NULL);
    if (!check_equal(&r.c, "version", r.blob.header->version, BLOB_VERSION)) return APUS_E_VERSION;
    if (!blob_holds(&r)) return APUS_E_FORMAT;
    r.blob.mark = blob_mark(&r.blob);
    r.blob.size = size;
    r.blob.text_bytes = (uint32_t)section_bytes(&r, BLOB_TEXT);
    r.blob.model_bytes = (uint32_t)section_bytes(&r, BLOB_MODEL);
    r.blob.tensor_count = (uint16_t)r.blob.model->tensors;
    *blob = r.blob;
    return APUS_OK;
}

/* ----------------------------------------------------------------------------------- records -- */

/* The room for MODEL; what comes after it is 8-aligned. */
static uint32_t model_room(const struct blob *b) { return (b->model_bytes + 7) / 8 * 8; }

uint64_t blob_records_bytes(const struct blob *b) {
    assert(blob_is_open(b));
    return sizeof(struct blob_header) + model_room(b) + sizeof(struct vocab_header) +
           (uint64_t)b->layer_count * sizeof(struct blob_layer) +
           (uint64_t)b->variant_count * sizeof(struct blob_variant) +
           (uint64_t)b->tensor_count * sizeof(struct blob_tensor);
}

static bool own_vocab(struct reader *r, struct vocab_header *header) {
    const char *why = "";
    check_at(&r->c, "section", BLOB_VOCAB, section_names[BLOB_VOCAB]);
    return vocab_own_header(&r->blob.vocab, header, section_at(r, BLOB_VOCAB),
                            (size_t)section_bytes(r, BLOB_VOCAB), &why) == APUS_OK ||
           check_fail(&r->c, "@", why, NULL);
}

/* Each record is read once, into the copy, and from then on only the copy is used. */
static bool records_hold(struct reader *r, const struct blob *from, uint8_t *memory) {
    struct blob *b = &r->blob;
    b->header = (const struct blob_header *)(const void *)memcpy(memory, r->data,
                                                                 sizeof(struct blob_header));
    if (!header_holds(r) || !sections_hold(r)) return false;
    check_at(&r->c, "section", BLOB_MODEL, section_names[BLOB_MODEL]);
    if (!check_equal(&r->c, "bytes", section_bytes(r, BLOB_MODEL), from->model_bytes)) return false;
    memory += sizeof(struct blob_header);
    b->model = (const struct blob_model *)(const void *)memcpy(memory, section_at(r, BLOB_MODEL),
                                                               from->model_bytes);
    memory += model_room(from);
    if (!model_fits(r, b->model)) return false;
    if (!own_vocab(r, (struct vocab_header *)(void *)memory)) return false;
    memory += sizeof(struct vocab_header);
    if (!model_holds(r) || !draft_holds(r) ||
        !check_equal(&r->c, "layers", b->model->layers, from->layer_count) ||
        !check_equal(&r->c, "tensors", b->model->tensors, from->tensor_count) ||
        !check_equal(&r->c, "vocab", b->model->vocab, b->vocab.header->rows) || !sizes_hold(r) ||
        !check_equal(&r->c, "variants", b->variant_count, from->variant_count) ||
        !check_equal(&r->c, "tables of RoPE", b->rope_tables, from->rope_tables))
        return false;
    size_t layers = (size_t)section_bytes(r, BLOB_LAYERS),
           tensors = (size_t)section_bytes(r, BLOB_TENSORS);
    b->layers =
        (const struct blob_layer *)(const void *)memcpy(memory, section_at(r, BLOB_LAYERS), layers);
    b->tensors = (const struct blob_tensor *)(const void *)memcpy(
        memory + layers, section_at(r, BLOB_TENSORS), tensors);
    b->rows = section_at(r, BLOB_ROWS);
    b->rope = section_at(r, BLOB_ROPE);
    b->text = section_at(r, BLOB_TEXT);
    b->weights = section_at(r, BLOB_WEIGHTS);
    b->text_bytes = (uint32_t)section_bytes(r, BLOB_TEXT);
    b->model_bytes = from->model_bytes;
    return text_holds(r) && tensors_hold(r) && blob_layers_hold(r);
}

apus_status blob_copy_records(struct blob *to, const struct blob *from, void *memory,
                              char why[BLOB_WHY]) {
    assert(to && blob_is_open(from) && memory && (uintptr_t)memory % 8 == 0 && why);
    struct reader r = {.c = {.why = why, .why_bytes = BLOB_WHY},
                       .data = (const uint8_t *)from->header,
                       .size = from->size,
                       .blob = *from};
    if (!records_hold(&r, from, memory)) return APUS_E_FORMAT;
    r.blob.mark = blob_mark(&r.blob);
    *to = r.blob;
    return APUS_OK;
}

/* -------------------------------------------------------------------------------- afterwards -- */

uint32_t blob_verify(const struct blob *blob) {
    assert(blob_is_open(blob));
    const struct blob_header *h = blob->header;
    uint32_t k = 0;
    while (k < BLOB_SECTIONS) {
        const struct blob_section *s = &h->section[k];
        if (hash64((const uint8_t *)h + (size_t)s->offset, (size_t)s->bytes) != s->hash) break;
        k++;
    }
    return k;
}

uint64_t blob_tensor_bytes(const struct blob_tensor *t) {
    uint64_t run = (uint64_t)padded_rows(t->rows) * sizeof(float);
    uint64_t bytes = t->bytes + run;
    for (uint32_t k = 0; k < ROW_RUNS; k++)
        if (tensor_run(t, (enum row_run)k) != BLOB_ABSENT) bytes += run;
    return bytes;
}

/* The part of a layer's experts that a pass of so many columns reads, as far as that can be known
 * before: each column chooses `active` of them, independently and all alike. 1 where the layer has
 * none. */
static double read_part(const struct blob_variant *v, uint32_t columns) {
    double others = 1;
    if (!v->experts) return 1;
    for (uint32_t i = 0; i < columns; i++) others *= 1 - (double)v->active / (double)v->experts;
    return 1 - others;
}

/* Bytes, and weights, of a tensor that a pass reads; of none for an index that the blob does not
 * have. */
static struct blob_read tensor_read(const struct blob *b, uint32_t index) {
    if (index >= b->tensor_count) return (struct blob_read){0, 0};
    const struct blob_tensor *t = &b->tensors[index];
    return (struct blob_read){blob_tensor_bytes(t), (uint64_t)t->rows * t->cols};
}

struct blob_read blob_pass_read(const struct blob *blob, uint32_t columns) {
    assert(blob_is_open(blob));
    struct blob_read sum = tensor_read(blob, blob->model->head);
    for (uint32_t i = 0; i < blob->layer_count; i++) {
        const struct blob_layer *layer = &blob->layers[i];
        const struct blob_variant *v = layer->variant <= blob->variant_count
                                           ? layer_variant(layer, blob_variants(blob))
                                           : plain_variant();
        const struct blob_read router = tensor_read(blob, v->router);
        sum.bytes += router.bytes, sum.weights += router.weights;
        for (uint32_t k = 0; k < LT_COUNT; k++) {
            const struct blob_read all = tensor_read(blob, layer->tensor[k]);
            const double part = role_has_experts(&layer_roles[k]) ? read_part(v, columns) : 1;
            sum.bytes += (uint64_t)((double)all.bytes * part + 0.5);
            sum.weights += (uint64_t)((double)all.weights * part + 0.5);
        }
    }
    return sum;
}
