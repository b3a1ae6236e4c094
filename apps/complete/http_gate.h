/* What evhttp of libevent 2.1 does not do for a server: how many connections there are, limits that
 * say 431 or 413 with a sentence while the bytes come, and an end to requests that come too slowly.
 *
 * Each connection has a link here from the moment that it is accepted. The bytes that come are
 * counted before evhttp sees them; a request that is refused is answered here, and what else comes
 * on that connection is thrown away. A link whose connection has gone is found and used again. */
#ifndef COMPLETE_HTTP_GATE_H
#define COMPLETE_HTTP_GATE_H

#include <event2/http.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct gate_limits {
    size_t head_bytes;    /* of a request's first line and headers */
    size_t body_bytes;    /* of its body, chunked or not */
    uint32_t connections; /* at once; those beyond it get 503 */
    uint32_t idle_s;      /* without a byte, between requests and inside one */
    uint32_t request_s;   /* for a whole request to come */
};

struct gate;

/* Guards the connections of http. NULL: no memory. */
struct gate *gate_open(struct evhttp *http, const struct gate_limits *limits);
void gate_close(struct gate *gate); /* after evhttp_free; NULL: nothing */

/* A whole request has come on this connection, and is worked on; its answer has gone. */
void gate_work(struct gate *gate, struct bufferevent *connection);
void gate_idle(struct gate *gate, struct bufferevent *connection);

/* Ends what has taken too long; to be called about twice a second. */
void gate_sweep(struct gate *gate);

/* Connections that are there now. */
uint32_t gate_count(struct gate *gate);

#endif
