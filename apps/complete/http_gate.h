/* What a server needs and evhttp of libevent 2.1 does not have: a limit on the number of
 * connections, limits on sizes that answer 431 or 413 with a sentence while the bytes come, and an
 * end to requests that come too slowly.
 *
 * Each connection has a link here from the moment when it is accepted. Bytes are counted before
 * evhttp sees them. A request that is refused is answered here, and whatever else comes on that
 * connection is thrown away. A link whose connection is gone is found and used again. */
#ifndef COMPLETE_HTTP_GATE_H
#define COMPLETE_HTTP_GATE_H

#include <event2/http.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct gate_limits {
    size_t head_bytes;    /* the most bytes of a request's first line and headers */
    size_t body_bytes;    /* the most bytes of its body, chunked or not */
    uint32_t connections; /* the most connections at once; one more gets 503 */
    uint32_t idle_s;      /* seconds without a byte, between requests or inside one */
    uint32_t request_s;   /* seconds in which a whole request must come */
};

struct gate;

/* Guards the connections of http. NULL: memory is short. */
struct gate *gate_open(struct evhttp *http, const struct gate_limits *limits);
void gate_close(struct gate *gate); /* call it after evhttp_free; gate may be NULL */

/* Call gate_work when a whole request has come on this connection and is worked on, and gate_idle
 * when its answer has been sent. */
void gate_work(struct gate *gate, struct bufferevent *connection);
void gate_idle(struct gate *gate, struct bufferevent *connection);

/* Ends requests and connections that have taken too long. Call it about twice a second. */
void gate_sweep(struct gate *gate);

/* How many connections there are now. */
uint32_t gate_count(struct gate *gate);

#endif
