/* Reads SentencePiece's tokenizer.model, a protobuf message, without a library. The fields that
 * count, from sentencepiece_model.proto:
 *   ModelProto      1 pieces*  2 trainer_spec  3 normalizer_spec
 *   SentencePiece   1 piece  2 score  3 type (1 if absent)
 *   TrainerSpec     3 model_type (2: BPE)  24 treat_whitespace_as_suffix  35 byte_fallback
 *                   40 unk_id  41 bos_id  42 eos_id
 *   NormalizerSpec  2 precompiled_charsmap  3 add_dummy_prefix (true)
 *                   4 remove_extra_whitespaces (true)  5 escape_whitespaces (true)
 * added_tokens.json and tokenizer_config.json may lie beside it. */
#include <stdlib.h>
#include <string.h>

#include "weights/pack/vocab/vocab_files.h"

struct message {
    const uint8_t *at, *end;
};
struct proto {
    uint32_t number, wire;
    uint64_t value;      /* a varint's value, or the bits of a fixed-size field */
    struct message body; /* wire type 2 */
};

static bool varint(struct message *m, uint64_t *value) {
    *value = 0;
    for (unsigned shift = 0; m->at < m->end && shift < 64; shift += 7) {
        uint8_t byte = *m->at++;
        *value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return true;
    }
    return false;
}

/* Reads the next field. 1: there was one; 0: the message ends; -1: it is damaged. */
static int next_field(struct message *m, struct proto *f) {
    uint64_t key, length;
    if (m->at == m->end) return 0;
    if (!varint(m, &key) || key >> 3 == 0 || key >> 3 > UINT32_MAX) return -1;
    f->number = (uint32_t)(key >> 3);
    f->wire = key & 7;
    f->value = 0;
    if (f->wire == 0) return varint(m, &f->value) ? 1 : -1;
    if (f->wire == 2) {
        if (!varint(m, &length) || length > (uint64_t)(m->end - m->at)) return -1;
        f->body = (struct message){m->at, m->at + length};
        m->at += length;
        return 1;
    }
    size_t n = f->wire == 1 ? 8 : f->wire == 5 ? 4 : 0;
    if (n == 0 || (size_t)(m->end - m->at) < n) return -1;
    for (size_t i = 0; i < n; i++) f->value |= (uint64_t)m->at[i] << (8 * i);
    m->at += n;
    return 1;
}

/* A message SentencePiece, as it was read. */
struct piece {
    struct message text;
    float score;
    uint64_t type;
};

static bool read_piece(struct message m, struct piece *p) {
    struct proto f;
    int more;
    *p = (struct piece){.type = VOCAB_NORMAL};
    while ((more = next_field(&m, &f)) > 0) {
        if (f.number == 1 && f.wire == 2) p->text = f.body;
        if (f.number == 2 && f.wire == 5) {
            uint32_t bits = (uint32_t)f.value;
            memcpy(&p->score, &bits, 4);
        }
        if (f.number == 3 && f.wire == 0) p->type = f.value;
    }
    return more == 0;
}

struct specs {
    uint64_t model_type, suffix, byte_fallback, dummy_prefix, remove_extra, escape;
    int64_t unk, bos, eos;
    size_t charsmap;
};

static bool read_specs(struct message m, uint32_t which, struct specs *s) {
    struct proto f;
    int more;
    while ((more = next_field(&m, &f)) > 0) {
        if (which == 2 && f.wire == 0) {
            if (f.number == 3) s->model_type = f.value;
            if (f.number == 24) s->suffix = f.value;
            if (f.number == 35) s->byte_fallback = f.value;
            if (f.number == 40) s->unk = (int32_t)f.value;
            if (f.number == 41) s->bos = (int32_t)f.value;
            if (f.number == 42) s->eos = (int32_t)f.value;
        }
        if (which == 3 && f.wire == 2 && f.number == 2)
            s->charsmap = (size_t)(f.body.end - f.body.at);
        if (which == 3 && f.wire == 0) {
            if (f.number == 3) s->dummy_prefix = f.value;
            if (f.number == 4) s->remove_extra = f.value;
            if (f.number == 5) s->escape = f.value;
        }
    }
    return more == 0;
}

static bool check_specs(const struct specs *s, struct diag *d) {
    if (s->model_type != 2)
        return diag_fail(d, "the SentencePiece model is of type %llu where 2 (BPE) is expected",
                         (unsigned long long)s->model_type);
    if (!s->byte_fallback)
        return diag_fail(d, "the SentencePiece model has no byte fallback, which is not supported");
    if (s->charsmap)
        return diag_fail(d, "the SentencePiece model normalizes text, which is not supported (only "
                            "\"identity\" is)");
    if (s->remove_extra)
        return diag_fail(
            d, "the SentencePiece model removes extra white space, which is not supported");
    if (!s->escape)
        return diag_fail(
            d, "the SentencePiece model does not escape white space, which is not supported");
    if (s->suffix)
        return diag_fail(
            d, "the SentencePiece model takes white space as a suffix, which is not supported");
    return true;
}

static bool add_piece(struct builder *b, uint64_t id, const struct piece *p, struct diag *d) {
    const char *text = (const char *)p->text.at;
    size_t n = (size_t)(p->text.end - p->text.at);
    uint64_t type = p->type;
    if (type < VOCAB_NORMAL || type > VOCAB_BYTE)
        return diag_fail(d, "SentencePiece piece %llu has type %llu where 1 to 6 are expected",
                         (unsigned long long)id, (unsigned long long)type);
    if (type == VOCAB_UNUSED && n)
        return diag_fail(
            d, "SentencePiece piece %llu is of the type \"unused\", which is not supported",
            (unsigned long long)id);
    if (n && memchr(text, 0, n))
        return diag_fail(d, "SentencePiece piece %llu has a zero byte in it",
                         (unsigned long long)id);
    if (type == VOCAB_USER && vocab_is_name(text, n)) type = VOCAB_CONTROL;
    uint8_t added = type == VOCAB_CONTROL ? BUILDER_ADDED
                    : type == VOCAB_USER  ? BUILDER_ADDED | VOCAB_ADDED_SECOND
                                          : 0;
    return builder_spm_piece(b, id, n ? text : "", n, (enum vocab_type)type, p->score, added, d);
}

static bool read_model(struct builder *b, const uint8_t *data, size_t bytes,
                       const struct vocab_request *r, struct diag *d) {
    struct specs s = {.model_type = 1,
                      .dummy_prefix = 1,
                      .remove_extra = 1,
                      .escape = 1,
                      .unk = 0,
                      .bos = 1,
                      .eos = 2};
    struct message m = {data, data + bytes};
    struct proto f;
    uint64_t count = 0;
    int more;
    while ((more = next_field(&m, &f)) > 0) {
        if (f.number == 1 && f.wire == 2) count++;
        if ((f.number == 2 || f.number == 3) && f.wire == 2 && !read_specs(f.body, f.number, &s))
            more = -1;
        if (more < 0) break;
    }
    if (more < 0)
        return diag_fail(d, "tokenizer.model is not a SentencePiece model, or a damaged one");
    if (count == 0 || count > VOCAB_ROWS_MAX || (r->rows && count > r->rows))
        return diag_fail(d, "tokenizer.model has %llu pieces, the model has %u rows",
                         (unsigned long long)count, r->rows);
    if (!check_specs(&s, d) ||
        !builder_init(b, r->rows ? r->rows : (uint32_t)count + vocab_files_added(r), d))
        return false;
    b->kind = VOCAB_SPM;
    b->order = BUILDER_SCORES;
    b->flags = s.dummy_prefix ? VOCAB_PREFIX : 0;
    b->add_bos = 2;
    b->unk = s.unk < 0 ? -1 : s.unk;
    b->bos = s.bos < 0 ? -1 : s.bos;
    b->eos = s.eos < 0 ? -1 : s.eos;
    m = (struct message){data, data + bytes};
    for (uint64_t id = 0; next_field(&m, &f) > 0;) {
        struct piece p;
        if (f.number != 1 || f.wire != 2) continue;
        if (!read_piece(f.body, &p))
            return diag_fail(d, "tokenizer.model: piece %llu is damaged", (unsigned long long)id);
        if (!add_piece(b, id++, &p, d)) return false;
    }
    return true;
}

bool vocab_read_sentencepiece(struct builder *b, const void *data, size_t size,
                              const struct vocab_request *r, struct diag *d) {
    return read_model(b, data, size, r, d) && vocab_files_added_tokens(b, r, d) &&
           builder_index(b, d) && vocab_files_config(b, r, d);
}
