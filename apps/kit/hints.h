/* What the user may have meant by a word that does not exist here: a slip, or a word of another
 * program. */
#ifndef KIT_HINTS_H
#define KIT_HINTS_H

#include "command_line.h"

/* Each sets the hint for the next fail (fail.h), if it knows one. */
void hint_command(const struct program *program, const char *word, int argc, char **argv);
void hint_option(const struct program *program, const struct command *command, const char *option,
                 int argc, char **argv);

/* The same for a value that must be one of `values`, which are separated by spaces. */
void hint_value(const char *value, const char *values);

/* The option here that means the same as option `name` of another program, or NULL. */
const char *hint_synonym(const struct program *program, const char *name);

/* Writes text so that a shell reads it back: in quotes if it needs them. It is cut if it does not
 * fit. Returns `out`. */
char *shell_quote(char *out, size_t capacity, const char *text);

#endif
