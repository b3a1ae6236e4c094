/* Help, from the tables of command.h. */
#ifndef APPS_HELP_H
#define APPS_HELP_H

#include <stdio.h>

#include "command.h"

void help_overview(FILE *to);
void help_command(FILE *to, const struct command *command);

#endif
