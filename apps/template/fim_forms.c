/* The sources of the forms: Qwen2.5-Coder's report (2409.12186) and README; Code Llama's inference
 * code and 2308.12950; StarCoder's 2305.06161 and StarCoder2's 2402.19173, section 5.1;
 * DeepSeek-Coder's README; mistral-common's encode_fim, and the headings of several files as
 * Continue has them for Codestral; Mellum's model card; Seed-Coder's 2506.03524; Granite's model
 * cards. */
#include "apps/template/fim_forms.h"

#include <string.h>

#define BAR "\xEF\xBD\x9C" /* U+FF5C */
#define LOW "\xE2\x96\x81" /* U+2581 */

enum { P = 1u << APUS_MARKER_PREFIX, S = 1u << APUS_MARKER_SUFFIX, M = 1u << APUS_MARKER_MIDDLE };

#define MARKERS(prefix, suffix, middle)                                                            \
    [APUS_MARKER_PREFIX] = (prefix), [APUS_MARKER_SUFFIX] = (suffix),                              \
    [APUS_MARKER_MIDDLE] = (middle)
#define STARCODER MARKERS("<fim_prefix>", "<fim_suffix>", "<fim_middle>")
#define CODELLAMA MARKERS(LOW "<PRE>", LOW "<SUF>", LOW "<MID>"), [APUS_MARKER_END] = LOW "<EOT>"

static const struct fim_form none = {.name = "none", .sequence = "Rnp"};

/* In these forms the prefix comes first, then the suffix, and the middle is asked for at the
 * end. */
static const struct fim_form qwen = {
    .name = "qwen",
    .sequence = "RfnPpSsM",
    .marker = {MARKERS("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
               [APUS_MARKER_PAD] = "<|fim_pad|>", [APUS_MARKER_REPOSITORY] = "<|repo_name|>",
               [APUS_MARKER_FILE] = "<|file_sep|>"},
    .needed = P | S | M,
    .repository_line = true};
static const struct fim_form starcoder2 = {
    .name = "starcoder2",
    .sequence = "RfPnpSsM",
    .marker = {STARCODER, [APUS_MARKER_PAD] = "<fim_pad>", [APUS_MARKER_REPOSITORY] = "<repo_name>",
               [APUS_MARKER_FILE] = "<file_sep>"},
    .needed = P | S | M};
static const struct fim_form starcoder = {
    .name = "starcoder",
    .sequence = "PRfnpSsM",
    .marker = {STARCODER, [APUS_MARKER_PAD] = "<fim_pad>", [APUS_MARKER_REPOSITORY] = "<reponame>",
               [APUS_MARKER_FILE] = "<filename>"},
    .needed = P | S | M};
static const struct fim_form granite = {
    .name = "granite",
    .sequence = "PRfnpSsM",
    .marker = {MARKERS("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
               [APUS_MARKER_PAD] = "<|fim_pad|>", [APUS_MARKER_REPOSITORY] = "<|reponame|>",
               [APUS_MARKER_FILE] = "<|filename|>"},
    .needed = P | S | M | 1u << APUS_MARKER_FILE};
static const struct fim_form codellama = {
    .name = "codellama", .sequence = "RPpSsM", .marker = {CODELLAMA}, .needed = P | S | M};
static const struct fim_form deepseek_coder = {
    .name = "deepseek-coder",
    .sequence = "PRnpSsM",
    .marker = {MARKERS("<" BAR "fim" LOW "begin" BAR ">", "<" BAR "fim" LOW "hole" BAR ">",
                       "<" BAR "fim" LOW "end" BAR ">")},
    .needed = P | S | M};

/* In these forms the suffix comes first, so that typing at the end of the prefix leaves the suffix
 * unchanged. A family that knows both orders with the same tokens is recognised as one of the forms
 * above. */
static const struct fim_form qwen_spm = {
    .name = "qwen-spm",
    .sequence = "RfPSsMnp",
    .marker = {MARKERS("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
               [APUS_MARKER_PAD] = "<|fim_pad|>", [APUS_MARKER_REPOSITORY] = "<|repo_name|>",
               [APUS_MARKER_FILE] = "<|file_sep|>"},
    .needed = P | S | M,
    .repository_line = true};
static const struct fim_form starcoder2_spm = {
    .name = "starcoder2-spm",
    .sequence = "RfPSsMnp",
    .marker = {STARCODER, [APUS_MARKER_PAD] = "<fim_pad>", [APUS_MARKER_REPOSITORY] = "<repo_name>",
               [APUS_MARKER_FILE] = "<file_sep>"},
    .needed = P | S | M};
static const struct fim_form starcoder_spm = {
    .name = "starcoder-spm",
    .sequence = "PSsMRfnp",
    .marker = {STARCODER, [APUS_MARKER_PAD] = "<fim_pad>", [APUS_MARKER_REPOSITORY] = "<reponame>",
               [APUS_MARKER_FILE] = "<filename>"},
    .needed = P | S | M};
static const struct fim_form codellama_spm = {
    .name = "codellama-spm", .sequence = "RPSsMp", .marker = {CODELLAMA}, .needed = P | S | M};
static const struct fim_form codestral = {.name = "codestral",
                                          .sequence = "SsPRnp",
                                          .marker = {MARKERS("[PREFIX]", "[SUFFIX]", NULL)},
                                          .needed = P | S,
                                          .heading = FIM_HEADING_PLUS};
static const struct fim_form mellum = {
    .name = "mellum",
    .sequence = "RfnSsPpM",
    .marker = {STARCODER, [APUS_MARKER_PAD] = "<fim_pad>", [APUS_MARKER_REPOSITORY] = "<reponame>",
               [APUS_MARKER_FILE] = "<filename>"},
    .needed = P | S | M};
static const struct fim_form seed_coder = {
    .name = "seed-coder",
    .sequence = "RnSsPpM",
    .marker = {MARKERS("<[fim-prefix]>", "<[fim-suffix]>", "<[fim-middle]>")},
    .needed = P | S | M};

/* There is no middle here, but there can be other files before the prefix. */
static const struct fim_form smollm = {
    .name = "smollm",
    .sequence = "Rfnp",
    .marker = {[APUS_MARKER_REPOSITORY] = "<repo_name>", [APUS_MARKER_FILE] = "<file_sep>"},
    .needed = 1u << APUS_MARKER_REPOSITORY | 1u << APUS_MARKER_FILE};

/* For tokens that a GGUF file names by their ids (tokenizer.ggml.fim_pre_token_id ...) and that
 * belong to no form above. */
static const struct fim_form custom = {.name = "custom", .sequence = "RfnPpSsM"};

static const struct fim_form *const forms[] = {
    &none,           &qwen,          &starcoder2,    &starcoder, &granite, &codellama,
    &deepseek_coder, &codestral,     &seed_coder,    &smollm,    &mellum,  &qwen_spm,
    &starcoder2_spm, &starcoder_spm, &codellama_spm, &custom,    NULL};

const struct fim_form *const *fim_forms(void) { return forms; }

const struct fim_form *fim_form_named(const char *name) {
    for (size_t i = 0; forms[i]; i++)
        if (!strcmp(forms[i]->name, name)) return forms[i];
    return NULL;
}

/* How many markers were found; 0: one that is needed is missing. */
static unsigned fit(const struct fim_form *form, int32_t (*id_of)(void *user, const char *text),
                    void *user, int32_t ids[APUS_MARKERS]) {
    unsigned found = 0;
    for (unsigned m = 0; m < APUS_MARKERS; m++) {
        ids[m] = form->marker[m] ? id_of(user, form->marker[m]) : -1;
        if (ids[m] >= 0)
            found++;
        else if (form->needed >> m & 1)
            return 0;
    }
    return form->needed ? found : 0;
}

bool fim_form_ids(const struct fim_form *form, int32_t (*id_of)(void *user, const char *text),
                  void *user, int32_t ids[APUS_MARKERS]) {
    return fit(form, id_of, user, ids) > 0;
}

const struct fim_form *fim_recognise(int32_t (*id_of)(void *user, const char *text), void *user,
                                     const char *hint, int32_t ids[APUS_MARKERS]) {
    const struct fim_form *best = NULL;
    unsigned most = 0;
    for (size_t i = 0; forms[i]; i++) {
        unsigned found = fit(forms[i], id_of, user, ids);
        if (found > most) best = forms[i], most = found;
    }
    if (best == &starcoder && hint && strstr(hint, "mellum")) best = &mellum;
    if (best)
        fit(best, id_of, user, ids);
    else
        for (unsigned m = 0; m < APUS_MARKERS; m++) ids[m] = -1;
    return best;
}
