/* The HTTP door: connections, who may come in, one exchange for each request, and the way of the
 * room's news back to it. libevent's evhttp reads and writes HTTP; everything here is on the thread
 * of its loop, but for door_post. */
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
    const char *host; /* to listen on: a name or an address */
    uint16_t port;    /* 0: any that is free */
    struct gate_limits limits;
    const char *key;                       /* that clients must give; NULL: none */
    const char *origins[DOOR_ORIGINS_MAX]; /* pages that may come in; "*": all */
    size_t origins_count;
    const char *hosts[DOOR_HOSTS_MAX]; /* names beside those of the loopback */
    size_t hosts_count;
    int log_requests; /* bodies go to standard error */
    int special;      /* != 0: raw prompts may spell control tokens, if a client does not say */
};

struct door;
struct exchange;

struct route {
    const char *path;
    enum evhttp_cmd_type method;
    int is_open; /* needs no key */
    /* Answers, or begins what will. body: of a POST, an object; NULL else. */
    void (*begin)(struct exchange *exchange, const json_t *body);
};

/* One request of a client. It lives until it was answered, or the client is gone and what works for
 * it (`end`) has ended too. */
struct exchange {
    struct door *door;
    struct evhttp_request *http; /* NULL: answered, or the client is gone */
    int is_stream;               /* the answer's head has gone */
    char id[32];
    int64_t created;
    uint64_t begun_ns;
    /* Of who works for it: told once that the client is gone. Who sets it calls exchange_end. */
    void (*gone)(struct exchange *exchange);
    void *work;
    /* internal */
    struct evhttp_connection *connection;
    struct exchange *next, **link;
};

/* The routes, up to one without a path. */
extern const struct route plain_routes[], infill_routes[], openai_routes[];

/* Answers with a JSON object, which is taken, and ends the exchange if nobody works for it. */
void exchange_json(struct exchange *exchange, int code, json_t *body);
void exchange_text(struct exchange *exchange, int code, const char *type, const char *text);
/* {"error": {"code", "message", "type"}}; within a stream as its last event. */
void exchange_fail(struct exchange *exchange, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Server-sent events: the head with the first one. The object is taken. `done`: "[DONE]" follows
 * the last one. Gives 0 where the client reads so slowly that it was dropped. */
int exchange_event(struct exchange *exchange, json_t *event);
void exchange_finish(struct exchange *exchange, int done);

/* The work has ended: frees the exchange, now or when its answer has gone. */
void exchange_end(struct exchange *exchange);

const struct door_config *exchange_config(const struct exchange *exchange);
struct room *exchange_room(const struct exchange *exchange);
const struct room_model *exchange_model(const struct exchange *exchange);

/* Anything for the loop's thread, from any thread: tell() is called there once. */
struct news {
    struct news *next;
    void (*tell)(struct news *news);
};
void door_post(struct door *door, struct news *news);
struct door *exchange_door(const struct exchange *exchange);

struct door_figures {
    uint64_t requests, by_class[6]; /* answers by the first digit of their code */
    uint32_t connections, open;     /* now: connections, exchanges */
};
void door_figures(struct door *door, struct door_figures *figures);

/* Listens. An exit status after a sentence. */
int door_open(struct door **door, const struct door_config *config);
/* The port that it listens on. */
uint16_t door_port(const struct door *door);
/* Serves until a SIGINT or SIGTERM, then lets answers go for up to two seconds. The signal. */
int door_run(struct door *door);
/* After room_close: nothing is posted any more. */
void door_close(struct door *door);

#endif
