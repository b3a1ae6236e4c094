#include "shell_complete.h"

#include <stdio.h>
#include <string.h>

#include "exit.h"
#include "fail.h"
#include "hints.h"
#include "json.h"

static int takes_file(const struct option *o) {
    return o->value && (!strncmp(o->value, "FILE", 4) || !strcmp(o->value, "BLOB"));
}

/* Whether an argument without a dash may be a file: all may but texts, lists and names. */
static int operand_is_file(const struct operand *operand) {
    return strchr(operand->name, '.') || !strcmp(operand->name, "FILE") ||
           !strcmp(operand->name, "SOURCE") || !strcmp(operand->name, "REFERENCE");
}

static int takes_files(const struct command *c) {
    for (size_t i = 0; i < OPERANDS_MAX && c->operands[i].name; i++)
        if (operand_is_file(&c->operands[i])) return 1;
    return 0;
}

static int takes_command(const struct command *c) {
    return c->operands[0].name && !strcmp(c->operands[0].name, "COMMAND");
}

/* Where a phrase may be cut. */
static int phrase_ends(const char *text) {
    return !*text || strchr(";(\n", *text) || ((*text == '.' || *text == ',') && text[1] == ' ') ||
           !strcmp(text, ".");
}

/* What stands beside an option in a list, between single quotes: its help up to the first pause
 * behind 20 characters, or whole words of it, without a bracket that would stay open. A backslash
 * comes before the characters that mean something to the shell there. */
static void put_phrase(const char *text, const char *special) {
    size_t end = 0, word = 0;
    for (; end < 70 && (end < 20 ? text[end] && text[end] != ';' : !phrase_ends(text + end)); end++)
        if (text[end] == ' ') word = end;
    if (end == 70) end = word;
    size_t open = end;
    for (size_t i = 0; i < end; i++)
        if (text[i] == '(' || text[i] == ')') open = text[i] == '(' ? i : end;
    if (open) end = open;
    while (end && strchr(" .", text[end - 1])) end--;
    for (size_t i = 0; i < end; i++) {
        if (strchr(special, text[i])) putchar('\\');
        if (text[i] == '\'')
            fputs("'\\''", stdout); /* closed, one, opened: in all three shells */
        else
            putchar(text[i]);
    }
}

static void put_option_phrase(const struct option *o, const char *special) {
    put_phrase(o->brief ? o->brief : o->help, special);
}

/* `call` for the options of the command, then for those of every command. */
static void each_option(const struct program *program, const struct command *c,
                        void (*call)(const struct option *)) {
    for (size_t i = 0; i < c->options_count; i++) call(&c->options[i]);
    for (size_t i = 0; i < program->options_count; i++) call(&program->options[i]);
}

static void put_commands(const struct program *program) {
    for (size_t i = 0; i < program->commands_count; i++)
        printf("%s%s", i ? " " : "", program->commands[i]->name);
}

/* The program's name as one of a function. */
static void put_function(const struct program *program) {
    putchar('_');
    for (const char *c = program->name; *c; c++) putchar(*c == '-' ? '_' : *c);
}

static void put_head(const struct program *program, const char *shell) {
    printf("# Completion of %s in %s. Made by: %s --completion %s\n", program->name, shell,
           program_is_plain(program) ? program->name : "apus help", shell);
}

/* ------------------------------------------------------------------------------------- bash -- */

static void bash_name(const struct option *o) {
    printf(" %s%s%s", o->letter ? o->letter : "", o->letter ? " " : "", o->name);
}

static void bash_file(const struct option *o) {
    if (takes_file(o)) bash_name(o);
}

static void bash_value(const struct option *o) {
    if (o->value && !takes_file(o)) bash_name(o);
}

static void bash_command(const struct program *program, const struct command *c) {
    fputs("        options='", stdout);
    each_option(program, c, bash_name);
    fputs("'\n        files='", stdout);
    each_option(program, c, bash_file);
    fputs(" ' values='", stdout);
    each_option(program, c, bash_value);
    fputs(" '\n", stdout);
    if (takes_command(c)) {
        fputs("        words='", stdout);
        put_commands(program);
        fputs("'\n", stdout);
    }
    if (takes_files(c)) fputs("        operands=files\n", stdout);
}

static void bash(const struct program *program) {
    put_function(program);
    fputs("() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} i\n"
          "    local command='' options='' files='' values='' words='' operands=''\n",
          stdout);
    if (program_is_plain(program)) {
        bash_command(program, program->commands[0]);
    } else {
        fputs("    for ((i = 1; i < COMP_CWORD; i++)); do\n"
              "        [[ \" ",
              stdout);
        put_commands(program);
        fputs(" \" == *\" ${COMP_WORDS[i]} \"* ]] && command=${COMP_WORDS[i]} && break\n"
              "    done\n"
              "    case $command in\n"
              "    '') words='",
              stdout);
        put_commands(program);
        fputs("' ;;\n", stdout);
        for (size_t i = 0; i < program->commands_count; i++) {
            printf("    %s)\n", program->commands[i]->name);
            bash_command(program, program->commands[i]);
            fputs("        ;;\n", stdout);
        }
        fputs("    esac\n", stdout);
    }
    fputs("    COMPREPLY=()\n"
          "    if [[ $files == *\" $before \"* ]] ||\n"
          "        [[ $operands && $word != -* && $values != *\" $before \"* ]]; then\n"
          "        compopt -o filenames 2>/dev/null\n"
          "        mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
          "    elif [[ $values == *\" $before \"* ]]; then\n"
          "        :\n"
          "    elif [[ $word == -* ]]; then\n"
          "        mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\")\n"
          "    else\n"
          "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
          "    fi\n"
          "}\n"
          "complete -F ",
          stdout);
    put_function(program);
    printf(" %s\n", program->name);
}

/* -------------------------------------------------------------------------------------- zsh -- */

static void zsh_option(const struct option *o) {
    const char *sign = o->kind == OPTION_SEVERAL ? "*" : "";
    for (int i = o->letter ? 0 : 1; i < 2; i++) {
        printf(" \\\n        '%s%s[", sign, i ? o->name : o->letter);
        put_option_phrase(o, "[]:\\");
        putchar(']');
        if (o->value) printf(":%s:%s", o->value, takes_file(o) ? "_files" : "");
        putchar('\'');
    }
}

static void zsh_command(const struct program *program, const struct command *c) {
    fputs("        _arguments", stdout);
    each_option(program, c, zsh_option);
    for (size_t i = 0; i < OPERANDS_MAX && c->operands[i].name; i++) {
        const char *action = operand_is_file(&c->operands[i]) ? "_files"
                             : takes_command(c)               ? "{_describe command commands}"
                                                              : "";
        printf(" \\\n        '%zu:%s:%s'", i + 1, c->operands[i].name, action);
    }
    putchar('\n');
}

static void zsh(const struct program *program) {
    put_function(program);
    fputs("() {\n", stdout);
    if (program_is_plain(program)) {
        zsh_command(program, program->commands[0]);
    } else {
        fputs("    local context state line\n"
              "    local -a commands\n"
              "    typeset -A opt_args\n"
              "    commands=(\n",
              stdout);
        for (size_t i = 0; i < program->commands_count; i++) {
            printf("        '%s:", program->commands[i]->name);
            put_phrase(program->commands[i]->summary, ":\\");
            fputs("'\n", stdout);
        }
        fputs("    )\n"
              "    _arguments -C '1:command:->command' '*::argument:->argument'\n"
              "    if [[ $state == command ]]; then\n"
              "        _describe command commands\n"
              "        return\n"
              "    fi\n"
              "    case $words[1] in\n",
              stdout);
        for (size_t i = 0; i < program->commands_count; i++) {
            printf("    %s)\n", program->commands[i]->name);
            zsh_command(program, program->commands[i]);
            fputs("        ;;\n", stdout);
        }
        fputs("    esac\n", stdout);
    }
    fputs("}\n", stdout);
    put_function(program);
    fputs(" \"$@\"\n", stdout);
}

/* ------------------------------------------------------------------------------------- fish -- */

static void fish_head(const struct program *program, const struct command *c) {
    printf("complete -c %s", program->name);
    if (c && !program_is_plain(program)) printf(" -n '__fish_seen_subcommand_from %s'", c->name);
}

static void fish_options(const struct program *program, const struct command *c,
                         const struct option *options, size_t count) {
    for (size_t i = 0; i < count; i++) {
        fish_head(program, c);
        if (options[i].letter) printf(" -s %s", options[i].letter + 1);
        printf(" -l %s", options[i].name + 2);
        if (options[i].value) fputs(takes_file(&options[i]) ? " -r -F" : " -x", stdout);
        fputs(" -d '", stdout);
        put_option_phrase(&options[i], "\\");
        fputs("'\n", stdout);
    }
}

static void fish(const struct program *program) {
    printf("complete -c %s -f\n", program->name);
    for (size_t i = 0; i < program->commands_count; i++) {
        const struct command *c = program->commands[i];
        if (!program_is_plain(program)) {
            printf("complete -c %s -n __fish_use_subcommand -a %s -d '", program->name, c->name);
            put_phrase(c->summary, "\\");
            fputs("'\n", stdout);
        }
        fish_options(program, c, c->options, c->options_count);
        fish_options(program, c, program->options, program->options_count);
        if (takes_files(c)) {
            fish_head(program, c);
            fputs(" -F\n", stdout);
        }
        if (takes_command(c)) {
            fish_head(program, c);
            fputs(" -a '", stdout);
            put_commands(program);
            fputs("'\n", stdout);
        }
    }
}

int shell_complete(const struct program *program, const char *shell) {
    static const struct {
        const char *name;
        void (*print)(const struct program *);
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    for (size_t i = 0; i < COUNT_OF(shells); i++) {
        if (strcmp(shell, shells[i].name) != 0) continue;
        if (!strcmp(shell, "zsh")) printf("#compdef %s\n", program->name);
        put_head(program, shell);
        shells[i].print(program);
        return output_flush();
    }
    hint_value(shell, "bash zsh fish");
    return fail(EXIT_USAGE, "--completion expects bash, zsh or fish, found '%s'.", shell);
}
