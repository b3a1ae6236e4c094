/* Completion of a program's command line in shells, from the tables of command_line.h. */
#ifndef KIT_SHELL_COMPLETE_H
#define KIT_SHELL_COMPLETE_H

#include "command_line.h"

/* The script for "bash", "zsh" or "fish" on standard output. The exit status: EXIT_USAGE, after a
 * sentence, for another shell.
 *
 * Completed are commands, options and, where an option or an argument takes a file, its name. A
 * value whose name in the help begins with FILE is one. */
int shell_complete(const struct program *program, const char *shell);

#endif
