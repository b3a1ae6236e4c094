#include "speculate/draft.h"

#include <assert.h>
#include <string.h>

#include "text/tokenizer.h"

/* The first of these markers that the vocabulary has, or -1. The names are those of model families
 * that are trained to fill in the middle. */
static int32_t find_marker(const struct vocab *v, const char *const *names) {
    for (; *names; names++) {
        int32_t id = tokenizer_special(v, (const uint8_t *)*names, strlen(*names));
        if (id >= 0) return id;
    }
    return -1;
}

static int is_renamed(const struct draft *d, int32_t id) {
    for (uint32_t i = 0; i < d->renamed.count; i++)
        if (d->renamed.ids[i] == (uint32_t)id) return 1;
    return 0;
}

/* Rows that only pad the draft's table were never trained, and may be pieces to the target. */
static int is_padding(const struct draft *d, int32_t id) {
    return vocab_type(&model_blob(d->sequence.model)->vocab, (uint32_t)id) == VOCAB_UNUSED &&
           vocab_type(d->target_vocab, (uint32_t)id) != VOCAB_UNUSED;
}

static int knows(const struct draft *d, int32_t id) {
    return id >= 0 && id < (int32_t)d->vocab && id != d->mask && !is_renamed(d, id) &&
           !is_padding(d, id);
}

void draft_open(struct draft *d, const struct blob *target, const struct pair_renamed *renamed,
                int32_t *ids, uint32_t *place, uint32_t positions) {
    static const char *const suffix[] = {"\xe2\x96\x81<SUF>", "<|fim_suffix|>", "<fim_suffix>",
                                         NULL};
    static const char *const middle[] = {"\xe2\x96\x81<MID>", "<|fim_middle|>", "<fim_middle>",
                                         NULL};
    assert(d->sequence.model && ids && place && positions >= DRAFT_POSITIONS_MIN);
    d->target_vocab = &target->vocab;
    d->ids = ids;
    d->place = place;
    d->positions = positions;
    d->count = d->source = 0;
    d->in_suffix = d->slid = d->broken = 0;
    d->whole = UINT32_MAX;
    d->vocab = pair_vocab(target, model_blob(d->sequence.model));
    d->renamed = *renamed;
    const struct blob_draft *own = model_draft(model_blob(d->sequence.model)->model);
    d->mask = own && own->mask != BLOB_ABSENT ? (int32_t)own->mask : -1;
    d->rows = 1;
    d->suffix = find_marker(&target->vocab, suffix);
    d->middle = find_marker(&target->vocab, middle);
    if (knows(d, d->suffix) || knows(d, d->middle))
        d->suffix = d->middle = -1; /* the draft knows at least one of them and is shown the
                                       suffix */
}

/* Whether the id at this position is in a suffix that the draft is not to see. */
static int is_in_suffix(const struct draft *d, const int32_t *context, uint32_t position) {
    if (d->suffix < 0) return 0;
    while (position && context[position - 1] != d->suffix && context[position - 1] != d->middle)
        position--;
    return position && context[position - 1] == d->suffix;
}

void draft_rewind(struct draft *d, const int32_t *context, uint32_t position) {
    if (position >= d->source) return;
    d->source = position;
    while (d->count && d->place[d->count - 1] >= position) d->count--;
    d->broken = 0;
    /* The ids before the draft's window are gone, so when little of the window is left, the draft
     * is shown the context again from the start. The quarter is chosen, not measured. */
    if (d->slid && d->count < d->positions / 4) d->source = position = d->count = 0;
    d->slid = d->slid && d->count > 1;
    sequence_rewind(&d->sequence, d->count);
    if (position <= d->whole) d->whole = UINT32_MAX;
    d->in_suffix = is_in_suffix(d, context, position);
}

void draft_skip(struct draft *d, const int32_t *context, uint32_t count, uint32_t keep) {
    if (count <= d->source + keep) return;
    if (d->whole > d->source) d->whole = d->source;
    d->source = count - keep;
    d->in_suffix = is_in_suffix(d, context, d->source);
}

/* Makes room. The first id (the beginning-of-text token where there is one) and the later half
 * stay. bench/speculation/window.py says why half, measured with SmolLM2-135M at 4 bits as the
 * draft of its 8 bits (docs/speculation.md). */
static void slide(struct draft *d) {
    uint32_t keep = d->count / 2, from = d->count - keep;
    memmove(d->ids + 1, d->ids + from, keep * sizeof *d->ids);
    memmove(d->place + 1, d->place + from, keep * sizeof *d->place);
    d->count = keep + 1;
    d->slid = 1;
    sequence_rewind(&d->sequence, 1);
}

static void put(struct draft *d, int32_t id, uint32_t place) {
    if ((uint32_t)id >= d->vocab) return;
    if (d->count == d->positions) slide(d);
    d->ids[d->count] = id;
    d->place[d->count++] = place;
}

/* Shows the draft one id of the context, as it is or as pieces. Where nothing can be shown for an
 * id, the draft does not learn that the id was chosen, and is likely to guess it again. */
static void show(struct draft *d, int32_t id, uint32_t place) {
    int32_t piece[TOKENIZER_PIECE_MAX];
    struct ids pieces = {piece, TOKENIZER_PIECE_MAX, 0};
    const uint8_t *bytes;
    if (id == d->suffix) d->in_suffix = 1;
    if (id == d->middle) d->in_suffix = 0;
    if (d->in_suffix) return;
    if (knows(d, id)) {
        put(d, id, place);
        return;
    }
    size_t n = tokenizer_piece(d->target_vocab, (uint32_t)id, 0, &bytes);
    if (n) tokenizer_encode_piece(&model_blob(d->sequence.model)->vocab, bytes, n, &pieces);
    if (pieces.count > pieces.capacity) pieces.count = pieces.capacity;
    for (size_t i = 0; i < pieces.count; i++) put(d, piece[i], place);
    if (pieces.count) d->split += (uint32_t)pieces.count - 1;
}

/* How many columns the next pass takes of `left`, the last `whole` of which go together: the last
 * id and the masks, whose rows of logits are those of the guesses. */
static uint32_t columns_of(const struct sequence *t, const int32_t *ids, uint32_t left,
                           uint32_t whole) {
    uint32_t columns = sequence_columns(t, ids, left);
    if (columns == left || left - columns >= whole) return columns;
    return left > whole ? left - whole : left;
}

apus_status draft_follow(struct draft *d, const int32_t *context, uint32_t count, uint32_t masks,
                         struct hal_stop stop) {
    struct sequence *t = &d->sequence;
    assert(!masks || (d->mask >= 0 && masks < HAL_LOGITS_MAX && masks < t->chunk));
    d->caught_up = d->split = 0;
    if (d->broken) return APUS_E_NUMERIC;
    for (; d->source < count; d->source++) show(d, context[d->source], d->source);
    if (!d->count) return APUS_OK;
    if (d->count + masks > d->positions) slide(d);
    if (t->evaluated == d->count && (masks || t->logits_at != d->count - 1)) sequence_again(t);
    for (uint32_t i = 0; i < masks; i++) d->ids[d->count + i] = d->mask;
    while (t->evaluated < d->count) {
        const int32_t *ids = d->ids + t->evaluated;
        uint32_t left = d->count + masks - t->evaluated,
                 columns = columns_of(t, ids, left, masks + 1), last = columns == left;
        apus_status status = sequence_pass(t, ids, columns, last ? masks + 1 : 0, stop);
        d->broken = status == APUS_E_NUMERIC;
        if (status) return status;
        d->caught_up += columns - (last ? masks : 0);
    }
    d->rows = masks + 1;
    if (masks) sequence_rewind(t, d->count);
    return APUS_OK;
}

apus_status draft_guess(struct draft *d, const struct sampler *sampler, uint32_t place,
                        uint32_t row, void *scratch, struct guess *guess) {
    if (!d->count) return APUS_E_ORDER;
    assert(d->sequence.evaluated == d->count && row < d->rows);
    assert(d->rows > 1 || d->sequence.logits_at == d->count - 1);
    const float *logits = sequence_logits(&d->sequence, d->sequence.logits - d->rows + row);
    apus_status status =
        sample_guess(sampler, logits, d->vocab, d->ids, d->count + row, place, scratch, guess);
    if (status) return status;
    if (row + 1 < d->rows) d->ids[d->count + row] = guess->id; /* the rules look back at it */
    if (!knows(d, guess->other)) guess->other = -1;
    return knows(d, guess->id) ? APUS_OK : APUS_E_ORDER;
}
