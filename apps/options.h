/* The command line into settings, by the tables of command.h. */
#ifndef APPS_OPTIONS_H
#define APPS_OPTIONS_H

#include "command.h"

/* The defaults that are not zero. */
void settings_defaults(struct settings *settings);

/* Reads argv[first ..] for a command (NULL: only the options in front of a command, up to the first
 * argument that is none; *next gets its index). "--name VALUE", "--name=VALUE" and "-m VALUE"; "--"
 * ends the options. What has no dash goes where the command's operands say. EXIT_OK, or EXIT_USAGE
 * after a sentence. */
int options_parse(const struct command *command, struct settings *settings, int argc, char **argv,
                  int first, int *next);

/* Turns names into values and checks them against this machine: threads, cpu, engine. An exit
 * status. */
int options_resolve(struct settings *settings);

#endif
