#include "hints.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "closest.h"
#include "fail.h"

static int is_among(const char *words, const char *word) {
    char padded[64];
    int length = snprintf(padded, sizeof padded, " %s ", word);
    return *word && length < (int)sizeof padded && strstr(words, padded) != NULL;
}

const char *hint_synonym(const struct program *program, const char *name) {
    for (const struct synonym *s = program->synonyms; s && s->name; s++)
        if (!strcmp(s->name, name)) return s->here;
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

/* Sets the hint "Did you mean: apus run ..." with the arguments that were typed. */
static void hint_usual(const struct program *program, int argc, char **argv) {
    char line[512] = "", word[256];
    size_t at = 0;
    for (int i = 1; i < argc; i++) {
        int length =
            snprintf(line + at, sizeof line - at, " %s", shell_quote(word, sizeof word, argv[i]));
        if (length < 0 || (size_t)length >= sizeof line - at) break;
        at += (size_t)length;
    }
    fail_hint("Did you mean: %s%s", program_words(program, program->usual), line);
}

/* Whether the word is known from another program. Then the hint is set. */
static int is_strange(const struct strange *strange, const char *word) {
    for (; strange && strange->words; strange++)
        if (is_among(strange->words, word)) {
            fail_hint("%s", strange->sentence);
            return 1;
        }
    return 0;
}

void hint_command(const struct program *program, const char *word, int argc, char **argv) {
    struct closest closest = {.typed = word};
    if (is_strange(program->strange_commands, word)) return;
    if (program->usual && access(word, F_OK) == 0) {
        hint_usual(program, argc, argv);
        return;
    }
    for (size_t i = 0; i < program->commands_count; i++)
        closest_offer(&closest, program->commands[i]->name);
    if (closest.best)
        fail_hint("Did you mean: %s %s", program->name, closest.best);
    else
        fail_hint("See: %s", program_help(program, NULL));
}

static int has_option(const struct program *program, const struct command *command,
                      const char *name) {
    const char *here = hint_synonym(program, name);
    for (size_t i = 0; i < command->options_count; i++) {
        const struct option *o = &command->options[i];
        if (!strcmp(o->name, here ? here : name) || (o->letter && !strcmp(o->letter, name)))
            return 1;
    }
    return 0;
}

/* Whether the option is like "-n32": a letter, whose value must stand apart from it. Then the hint
 * is set. */
static int is_attached(const struct program *program, const struct command *command,
                       const char *option) {
    const char letter[] = {option[0], option[0] ? option[1] : 0, 0};
    const char *value = option[0] && option[1] ? option + 2 : "";
    if (*value == '=') value++;
    if (letter[1] == '-' || *value < '0' || *value > '9') return 0;
    int known = command && has_option(program, command, letter);
    for (size_t i = 0; i < program->options_count; i++)
        known |= program->options[i].letter && !strcmp(program->options[i].letter, letter);
    if (known) fail_hint("Its value stands apart: %s %s", letter, value);
    return known;
}

static void offer_options(struct closest *closest, const struct option *options, size_t count) {
    for (size_t i = 0; i < count; i++) closest_offer(closest, options[i].name);
}

void hint_option(const struct program *program, const struct command *command, const char *option,
                 int argc, char **argv) {
    struct closest closest = {.typed = option};
    if (is_strange(program->strange_options, option)) return;
    if (is_attached(program, command, option)) return;
    if (!command && program->usual && has_option(program, program->usual, option)) {
        hint_usual(program, argc, argv);
        return;
    }
    if (!command) closest_offer(&closest, "--version");
    offer_options(&closest, program->options, program->options_count);
    if (command) offer_options(&closest, command->options, command->options_count);
    if (closest.best) {
        fail_hint("Did you mean %s?", closest.best);
        return;
    }
    for (size_t i = 0; command && i < program->commands_count; i++)
        if (has_option(program, program->commands[i], option)) {
            fail_hint("It belongs to %s. See: %s", program_words(program, program->commands[i]),
                      program_help(program, command));
            return;
        }
    fail_hint("See: %s", program_help(program, command));
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
