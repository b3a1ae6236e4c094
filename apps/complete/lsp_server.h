/* The language server: the protocol's 3.18 over two descriptors. */
#ifndef COMPLETE_LSP_SERVER_H
#define COMPLETE_LSP_SERVER_H

#include <stdint.h>

struct settings;

/* Serves one client until it says "exit" or closes. The exit status: EXIT_OK where it had said
 * "shutdown" before, EXIT_FAULT otherwise. A model that `command` does not name is the client's to
 * name. */
int lsp_serve(const struct settings *command, int in, int out);

#endif
