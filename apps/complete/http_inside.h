/* The door as its own parts see it: its state, and what they call of each other. */
#ifndef COMPLETE_HTTP_INSIDE_H
#define COMPLETE_HTTP_INSIDE_H

#include <event2/event.h>
#include <event2/http.h>
#include <pthread.h>

#include "http_door.h"

struct door {
    struct door_config config;
    struct event_base *base;
    struct evhttp *http;
    struct gate *gate;
    struct evhttp_bound_socket *bound;
    struct event *wake, *hangups, *sweep, *interrupt, *terminate, *closing;
    struct exchange *exchanges;
    struct door_figures figures;
    uint64_t number;
    uint16_t port;
    int is_loopback, signal;
    pthread_mutex_t lock; /* for first and last */
    struct news *first, **last;
};

/* A new exchange of this door, and the end of one that nobody holds any more. */
void exchange_add(struct door *door, struct exchange *exchange);
void exchange_free(struct exchange *exchange);

/* libevent's callbacks: the connection of an exchange has been closed; look for clients of a door
 * that hung up. */
void exchange_on_close(struct evhttp_connection *connection, void *exchange);
void exchange_on_hangups(evutil_socket_t unused, short what, void *door);

void exchange_header(struct exchange *exchange, const char *name, const char *value);
/* Answers with these bytes. type: NULL where there are none. */
void exchange_bytes(struct exchange *exchange, int code, const char *type, const char *bytes,
                    size_t count);

#endif
