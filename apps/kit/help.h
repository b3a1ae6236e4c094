/* The help of a program, made from the tables of command_line.h: as text, as a manual page and as
 * JSON. */
#ifndef KIT_HELP_H
#define KIT_HELP_H

#include <stdio.h>

#include "command_line.h"

void help_overview(FILE *to, const struct program *program);
/* help_brief prints what most users need, in lines of at most 80 columns: the options that have a
 * brief phrase. help_command prints everything. */
void help_brief(FILE *to, const struct program *program, const struct command *command);
void help_command(FILE *to, const struct program *program, const struct command *command);

/* Print on standard output the manual page, and one object with all commands, or only with the
 * command `only` if it is not NULL. They return the exit status. */
int help_man(const struct program *program);
int help_json(const struct program *program, const struct command *only);

#endif
