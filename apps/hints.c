#include "hints.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kit/fail.h"
#include "kit/closest.h"

/* The same by other programs' names, llama.cpp's first of all. */
static const struct {
    const char *name, *here;
} synonyms[] = {
    {"--temperature", "--temp"},
    {"--ctx-size", "--ctx"},
    {"--context", "--ctx"},
    {"--n-predict", "--tokens"},
    {"--predict", "--tokens"},
    {"--max-tokens", "--tokens"},
    {"-s", "--seed"},
    {"-md", "--draft"},
    {"--model-draft", "--draft"},
    {"--repeat-last-n", "--repeat-last"},
    {"--draft-max", "--draft-tokens"},
    {"-r", "--stop"},
    {"--reverse-prompt", "--stop"},
};

#define NO_CHAT                                                                                    \
    "Chat is not there yet: apus run takes the whole conversation as text in the model's own "     \
    "template, with --special."
#define NO_DOWNLOAD                                                                                \
    "apus fetches nothing: get a GGUF file or a Hugging Face directory, then apus-pack makes a "   \
    "blob of it."
#define PACK "Another program makes blobs: apus-pack MODEL.gguf -o MODEL.apus"
#define RUN  "A prompt is completed by: apus run MODEL.apus 'PROMPT'"

/* Words of other programs without such a name here. */
static const struct {
    const char *words, *sentence; /* words with spaces around each */
} strange_commands[] = {
    {" chat conversation interactive repl ", NO_CHAT},
    {" serve server ", "There is no server: a script reads apus run --jsonl, a program links the "
                       "library (include/apus/apus.h)."},
    {" pack convert quantize quantise create import build ", PACK},
    {" pull download get fetch ", NO_DOWNLOAD},
    {" generate complete completion prompt infer main cli ", RUN},
    {" show inspect describe model list ls ", "What a blob holds is said by: apus info MODEL.apus"},
    {" version ", "The version is told by: apus --version"},
    {" eval ppl ", "apus perplexity and apus compare judge a model by a text."},
};
static const struct {
    const char *words, *sentence;
} strange_options[] = {
    {" -ngl --n-gpu-layers --gpu-layers ",
     "A GPU computes with --engine igpu; --engine igpu:20,cpu has the first 20 layers there."},
    {" -cnv --conversation -i --interactive --interactive-first -sys --system-prompt "
     "--chat-template --jinja ",
     NO_CHAT},
    {" -hf --hf-repo -hff --hf-file -mu --model-url ", NO_DOWNLOAD},
    {" --mmap --no-mmap --mlock --numa ",
     "The blob is mapped and used in place; there is nothing to set."},
    {" -b -ub --batch-size --ubatch-size -fa --flash-attn ",
     "Apus chooses this itself; there is nothing to set."},
    {" -ctk -ctv --cache-type-k --cache-type-v ", "Keys and values are always 8 bits."},
    {" --grammar --grammar-file --json-schema ",
     "A grammar goes through the library: the logits callback of apus_begin."},
    {" --version -V -v ", "The version is told by: apus --version"},
    {" --greedy ", "The likeliest token is taken each time unless --temp is given."},
};

static int is_among(const char *words, const char *word) {
    char padded[64];
    int length = snprintf(padded, sizeof padded, " %s ", word);
    return *word && length < (int)sizeof padded && strstr(words, padded) != NULL;
}

const char *hint_synonym(const char *name) {
    for (size_t i = 0; i < COUNT_OF(synonyms); i++)
        if (!strcmp(synonyms[i].name, name)) return synonyms[i].here;
    return NULL;
}

char *shell_quote(char *out, size_t capacity, const char *text) {
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+=:,@%";
    size_t at = 0, quote = !*text || text[strspn(text, plain)];
    if (quote && at + 1 < capacity) out[at++] = '\'';
    for (; *text && at + 6 < capacity; text++) {
        if (*text == '\'') {
            memcpy(out + at, "'\\''", 4);
            at += 4;
        } else
            out[at++] = *text;
    }
    if (quote && at + 1 < capacity) out[at++] = '\'';
    out[at] = 0;
    return out;
}

/* "Did you mean: apus run ..." with what was typed behind it. */
static void hint_run(int argc, char **argv) {
    char line[512] = "", word[256];
    size_t at = 0;
    for (int i = 1; i < argc; i++) {
        int length =
            snprintf(line + at, sizeof line - at, " %s", shell_quote(word, sizeof word, argv[i]));
        if (length < 0 || (size_t)length >= sizeof line - at) break;
        at += (size_t)length;
    }
    fail_hint("Did you mean: apus run%s", line);
}

void hint_command(const char *word, int argc, char **argv) {
    struct closest closest = {.typed = word};
    for (size_t i = 0; i < COUNT_OF(strange_commands); i++)
        if (is_among(strange_commands[i].words, word)) {
            fail_hint("%s", strange_commands[i].sentence);
            return;
        }
    if (access(word, F_OK) == 0) {
        hint_run(argc, argv);
        return;
    }
    for (size_t i = 0; i < commands_count; i++) closest_offer(&closest, commands[i]->name);
    if (closest.best)
        fail_hint("Did you mean: apus %s", closest.best);
    else
        fail_hint("See: apus help");
}

static int has_option(const struct command *command, const char *name) {
    const char *here = hint_synonym(name);
    for (size_t i = 0; i < command->options_count; i++) {
        const struct option *o = &command->options[i];
        if (!strcmp(o->name, here ? here : name) || (o->letter && !strcmp(o->letter, name)))
            return 1;
    }
    return 0;
}

/* "-n32": letters take their value apart. */
static int is_attached(const struct command *command, const char *option) {
    const char letter[] = {option[0], option[0] ? option[1] : 0, 0};
    const char *value = option[0] && option[1] ? option + 2 : "";
    if (*value == '=') value++;
    if (letter[1] == '-' || *value < '0' || *value > '9') return 0;
    int known = command && has_option(command, letter);
    for (size_t i = 0; i < global_options_count; i++)
        known |= global_options[i].letter && !strcmp(global_options[i].letter, letter);
    if (known) fail_hint("Its value stands apart: %s %s", letter, value);
    return known;
}

static void offer_options(struct closest *closest, const struct option *options, size_t count) {
    for (size_t i = 0; i < count; i++) closest_offer(closest, options[i].name);
}

void hint_option(const struct command *command, const char *option, int argc, char **argv) {
    struct closest closest = {.typed = option};
    for (size_t i = 0; i < COUNT_OF(strange_options); i++)
        if (is_among(strange_options[i].words, option)) {
            fail_hint("%s", strange_options[i].sentence);
            return;
        }
    if (is_attached(command, option)) return;
    if (!command && has_option(&command_run, option)) {
        hint_run(argc, argv);
        return;
    }
    if (!command) closest_offer(&closest, "--version");
    offer_options(&closest, global_options, global_options_count);
    if (command) offer_options(&closest, command->options, command->options_count);
    if (closest.best) {
        fail_hint("Did you mean %s?", closest.best);
        return;
    }
    for (size_t i = 0; command && i < commands_count; i++)
        if (has_option(commands[i], option)) {
            fail_hint("It belongs to apus %s. See: apus help %s", commands[i]->name, command->name);
            return;
        }
    fail_hint("See: apus help%s%s", command ? " " : "", command ? command->name : "");
}

void hint_value(const char *value, const char *values) {
    char names[128];
    struct closest closest = {.typed = value};
    snprintf(names, sizeof names, "%s", values);
    for (char *rest = NULL, *name = strtok_r(names, " ", &rest); name;
         name = strtok_r(NULL, " ", &rest))
        closest_offer(&closest, name);
    if (closest.best) fail_hint("Did you mean %s?", closest.best);
}
