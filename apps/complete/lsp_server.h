/* The language server: version 3.18 of the protocol, over two descriptors. */
#ifndef COMPLETE_LSP_SERVER_H
#define COMPLETE_LSP_SERVER_H

#include <stdint.h>

struct settings;

/* Serves one client until it says "exit" or closes. Returns EXIT_OK if it had said "shutdown"
 * before, otherwise EXIT_FAULT. If `command` names no model, the client has to name it. */
int lsp_serve(const struct settings *command, int in, int out);

#endif
