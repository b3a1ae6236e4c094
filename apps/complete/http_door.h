/* The HTTP door: connections, the check of who is admitted, one exchange for each request, and the
 * way back for the room's messages. libevent's evhttp reads and writes HTTP. Everything here runs
 * on the thread of its loop, except door_post. */
#ifndef COMPLETE_HTTP_DOOR_H
#define COMPLETE_HTTP_DOOR_H

#include <event2/buffer.h>
#include <event2/http.h>
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "http_gate.h"
#include "room.h"

enum { DOOR_ORIGINS_MAX = 16, DOOR_HOSTS_MAX = 16 };

struct door_config {
    struct room *room;
    const char *host; /* where to listen: a name or an address */
    uint16_t port;    /* 0: any free port */
    struct gate_limits limits;
    const char *key;                       /* the key that clients must give; NULL: none */
    const char *origins[DOOR_ORIGINS_MAX]; /* pages that are admitted; "*": all */
    size_t origins_count;
    const char *hosts[DOOR_HOSTS_MAX]; /* names of this machine besides those of the loopback */
    size_t hosts_count;
    int log_requests; /* != 0: bodies are written to standard error */
    int special;      /* != 0: raw prompts may spell control tokens, unless the client says
                         otherwise */
};

struct door;
struct exchange;

struct route {
    const char *path;
    enum evhttp_cmd_type method;
    int is_open; /* needs no key */
    /* Answers, or begins work that will answer. body: the object of a POST; otherwise NULL. */
    void (*begin)(struct exchange *exchange, const json_t *body);
};

/* One request of a client. It lives until it is answered or the client is gone, and the work for it
 * has ended (exchange_end). */
struct exchange {
    struct door *door;
    struct evhttp_request *http; /* NULL: answered, or the client is gone */
    int is_stream;               /* the head of a stream has been sent */
    char id[32];
    int64_t created;
    uint64_t begun_ns;
    /* Set by the code that works for it: called once if the client is gone. Code that sets these
     * calls exchange_end. */
    void (*gone)(struct exchange *exchange);
    void *work;
    /* These are internal. */
    struct evhttp_connection *connection;
    struct exchange *next, **link;
};

/* The routes. Each list ends with one without a path. */
extern const struct route plain_routes[], infill_routes[], openai_routes[];

/* Answers with a JSON object, whose reference it takes, and ends the exchange unless work for it
 * goes on. */
void exchange_json(struct exchange *exchange, int code, json_t *body);
void exchange_text(struct exchange *exchange, int code, const char *type, const char *text);
/* Answers {"error": {"code", "message", "type"}}; in a stream this is the last event. */
void exchange_fail(struct exchange *exchange, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Server-sent events. The head is sent with the first one. exchange_event takes the reference of
 * the object; it returns 0 if the client was dropped because it reads too slowly. done: "[DONE]"
 * follows the last event. */
int exchange_event(struct exchange *exchange, json_t *event);
void exchange_finish(struct exchange *exchange, int done);

/* Call this when the work has ended. It frees the exchange, at once or when its answer has been
 * sent. */
void exchange_end(struct exchange *exchange);

const struct door_config *exchange_config(const struct exchange *exchange);
struct room *exchange_room(const struct exchange *exchange);
const struct room_model *exchange_model(const struct exchange *exchange);

/* A message for the loop's thread, which any thread may post. tell() is called once, on the loop's
 * thread. */
struct news {
    struct news *next;
    void (*tell)(struct news *news);
};
void door_post(struct door *door, struct news *news);
struct door *exchange_door(const struct exchange *exchange);

struct door_figures {
    uint64_t requests, by_class[6]; /* by_class: answers by the first digit of their status code */
    uint32_t connections, open;     /* how many connections and exchanges are open now */
};
void door_figures(struct door *door, struct door_figures *figures);

/* Begins to listen. EXIT_OK, or another exit status after a sentence. */
int door_open(struct door **door, const struct door_config *config);
/* The port that the server listens on. */
uint16_t door_port(const struct door *door);
/* Serves until SIGINT or SIGTERM, then lets answers finish for up to two seconds. Returns the
 * signal. */
int door_run(struct door *door);
/* Call this after room_close, so that nothing is posted any more. */
void door_close(struct door *door);

#endif
