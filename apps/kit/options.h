/* Reads the command line into settings, by the tables of command_line.h. */
#ifndef KIT_OPTIONS_H
#define KIT_OPTIONS_H

#include "command_line.h"

/* Reads argv[first ..] for a command. command NULL: reads only the options in front of a command,
 * up to the first argument that is no option, whose index *next gets. It understands "--name
 * VALUE", "--name=VALUE" and "-m VALUE"; "--" ends the options. Arguments without a dash go where
 * the command's operands say. Returns EXIT_OK, or EXIT_USAGE after a sentence. Options that are
 * given twice are noticed over all calls. */
int options_parse(const struct program *program, const struct command *command,
                  struct settings *settings, int argc, char **argv, int first, int *next);

/* For a program's `store`. option_named: the option as it can be typed, such as "-n (--tokens)";
 * the string is valid until the next call. option_count: reads a whole number within the option's
 * range; EXIT_OK, or EXIT_USAGE after a sentence. */
const char *option_named(const struct option *option);
int option_count(const struct option *option, uint64_t *to, const char *value);

/* The value of a flag in the settings, by its offset. */
int options_flag(const struct settings *settings, size_t offset);

#endif
