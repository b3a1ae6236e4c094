#include "weights/pack/vocab/vocab_tekken.h"

#include <stdio.h>
#include <string.h>

#include "weights/pack/vocab/vocab_files.h"

/* The special tokens of files up to version 7, which do not list them. */
static const char *const NAMES[] = {"<unk>",
                                    "<s>",
                                    "</s>",
                                    "[INST]",
                                    "[/INST]",
                                    "[AVAILABLE_TOOLS]",
                                    "[/AVAILABLE_TOOLS]",
                                    "[TOOL_RESULTS]",
                                    "[/TOOL_RESULTS]",
                                    "[TOOL_CALLS]",
                                    "[IMG]",
                                    "<pad>",
                                    "[IMG_BREAK]",
                                    "[IMG_END]",
                                    "[PREFIX]",
                                    "[MIDDLE]",
                                    "[SUFFIX]",
                                    "[SYSTEM_PROMPT]",
                                    "[/SYSTEM_PROMPT]",
                                    "[TOOL_CONTENT]"};

static int digit64(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes padded base64 of up to VOCAB_PIECE_MAX bytes. Returns how many bytes there are; SIZE_MAX
 * if the text is not such base64. */
static size_t decode64(const char *text, size_t n, uint8_t *out) {
    size_t bytes = 0;
    if (n % 4 != 0 || n / 4 * 3 > VOCAB_PIECE_MAX) return SIZE_MAX;
    for (size_t i = 0; i < n; i += 4) {
        int pads =
            i + 4 == n ? (text[i + 3] == '=') + (text[i + 3] == '=' && text[i + 2] == '=') : 0;
        uint32_t bits = 0;
        for (int k = 0; k < 4; k++) {
            int v = k >= 4 - pads ? 0 : digit64(text[i + (size_t)k]);
            if (v < 0) return SIZE_MAX;
            bits = bits << 6 | (uint32_t)v;
        }
        for (int k = 0; k < 3 - pads; k++) out[bytes++] = (uint8_t)(bits >> (16 - 8 * k));
    }
    return bytes;
}

/* Adds special token i. The original finds none of them in text, not even those that can be
 * printed, so here all of them are control tokens. */
static bool add_special(struct builder *b, json_t *list, size_t i, struct diag *d) {
    char filler[32];
    const char *text = filler;
    uint64_t rank = i;
    if (i < json_array_size(list)) {
        json_t *token = json_array_get(list, i);
        json_t *name = json_object_get(token, "token_str"), *at = json_object_get(token, "rank");
        if (!json_is_string(name) || !json_is_integer(at) || json_integer_value(at) < 0)
            return diag_fail(d, "tekken.json: special token %zu has no name or no rank", i);
        text = json_string_value(name);
        rank = (uint64_t)json_integer_value(at);
    } else if (json_array_size(list) == 0 && i < sizeof NAMES / sizeof *NAMES)
        text = NAMES[i];
    else
        snprintf(filler, sizeof filler, "<SPECIAL_%zu>", i);
    return builder_piece(b, rank, text, strlen(text), VOCAB_CONTROL, 0, BUILDER_ADDED, d);
}

static bool add_ranks(struct builder *b, json_t *vocab, uint32_t specials, uint32_t count,
                      struct diag *d) {
    uint8_t bytes[VOCAB_PIECE_MAX];
    for (uint32_t i = 0; i < count; i++) {
        json_t *token = json_array_get(vocab, i), *text = json_object_get(token, "token_bytes"),
               *rank = json_object_get(token, "rank");
        if (!json_is_string(text) || !json_is_integer(rank) ||
            json_integer_value(rank) != (json_int_t)i)
            return diag_fail(d, "tekken.json: entry %u has no bytes, or not the rank %u", i, i);
        size_t n = decode64(json_string_value(text), json_string_length(text), bytes);
        if (n == SIZE_MAX)
            return diag_fail(d, "tekken.json: the bytes of rank %u are no base64, or too many", i);
        if (i < 256 && (n != 1 || bytes[0] != i))
            return diag_fail(d, "tekken.json: rank %u is not the byte 0x%02X", i, i);
        if (!builder_piece(b, specials + (uint64_t)i, bytes, n, VOCAB_NORMAL, 0, 0, d))
            return false;
    }
    return builder_index(b, d);
}

/* Versions up to 7 have the special tokens of NAMES if they list none; later ones list theirs. */
static bool names_are_known(json_t *config, json_t *list) {
    static const char *const old[] = {"v1", "v2", "v3", "v7"};
    const char *version = json_string_value(json_object_get(config, "version"));
    if (json_array_size(list) || !version) return true;
    for (size_t i = 0; i < sizeof old / sizeof *old; i++)
        if (strcmp(version, old[i]) == 0) return true;
    return false;
}

bool vocab_read_tekken(struct builder *b, json_t *root, const struct vocab_request *r,
                       struct diag *d) {
    json_t *config = json_object_get(root, "config"), *vocab = json_object_get(root, "vocab"),
           *list = json_object_get(root, "special_tokens");
    static const char *const read[] = {"config", "vocab", "special_tokens"};
    for (size_t i = 0; i < sizeof read / sizeof *read; i++)
        if (!json_sound(root, "tekken.json", read[i], d)) return false;
    const char *pattern = json_string_value(json_object_get(config, "pattern"));
    json_int_t size = json_integer_value(json_object_get(config, "default_vocab_size"));
    json_int_t specials = json_integer_value(json_object_get(config, "default_num_special_tokens"));
    if (!pattern || strcmp(pattern, TEKKEN_PATTERN) != 0)
        return diag_fail(d, "tekken.json: the pattern \"%s\" is not Tekken's",
                         pattern ? pattern : "");
    if (specials < 3 || size > VOCAB_ROWS_MAX || specials > size - 256 ||
        size - specials > (json_int_t)json_array_size(vocab))
        return diag_fail(d, "tekken.json: %lld tokens, %lld of them special, do not fit %zu ranks",
                         (long long)size, (long long)specials, json_array_size(vocab));
    if (r->rows && size > r->rows)
        return diag_fail(d, "tekken.json has %lld tokens, the model has %u rows", (long long)size,
                         r->rows);
    if (!names_are_known(config, list))
        return diag_fail(d, "tekken.json: version %s, and no special_tokens",
                         json_string_value(json_object_get(config, "version")));
    if (!builder_init(b, r->rows ? r->rows : (uint32_t)size, d)) return false;
    b->kind = VOCAB_BPE;
    b->pre = VOCAB_PRE_TEKKEN;
    b->order = BUILDER_IDS;
    b->all_whole = true;
    b->add_bos = 1;
    b->unk = 0;
    b->bos = 1;
    b->eos = 2;
    if (json_array_size(list) > (size_t)specials)
        return diag_fail(d, "tekken.json: %zu special tokens where %lld are expected",
                         json_array_size(list), (long long)specials);
    for (size_t i = 0; i < (size_t)specials; i++)
        if (!add_special(b, list, i, d)) return false;
    return add_ranks(b, vocab, (uint32_t)specials, (uint32_t)(size - specials), d) &&
           builder_end(b, b->eos, d) && vocab_files_config(b, r, d);
}
