#include "tests/blob/made_vocab.h"

#include <string.h>

#include "weights/vocab.h"

/* The section as one struct: the layout is ours to choose. */
struct made_vocab {
    struct vocab_header header;
    uint32_t offsets[MADE_PIECES + 1];
    uint32_t initial[256];
    uint32_t pair_index[MADE_PIECES + 1];
    struct vocab_pair pairs[1];
    uint32_t slots[4];
    struct vocab_added added[2];
    uint32_t ends[1];
    uint8_t types[MADE_PIECES];
    uint8_t bytes[28];
};
#define AT(member) ((uint32_t)offsetof(struct made_vocab, member))

size_t made_vocab_bytes(void) { return sizeof(struct made_vocab); }

void made_vocab_write(uint8_t *data) {
    struct made_vocab *v = (struct made_vocab *)(void *)data;
    memset(v, 0, sizeof *v);
    v->header = (struct vocab_header){.magic = VOCAB_MAGIC,
                                      .kind = VOCAB_BPE,
                                      .pre = VOCAB_PRE_GPT2,
                                      .flags = VOCAB_ADD_BOS,
                                      .rows = MADE_PIECES,
                                      .symbols = MADE_PIECES,
                                      .bos = MADE_BOS,
                                      .eos = MADE_EOS,
                                      .unk = -1,
                                      .piece_max = 2,
                                      .bytes_count = 26,
                                      .pairs_count = 1,
                                      .slots_count = 4,
                                      .added_count = 2,
                                      .ends_count = 1,
                                      .offsets = AT(offsets),
                                      .bytes = AT(bytes),
                                      .types = AT(types),
                                      .initial = AT(initial),
                                      .chars = AT(ends),
                                      .virtuals = AT(ends),
                                      .pair_index = AT(pair_index),
                                      .pairs = AT(pairs),
                                      .slots = AT(slots),
                                      .added = AT(added),
                                      .ends = AT(ends)};
    memcpy(v->bytes, "<s></s>abcdefghijklmnopqab", 26);
    memset(v->types, VOCAB_NORMAL, sizeof v->types);
    v->types[MADE_BOS] = v->types[MADE_EOS] = VOCAB_CONTROL;
    v->types[MADE_AB] |= VOCAB_WHOLE;
    memset(v->initial, 0xff, sizeof v->initial);
    for (uint32_t i = 0; i < 17; i++) v->initial['a' + i] = MADE_A + i;
    for (uint32_t i = 0; i <= MADE_PIECES; i++) v->offsets[i] = i == 0 ? 0 : i == 1 ? 3 : i < MADE_PIECES ? 5 + i : 26;
    for (uint32_t i = MADE_A + 1; i <= MADE_PIECES; i++) v->pair_index[i] = 1;
    v->pairs[0] = (struct vocab_pair){.right = MADE_A + 1, .rank = 0, .result = MADE_AB};
    memset(v->slots, 0xff, sizeof v->slots);
    v->slots[vocab_hash(0, (const uint8_t *)"ab", 2) & 3] = MADE_AB;
    v->added[0].id = MADE_EOS; /* '/' comes before 's' */
    v->added[1].id = MADE_BOS;
    v->ends[0] = MADE_EOS;
}
