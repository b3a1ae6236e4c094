#include "help.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

enum { WIDTH = 100, INDENT = 26 };

/* Prints text wrapped at WIDTH columns. Every line after the first is indented. `at`: the column
 * where the text begins. */
static void print_folded(FILE *to, const char *text, int indent, int at) {
    int begins = 1; /* at the beginning of a line */
    while (*text) {
        size_t word = strcspn(text, " \n");
        if (!begins && at + 1 + (int)word > WIDTH) {
            fprintf(to, "\n%*s", indent, "");
            at = indent;
            begins = 1;
        }
        fprintf(to, "%s%.*s", begins ? "" : " ", (int)word, text);
        at += (int)word + !begins;
        text += word;
        begins = 0;
        if (*text == '\n') {
            fputc('\n', to);
            at = 0;
            begins = 1;
        }
        if (*text) text++;
    }
    fputc('\n', to);
}

/* Prints "  -m, --model FILE" and blanks up to column INDENT, at least two. Returns the column. */
static int print_left(FILE *to, const struct option *o) {
    char left[64];
    int length =
        snprintf(left, sizeof left, "  %s%s%s%s%s", o->letter ? o->letter : "   ",
                 o->letter ? ", " : " ", o->name, o->value ? " " : "", o->value ? o->value : "");
    int at = length + 2 > INDENT ? length + 2 : INDENT;
    fprintf(to, "%-*s", at, left);
    return at;
}

static void print_option(FILE *to, const struct option *o) {
    int at = print_left(to, o);
    print_folded(to, o->help, INDENT, at);
}

static void print_options(FILE *to, const struct option *options, size_t count) {
    for (size_t i = 0; i < count; i++) print_option(to, &options[i]);
}

static void print_example(FILE *to, const char *example) {
    fputs("  ", to);
    for (; *example; example++) {
        fputc(*example, to);
        if (*example == '\n') fputs("  ", to);
    }
    fputc('\n', to);
}

static void print_brief(FILE *to, const struct option *options, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!options[i].brief) continue;
        print_left(to, &options[i]);
        fprintf(to, "%s\n", options[i].brief);
    }
}

/* Prints the name, what the command is for, and how it is called. */
static void print_head(FILE *to, const struct program *program, const struct command *command) {
    fprintf(to, "%s: %s\n\n", program_words(program, command), command->summary);
    fprintf(to, "usage: %s %s\n\n", program_words(program, command), command->usage);
}

static void print_examples(FILE *to, const struct command *command) {
    fputs(strchr(command->example, '\n') ? "\nexamples:\n" : "\nexample:\n", to);
    print_example(to, command->example);
}

void help_brief(FILE *to, const struct program *program, const struct command *command) {
    print_head(to, program, command);
    print_brief(to, command->options, command->options_count);
    print_brief(to, program->options, program->options_count);
    print_examples(to, command);
    if (program_is_plain(program))
        fprintf(to, "\nEverything else: %s --man, or man %s\n", program->name, program->name);
    else
        fprintf(to, "\nEverything else: %s --all, or man %s\n", program_help(program, command),
                program->name);
}

void help_overview(FILE *to, const struct program *program) {
    fprintf(to, "%s: %s\n\nusage: %s COMMAND [options]\n\n", program->name, program->summary,
            program->name);
    for (size_t i = 0; i < program->commands_count; i++)
        fprintf(to, "  %-12s %s\n", program->commands[i]->name, program->commands[i]->summary);
    fprintf(to, "\n%s\n", program->closing);
}

void help_command(FILE *to, const struct program *program, const struct command *command) {
    print_head(to, program, command);
    print_folded(to, command->description, 0, 0);
    if (command->options_count) {
        fputs("\noptions:\n", to);
        print_options(to, command->options, command->options_count);
    }
    if (program->options_count) {
        fputs("\noptions of every command:\n", to);
        print_options(to, program->options, program->options_count);
    }
    print_examples(to, command);
}

/* ------------------------------------------------------------------------------- manual page -- */

enum { ROFF_WIDTH = 100 };

static const char *roff_character(char c) {
    switch (c) {
    case '-':
        return "\\-"; /* a minus, which stays an ASCII dash */
    case '\\':
        return "\\e";
    case '\'':
        return "\\(aq";
    default:
        return NULL;
    }
}

/* How many columns `text` takes up to its next blank. */
static size_t roff_word(const char *text) {
    size_t columns = 0;
    for (; *text && *text != ' ' && *text != '\n'; text++) {
        const char *as = roff_character(*text);
        columns += as ? strlen(as) : 1;
    }
    return columns;
}

/* Prints text for roff, so that no line begins a request and none is longer than ROFF_WIDTH. Empty
 * lines separate paragraphs. */
static void roff_words(const char *text) {
    size_t column = 0;
    for (; *text; text++) {
        const char *as = roff_character(*text);
        if (column == 0 && (*text == '.' || *text == '\'')) column += (size_t)printf("\\&");
        if (*text == '\n' && text[1] == '\n') {
            fputs("\n.PP\n", stdout);
            text++;
            column = 0;
        } else if (*text == '\n' ||
                   (*text == ' ' && column + 1 + roff_word(text + 1) > ROFF_WIDTH)) {
            putchar('\n');
            column = 0;
        } else {
            column += as ? (size_t)printf("%s", as) : (size_t)(putchar(*text) != EOF);
        }
    }
}

static void roff_text(const char *text) {
    roff_words(text);
    putchar('\n');
}

static void roff_options(const struct option *options, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const struct option *o = &options[i];
        char tag[96];
        snprintf(tag, sizeof tag, "%s%s%s", o->letter ? o->letter : "", o->letter ? ", " : "",
                 o->name);
        fputs(".TP\n\\fB", stdout);
        roff_words(tag);
        if (o->value) printf("\\fR \\fI%s", o->value);
        fputs("\\fR\n", stdout);
        roff_text(o->help);
    }
}

/* Prints how a command is called, what it does, its options, and examples. */
static void roff_command(const struct program *program, const struct command *c) {
    if (program_is_plain(program))
        fputs(".SH DESCRIPTION\n", stdout);
    else
        printf(".SS %s\n.B %s\n", c->name, program_words(program, c));
    if (*c->usage && !program_is_plain(program)) roff_text(c->usage);
    if (!program_is_plain(program)) fputs(".PP\n", stdout);
    roff_text(c->description);
    if (program_is_plain(program)) fputs(".SH OPTIONS\n", stdout);
    roff_options(c->options, c->options_count);
    fputs(program_is_plain(program) ? ".SH EXAMPLES\n.nf\n.RS\n" : ".PP\n.nf\n.RS\n", stdout);
    roff_text(c->example);
    fputs(".RE\n.fi\n", stdout);
}

static void roff_head(const struct program *program) {
    char capitals[32] = "";
    for (size_t i = 0; program->name[i] && i + 1 < sizeof capitals; i++)
        capitals[i] = (char)toupper((unsigned char)program->name[i]);
    printf(".\\\" Made by: %s\n.TH ", program->made_by);
    roff_words(capitals);
    printf(" 1 \"\" \"apus %s\" \"User Commands\"\n.SH NAME\n", program->version);
    roff_words(program->name);
    printf(" \\- %s\n.SH SYNOPSIS\n.B ", program->summary);
    roff_text(program->name);
    if (program_is_plain(program))
        roff_text(program->commands[0]->usage);
    else
        fputs(".I command\n.RI [ options ]\n.SH DESCRIPTION\n", stdout);
}

int help_man(const struct program *program) {
    roff_head(program);
    if (!program_is_plain(program)) {
        roff_text(program->about);
        fputs(".SH COMMANDS\n", stdout);
    }
    for (size_t i = 0; i < program->commands_count; i++)
        roff_command(program, program->commands[i]);
    if (program->options_count) {
        fputs(".SH OPTIONS OF EVERY COMMAND\n", stdout);
        roff_options(program->options, program->options_count);
    }
    fputs(".SH EXIT STATUS\n", stdout);
    for (const char *const *s = program->statuses; *s; s += 2)
        printf(".TP\n.B %s\n%s\n", s[0], s[1]);
    fputs(".PP\n", stdout);
    roff_text(program->failures);
    if (program->see_also) printf(".SH SEE ALSO\n.BR %s (1)\n", program->see_also);
    return output_flush();
}

/* -------------------------------------------------------------------------------------- json -- */

static json_t *options_array(const struct option *options, size_t count) {
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *object = json_object();
        json_object_set_new(object, "name", json_string(options[i].name));
        if (options[i].letter)
            json_object_set_new(object, "letter", json_string(options[i].letter));
        if (options[i].value) json_object_set_new(object, "value", json_string(options[i].value));
        json_object_set_new(object, "help", json_string(options[i].help));
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *command_object(const struct program *program, const struct command *c) {
    json_t *object = json_object();
    json_object_set_new(object, "name", json_string(c->name));
    json_object_set_new(object, "summary", json_string(c->summary));
    json_object_set_new(
        object, "usage",
        json_sprintf("%s%s%s", program_words(program, c), *c->usage ? " " : "", c->usage));
    json_object_set_new(object, "description", json_string(c->description));
    json_object_set_new(object, "options", options_array(c->options, c->options_count));
    return object;
}

int help_json(const struct program *program, const struct command *only) {
    json_t *object = json_object(), *list = json_array();
    for (size_t i = 0; i < program->commands_count; i++)
        if (!only || only == program->commands[i])
            json_array_append_new(list, command_object(program, program->commands[i]));
    json_object_set_new(object, "commands", list);
    json_object_set_new(object, "options", options_array(program->options, program->options_count));
    return json_print(object);
}
