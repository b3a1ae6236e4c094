/* What somebody may have meant who typed something that is not there: a slip, or a word of another
 * program. */
#ifndef KIT_HINTS_H
#define KIT_HINTS_H

#include "command_line.h"

/* Each leaves a sentence for the next fail (fail.h), where it knows one. */
void hint_command(const struct program *program, const char *word, int argc, char **argv);
void hint_option(const struct program *program, const struct command *command, const char *option,
                 int argc, char **argv);

/* The same for a value out of a few, separated by spaces. */
void hint_value(const char *value, const char *values);

/* The option that another program calls so and that means the same here, or NULL. */
const char *hint_synonym(const struct program *program, const char *name);

/* Text as a shell takes it back: in quotes where it needs them. Cut where it does not fit. Returns
 * `out`. */
char *shell_quote(char *out, size_t capacity, const char *text);

#endif
