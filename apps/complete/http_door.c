#include "http_inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <event2/thread.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "http_admission.h"
#include "kit/exit.h"
#include "kit/fail.h"
#include "kit/json.h"
#include "load.h"

enum {
    SWEEP_US = 500000,       /* how often it looks for connections that take too long */
    CLOSING_US = 2000000,    /* how long the last answers may take */
    ROOT_NUMBER = 0x2545F491 /* mixed into the ids of exchanges */
};

/* -------------------------------------------------------------------------------------- news -- */

void door_post(struct door *door, struct news *news) {
    news->next = NULL;
    pthread_mutex_lock(&door->lock);
    int is_first = !door->first;
    *door->last = news;
    door->last = &news->next;
    pthread_mutex_unlock(&door->lock);
    if (is_first) event_active(door->wake, EV_READ, 0);
}

static void on_wake(evutil_socket_t fd, short what, void *arg) {
    struct door *door = arg;
    (void)fd, (void)what;
    pthread_mutex_lock(&door->lock);
    struct news *news = door->first;
    door->first = NULL;
    door->last = &door->first;
    pthread_mutex_unlock(&door->lock);
    while (news) {
        struct news *next = news->next;
        news->tell(news);
        news = next;
    }
}

/* ------------------------------------------------------------------------------ who may come in */

static const char *header(const struct exchange *exchange, const char *name) {
    return evhttp_find_header(evhttp_request_get_input_headers(exchange->http), name);
}

/* Whether the request is admitted; if not, it has been answered. */
static int is_admitted(struct exchange *exchange, const struct route *route) {
    const struct door *door = exchange->door;
    const char *host = header(exchange, "Host"), *origin = header(exchange, "Origin");
    if (door->is_loopback && host && !admits_host(&door->config, host)) {
        exchange_fail(exchange, 421,
                      "the request is for the host '%.100s', which this server is not: use "
                      "localhost, or start it with --allow-host",
                      host);
        return 0;
    }
    if (origin && !admits_origin(&door->config, origin)) {
        exchange_fail(exchange, 403,
                      "pages of '%.100s' may not use this server: start it with --allow-origin if "
                      "they are to",
                      origin);
        return 0;
    }
    if (origin) {
        exchange_header(exchange, "Access-Control-Allow-Origin", origin);
        exchange_header(exchange, "Vary", "Origin");
    }
    if (route && !route->is_open &&
        !admits_key(&door->config, header(exchange, "Authorization"),
                    header(exchange, "X-Api-Key"))) {
        exchange_header(exchange, "WWW-Authenticate", "Bearer");
        exchange_fail(exchange, 401,
                      "the server expects its key in the header 'Authorization: Bearer KEY'");
        return 0;
    }
    return 1;
}

/* ------------------------------------------------------------------------------------ requests */

static const struct route *find_route(const char *path, enum evhttp_cmd_type method, int *is_path) {
    static const struct route *const tables[] = {plain_routes, infill_routes, openai_routes};
    *is_path = 0;
    for (size_t t = 0; t < COUNT_OF(tables); t++)
        for (const struct route *route = tables[t]; route->path; route++) {
            if (strcmp(route->path, path) != 0) continue;
            *is_path = 1;
            if (route->method == method) return route;
        }
    return NULL;
}

static json_t *parse_body(struct exchange *exchange) {
    struct evbuffer *input = evhttp_request_get_input_buffer(exchange->http);
    size_t bytes = evbuffer_get_length(input);
    const char *text = bytes ? (const char *)evbuffer_pullup(input, -1) : "";
    json_error_t error;
    if (exchange->door->config.log_requests && bytes)
        fprintf(stderr, "apus serve: %s %.*s\n", exchange->id, (int)(bytes < 65536 ? bytes : 65536),
                text);
    json_t *body = json_loadb(text, bytes, 0, &error);
    evbuffer_drain(input, bytes);
    if (json_is_object(body)) return body;
    if (body)
        exchange_fail(exchange, 400, "the body expects a JSON object, found another value");
    else
        exchange_fail(exchange, 400, "the body expects a JSON object: %s, line %d, column %d",
                      error.text, error.line, error.column);
    json_decref(body);
    return NULL;
}

static void dispatch(struct exchange *exchange, const struct route *route) {
    if (route->method != EVHTTP_REQ_POST) {
        route->begin(exchange, NULL);
        return;
    }
    json_t *body = parse_body(exchange);
    if (!body) return;
    route->begin(exchange, body);
    json_decref(body);
}

/* Answers the question that a browser asks before a request of an admitted page. */
static void answer_preflight(struct exchange *exchange) {
    exchange_header(exchange, "Access-Control-Allow-Methods", "GET, POST");
    exchange_header(exchange, "Access-Control-Allow-Headers",
                    "Authorization, Content-Type, X-Api-Key");
    exchange_header(exchange, "Access-Control-Max-Age", "600");
    exchange_bytes(exchange, 204, NULL, "", 0);
}

static void handle(struct exchange *exchange) {
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(exchange->http);
    const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
    enum evhttp_cmd_type method = evhttp_request_get_command(exchange->http);
    if (!path || !*path) path = "/";
    if (method == EVHTTP_REQ_HEAD) method = EVHTTP_REQ_GET;
    int is_path;
    const struct route *route = find_route(path, method, &is_path);
    if (!is_admitted(exchange, route)) return;
    if (method == EVHTTP_REQ_OPTIONS)
        answer_preflight(exchange);
    else if (route)
        dispatch(exchange, route);
    else if (is_path)
        exchange_fail(exchange, 405, "'%.100s' expects another method than that of this request",
                      path);
    else
        exchange_fail(exchange, 404, "there is nothing at '%.100s'", path);
}

static void on_complete(struct evhttp_request *http, void *arg) {
    struct door *door = arg;
    struct evhttp_connection *connection = evhttp_request_get_connection(http);
    const struct timeval idle = {(time_t)door->config.limits.idle_s, 0};
    if (!connection) return;
    struct bufferevent *bev = evhttp_connection_get_bufferevent(connection);
    bufferevent_set_timeouts(bev, &idle, &idle);
    gate_idle(door->gate, bev);
}

static void on_request(struct evhttp_request *http, void *arg) {
    struct door *door = arg;
    struct exchange *exchange = calloc(1, sizeof *exchange);
    door->figures.requests++;
    if (!exchange) {
        evhttp_send_error(http, 503, NULL);
        return;
    }
    exchange->door = door;
    exchange->http = http;
    exchange->connection = evhttp_request_get_connection(http);
    exchange->created = (int64_t)time(NULL);
    exchange->begun_ns = now_ns();
    snprintf(exchange->id, sizeof exchange->id, "%08x-%llu", (unsigned)(getpid() ^ ROOT_NUMBER),
             (unsigned long long)++door->number);
    exchange_add(door, exchange);
    gate_work(door->gate, evhttp_connection_get_bufferevent(exchange->connection));
    evhttp_request_set_on_complete_cb(http, on_complete, door);
    evhttp_connection_set_closecb(exchange->connection, exchange_on_close, exchange);
    handle(exchange);
}

void door_figures(struct door *door, struct door_figures *figures) {
    *figures = door->figures;
    figures->connections = gate_count(door->gate);
}

/* ---------------------------------------------------------------------------- opening, closing */

static void on_sweep(evutil_socket_t fd, short what, void *arg) {
    struct door *door = arg;
    (void)fd, (void)what;
    gate_sweep(door->gate);
}

static void on_closing(evutil_socket_t fd, short what, void *arg) {
    struct door *door = arg;
    static int waited;
    (void)fd, (void)what;
    waited += 20000;
    if (!door->exchanges || waited > CLOSING_US) event_base_loopbreak(door->base);
}

/* The first signal ends the work: open requests are cancelled and get their answers. A second one
 * ends the server at once. */
static void on_signal(evutil_socket_t number, short what, void *arg) {
    struct door *door = arg;
    const struct timeval every = {0, 20000};
    struct exchange *next;
    (void)what;
    if (door->signal) event_base_loopbreak(door->base);
    door->signal = number;
    evhttp_del_accept_socket(door->http, door->bound);
    door->bound = NULL;
    for (struct exchange *exchange = door->exchanges; exchange; exchange = next) {
        next = exchange->next;
        if (exchange->gone) exchange->gone(exchange);
    }
    event_add(door->closing, &every);
}

static int resolve(const struct door_config *config, struct addrinfo **addresses) {
    char port[8];
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    snprintf(port, sizeof port, "%u", config->port);
    int error = getaddrinfo(config->host, port, &hints, addresses);
    if (!error) return EXIT_OK;
    return fail(EXIT_USAGE, "--host expects a name or an address of this machine, found '%s': %s.",
                config->host, gai_strerror(error));
}

static int is_loopback(const struct sockaddr *address) {
    static const unsigned char one[16] = {[15] = 1};
    if (address->sa_family == AF_INET)
        return (ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24) == 127;
    return address->sa_family == AF_INET6 &&
           !memcmp(&((const struct sockaddr_in6 *)address)->sin6_addr, one, sizeof one);
}

static void learn_port(struct door *door) {
    struct sockaddr_storage name;
    socklen_t bytes = sizeof name;
    evutil_socket_t fd = evhttp_bound_socket_get_fd(door->bound);
    const int one = 1;
    /* accepted connections inherit this */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, (const char *)&one, sizeof one);
    if (getsockname(fd, (struct sockaddr *)&name, &bytes)) return;
    door->port = ntohs(name.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&name)->sin6_port
                                                  : ((struct sockaddr_in *)&name)->sin_port);
}

static int bind_door(struct door *door) {
    struct addrinfo *addresses = NULL;
    int failed = resolve(&door->config, &addresses);
    if (failed) return failed;
    door->is_loopback = is_loopback(addresses->ai_addr);
    struct evconnlistener *listener = evconnlistener_new_bind(
        door->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
        256, addresses->ai_addr, (int)addresses->ai_addrlen);
    int error = errno;
    freeaddrinfo(addresses);
    door->bound = listener ? evhttp_bind_listener(door->http, listener) : NULL;
    if (!door->bound)
        return fail(EXIT_FAULT, "cannot listen on %s, port %u: %s.", door->config.host,
                    door->config.port, strerror(error));
    learn_port(door);
    return EXIT_OK;
}

static int make_events(struct door *door) {
    const struct timeval sweep = {0, SWEEP_US};
    door->wake = event_new(door->base, -1, EV_PERSIST, on_wake, door);
    door->hangups = event_new(door->base, -1, EV_PERSIST, exchange_on_hangups, door);
    door->sweep = event_new(door->base, -1, EV_PERSIST, on_sweep, door);
    door->closing = event_new(door->base, -1, EV_PERSIST, on_closing, door);
    door->interrupt = evsignal_new(door->base, SIGINT, on_signal, door);
    door->terminate = evsignal_new(door->base, SIGTERM, on_signal, door);
    return door->wake && door->hangups && door->sweep && door->closing && door->interrupt &&
           door->terminate && !event_add(door->sweep, &sweep) &&
           !event_add(door->interrupt, NULL) && !event_add(door->terminate, NULL);
}

static void quiet(int severity, const char *message) {
    if (severity >= EVENT_LOG_ERR) fail_warn("libevent: %s.", message);
}

int door_open(struct door **out, const struct door_config *config) {
    struct door *door = calloc(1, sizeof *door);
    event_set_log_callback(quiet);
    signal(SIGPIPE, SIG_IGN);
    if (!door || evthread_use_pthreads()) {
        free(door);
        return fail(EXIT_FAULT, "no memory left for the server.");
    }
    door->config = *config;
    door->last = &door->first;
    pthread_mutex_init(&door->lock, NULL);
    door->base = event_base_new();
    door->http = door->base ? evhttp_new(door->base) : NULL;
    door->gate = door->http ? gate_open(door->http, &config->limits) : NULL;
    int status = door->gate && make_events(door)
                     ? bind_door(door)
                     : fail(EXIT_FAULT, "no memory left for the server.");
    if (status) {
        door_close(door);
        return status;
    }
    evhttp_set_allowed_methods(door->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
                                               EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PUT |
                                               EVHTTP_REQ_DELETE);
    evhttp_set_gencb(door->http, on_request, door);
    *out = door;
    return EXIT_OK;
}

uint16_t door_port(const struct door *door) { return door->port; }

int door_run(struct door *door) {
    event_base_dispatch(door->base);
    return door->signal;
}

static void free_event(struct event *event) {
    if (event) event_free(event);
}

void door_close(struct door *door) {
    if (!door) return;
    on_wake(-1, 0, door); /* the last messages */
    if (door->http) evhttp_free(door->http);
    while (door->exchanges) exchange_free(door->exchanges);
    gate_close(door->gate);
    free_event(door->wake);
    free_event(door->hangups);
    free_event(door->sweep);
    free_event(door->closing);
    free_event(door->interrupt);
    free_event(door->terminate);
    if (door->base) event_base_free(door->base);
    pthread_mutex_destroy(&door->lock);
    free(door);
    libevent_global_shutdown();
}
