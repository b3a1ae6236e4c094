/* apus help: everything the commands say of themselves, as text, as a manual page and as JSON. */
#include "help.h"

#include <stdio.h>
#include <string.h>

#include "kit/fail.h"
#include "hints.h"
#include "kit/json.h"

enum { WIDTH = 100, INDENT = 26 };

/* Prints text folded at WIDTH, every line after the first indented. `at`: the column where it
 * begins. */
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

/* "  -m, --model FILE" */
static int option_text(char *left, size_t capacity, const struct option *o) {
    return snprintf(left, capacity, "  %s%s%s%s%s", o->letter ? o->letter : "   ",
                    o->letter ? ", " : " ", o->name, o->value ? " " : "", o->value ? o->value : "");
}

static void print_option(FILE *to, const struct option *o) {
    char left[64];
    int length = option_text(left, sizeof left, o), at = length + 2 > INDENT ? length + 2 : INDENT;
    fprintf(to, "%-*s", at, left);
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
    char left[64];
    for (size_t i = 0; i < count; i++) {
        if (!options[i].brief) continue;
        option_text(left, sizeof left, &options[i]);
        fprintf(to, "%-*s%s\n", INDENT, left, options[i].brief);
    }
}

void help_brief(FILE *to, const struct command *command) {
    fprintf(to, "apus %s: %s\n\nusage: apus %s %s\n\n", command->name, command->summary,
            command->name, command->usage);
    print_brief(to, command->options, command->options_count);
    print_brief(to, global_options, global_options_count);
    fputs(strchr(command->example, '\n') ? "\nexamples:\n" : "\nexample:\n", to);
    print_example(to, command->example);
    fprintf(to, "\nEverything else: apus help %s --all, or man apus\n", command->name);
}

void help_overview(FILE *to) {
    fputs("apus: text generation from a packed weight blob\n\nusage: apus COMMAND [options]\n\n",
          to);
    for (size_t i = 0; i < commands_count; i++)
        fprintf(to, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
    fputs(
        "\nA blob is made with apus-pack. An example: apus run model.apus 'def add(a, b):' -n 32\n"
        "apus help COMMAND explains a command; apus --version says which version this is.\n",
        to);
}

void help_command(FILE *to, const struct command *command) {
    fprintf(to, "apus %s: %s\n\nusage: apus %s %s\n\n", command->name, command->summary,
            command->name, command->usage);
    print_folded(to, command->description, 0, 0);
    if (command->options_count) {
        fputs("\noptions:\n", to);
        print_options(to, command->options, command->options_count);
    }
    fputs("\noptions of every command:\n", to);
    print_options(to, global_options, global_options_count);
    fputs(strchr(command->example, '\n') ? "\nexamples:\n" : "\nexample:\n", to);
    print_example(to, command->example);
}

/* ------------------------------------------------------------------------------- manual page -- */

enum { ROFF_WIDTH = 100 };

static const char *roff_character(char c) {
    switch (c) {
    case '-':
        return "\\-"; /* a dash that stays one */
    case '\\':
        return "\\e";
    case '\'':
        return "\\(aq";
    default:
        return NULL;
    }
}

/* Columns that `text` takes up to its next blank. */
static size_t roff_word(const char *text) {
    size_t columns = 0;
    for (; *text && *text != ' ' && *text != '\n'; text++) {
        const char *as = roff_character(*text);
        columns += as ? strlen(as) : 1;
    }
    return columns;
}

/* Text for roff: no line that begins a request, none longer than sources may be. Empty lines
 * become paragraphs. */
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

static void roff_command(const struct command *c) {
    printf(".SS ");
    roff_text(c->name);
    fputs(".B apus ", stdout);
    roff_text(c->name);
    if (*c->usage) roff_text(c->usage);
    fputs(".PP\n", stdout);
    roff_text(c->description);
    roff_options(c->options, c->options_count);
    fputs(".PP\n.nf\n.RS\n", stdout);
    roff_text(c->example);
    fputs(".RE\n.fi\n", stdout);
}

static void roff_page(void) {
    printf(".\\\" Made by: apus help --man\n.TH APUS 1 \"\" \"apus %d.%d.%d\" \"User Commands\"\n",
           APUS_VERSION_MAJOR, APUS_VERSION_MINOR, APUS_VERSION_PATCH);
    fputs(".SH NAME\napus \\- text generation from a packed weight blob\n"
          ".SH SYNOPSIS\n.B apus\n.I command\n.RI [ options ]\n"
          ".SH DESCRIPTION\n",
          stdout);
    roff_text("apus runs a language model out of one file, the blob, that apus-pack makes of a "
              "GGUF file or of a directory with safetensors. "
              "The text and every logit are the same bits for every instruction set and number of "
              "threads.");
    fputs(".SH COMMANDS\n", stdout);
    for (size_t i = 0; i < commands_count; i++) roff_command(commands[i]);
    fputs(".SH OPTIONS OF EVERY COMMAND\n", stdout);
    roff_options(global_options, global_options_count);
    fputs(".SH EXIT STATUS\n", stdout);
    static const char *const statuses[][2] = {
        {"0", "done"},
        {"1", "a file is at fault, or something failed"},
        {"2", "the command line is wrong"},
        {"3", "an instruction set or engine was asked for that is not here"},
        {"130, 143",
         "an interrupt (Ctrl-C) or SIGTERM came; what there was until then is printed"}};
    for (size_t i = 0; i < COUNT_OF(statuses); i++)
        printf(".TP\n.B %s\n%s\n", statuses[i][0], statuses[i][1]);
    fputs(".PP\n", stdout);
    roff_text("A failure prints one or two sentences on standard error and nothing on standard "
              "output, but for text that run had streamed. With --json standard error has an "
              "object a line: {\"error\": {code, status, command, message, hint}}, where code is "
              "usage, fault, unavailable or the library's own "
              "word, {\"warning\": {command, message}} or {\"progress\": {command, phase, "
              "detail, done, left_s}}.");
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

static json_t *command_object(const struct command *c) {
    json_t *object = json_object();
    json_object_set_new(object, "name", json_string(c->name));
    json_object_set_new(object, "summary", json_string(c->summary));
    json_object_set_new(object, "usage",
                        json_sprintf("apus %s%s%s", c->name, *c->usage ? " " : "", c->usage));
    json_object_set_new(object, "description", json_string(c->description));
    json_object_set_new(object, "options", options_array(c->options, c->options_count));
    return object;
}

static int help_main(const struct settings *settings) {
    const struct command *topic = settings->topic ? command_find(settings->topic) : NULL;
    if (settings->topic && !topic) {
        hint_command(settings->topic, 0, NULL);
        return fail(EXIT_USAGE, "there is no command '%s'.", settings->topic);
    }
    if (settings->json) {
        json_t *object = json_object(), *list = json_array();
        for (size_t i = 0; i < commands_count; i++)
            if (!topic || topic == commands[i])
                json_array_append_new(list, command_object(commands[i]));
        json_object_set_new(object, "commands", list);
        json_object_set_new(object, "options", options_array(global_options, global_options_count));
        return json_print(object);
    }
    if (settings->man)
        roff_page();
    else if (topic && settings->all)
        help_command(stdout, topic);
    else if (topic)
        help_brief(stdout, topic);
    else
        help_overview(stdout);
    return output_flush();
}

static const struct option options[] = {
    {NULL, "--man", OPTION_FLAG, offsetof(struct settings, man), 0, 0, NULL,
     "print the manual page, for man -l -", "print the manual page, for man -l -"},
    {NULL, "--all", OPTION_FLAG, offsetof(struct settings, all), 0, 0, NULL,
     "everything that the command takes and gives", "everything that the command takes and gives"},
};

const struct command command_help = {
    .name = "help",
    .summary = "explain a command",
    .usage = "[COMMAND] [--all] [--man]",
    .description =
        "Prints what the commands are, or what one command takes: on one screen, or with --all "
        "everything.\n\nWith --json: commands (name, summary, usage, description, options), "
        "options (of every command).",
    .example = "apus help run\napus help run --all",
    .options = options,
    .options_count = COUNT_OF(options),
    .operands = {{"COMMAND", offsetof(struct settings, topic)}},
    .main = help_main,
};
