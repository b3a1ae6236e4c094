/* Messages to the client. Any thread may send them; a thread of its own writes them, so that a
 * client that reads slowly stops no other thread. At most OUT_BYTES_MAX bytes wait; a client that
 * does not read them is given up. */
#ifndef COMPLETE_LSP_OUT_H
#define COMPLETE_LSP_OUT_H

#include <jansson.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

enum { OUT_BYTES_MAX = 16 << 20, OUT_TICK_MS = 500 };

struct out {
    int file; /* descriptor */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct out_message *first, *last;
    size_t bytes; /* bytes that wait */
    int closing, broken;
    void (*tick)(void *user); /* about every OUT_TICK_MS, on the thread that writes; may be NULL */
    void *user;
};

/* 0, or an errno value. */
int out_open(struct out *out, int file, void (*tick)(void *user), void *user);

/* Takes the reference of the message and adds "jsonrpc" to it. The message is dropped if the client
 * was given up. */
void out_send(struct out *out, json_t *message);

/* Whether the client is gone, or was given up. */
int out_broken(struct out *out);

/* Writes the messages that wait, and ends the thread. */
void out_close(struct out *out);

/* Make {"method": ..., "params": ...} and the answers to a request. They take the references of
 * params and result. */
json_t *message_notification(const char *method, json_t *params);
json_t *message_result(const json_t *id, json_t *result);
json_t *message_error(const json_t *id, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Error codes of JSON-RPC and of the protocol. */
enum {
    ERROR_PARSE = -32700,
    ERROR_INVALID_REQUEST = -32600,
    ERROR_METHOD = -32601,
    ERROR_PARAMS = -32602,
    ERROR_INTERNAL = -32603,
    ERROR_NOT_INITIALIZED = -32002,
    ERROR_FAILED = -32803,
    ERROR_MODIFIED = -32801,
    ERROR_CANCELLED = -32800
};

#endif
