/* Everything that a program says of itself, from the tables of command_line.h: as text, as a manual
 * page and as JSON. */
#ifndef KIT_HELP_H
#define KIT_HELP_H

#include <stdio.h>

#include "command_line.h"

void help_overview(FILE *to, const struct program *program);
/* What most need, in lines of at most 80 columns: the options that have a brief phrase; and
 * everything. */
void help_brief(FILE *to, const struct program *program, const struct command *command);
void help_command(FILE *to, const struct program *program, const struct command *command);

/* The manual page on standard output, and one object with all commands, or with `only` where it is
 * not NULL. The exit status. */
int help_man(const struct program *program);
int help_json(const struct program *program, const struct command *only);

#endif
