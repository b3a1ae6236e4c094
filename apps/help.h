/* Help, from the tables of command.h. */
#ifndef APPS_HELP_H
#define APPS_HELP_H

#include <stdio.h>

#include "command.h"

void help_overview(FILE *to);
/* At most 24 lines of at most 80 columns, what most need; and everything. */
void help_brief(FILE *to, const struct command *command);
void help_command(FILE *to, const struct command *command);

#endif
