/* The command line into settings, by the tables of command_line.h. */
#ifndef KIT_OPTIONS_H
#define KIT_OPTIONS_H

#include "command_line.h"

/* Reads argv[first ..] for a command (NULL: only the options in front of a command, up to the first
 * argument that is none; *next gets its index). "--name VALUE", "--name=VALUE" and "-m VALUE"; "--"
 * ends the options. What has no dash goes where the command's operands say. EXIT_OK, or EXIT_USAGE
 * after a sentence. A value given twice is remembered over all calls. */
int options_parse(const struct program *program, const struct command *command,
                  struct settings *settings, int argc, char **argv, int first, int *next);

/* What a program's `store` may use: an option as it can be typed, "-n (--tokens)", until the next
 * call; and a whole number within the option's range. */
const char *option_named(const struct option *option);
int option_count(const struct option *option, uint64_t *to, const char *value);

/* A flag of the settings, by its offset. */
int options_flag(const struct settings *settings, size_t offset);

#endif
