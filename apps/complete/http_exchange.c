#include <event2/bufferevent.h>
#include <event2/event.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_inside.h"
#include "kit/json.h"

enum {
    HANGUP_US = 2000,    /* how often the server looks for clients that hung up, while requests are
                            open */
    UNSENT_MAX = 1 << 20 /* bytes that a stream's client may leave unread */
};

/* ---------------------------------------------------------------------------- life of one -- */

const struct door_config *exchange_config(const struct exchange *exchange) {
    return &exchange->door->config;
}
struct room *exchange_room(const struct exchange *exchange) {
    return exchange->door->config.room;
}
const struct room_model *exchange_model(const struct exchange *exchange) {
    return room_model(exchange->door->config.room);
}
struct door *exchange_door(const struct exchange *exchange) {
    return exchange->door;
}

static void set_polling(struct door *door) {
    const struct timeval every = {0, HANGUP_US};
    if (!door->exchanges)
        event_del(door->hangups);
    else if (!evtimer_pending(door->hangups, NULL))
        event_add(door->hangups, &every);
}

void exchange_add(struct door *door, struct exchange *exchange) {
    exchange->next = door->exchanges;
    exchange->link = &door->exchanges;
    if (exchange->next) exchange->next->link = &exchange->next;
    door->exchanges = exchange;
    door->figures.open++;
    set_polling(door);
}

void exchange_free(struct exchange *exchange) {
    struct door *door = exchange->door;
    *exchange->link = exchange->next;
    if (exchange->next) exchange->next->link = exchange->link;
    free(exchange);
    door->figures.open--;
    set_polling(door);
}

/* Call this when the answer is on its way, or when the client is gone. */
static void let_go(struct exchange *exchange) {
    evhttp_connection_set_closecb(exchange->connection, NULL, NULL);
    exchange->http = NULL;
    exchange->connection = NULL;
    if (!exchange->work) exchange_free(exchange);
}

void exchange_end(struct exchange *exchange) {
    exchange->work = NULL;
    exchange->gone = NULL;
    if (!exchange->http) exchange_free(exchange);
}

/* Called when evhttp closes the connection. If evhttp has detached the request before, it has to be
 * freed here. */
void exchange_on_close(struct evhttp_connection *connection, void *arg) {
    struct exchange *exchange = arg;
    struct evhttp_request *http = exchange->http;
    (void)connection;
    exchange->http = NULL;
    exchange->connection = NULL;
    if (http && !evhttp_request_get_connection(http)) evhttp_request_free(http);
    if (exchange->gone)
        exchange->gone(exchange);
    else if (!exchange->work)
        exchange_free(exchange);
}

/* While evhttp waits for an answer it does not read, so it does not notice that the client is gone.
 * Reading without its knowledge would end the process (EVCON_WRITING in its http.c). */
void exchange_on_hangups(evutil_socket_t unused, short what, void *arg) {
    struct door *door = arg;
    struct exchange *next;
    (void)unused, (void)what;
    for (struct exchange *exchange = door->exchanges; exchange; exchange = next) {
        next = exchange->next;
        if (!exchange->connection) continue;
        struct bufferevent *bev = evhttp_connection_get_bufferevent(exchange->connection);
        struct pollfd client = {.fd = bufferevent_getfd(bev), .events = POLLRDHUP};
        if (client.fd >= 0 && poll(&client, 1, 0) > 0 &&
            (client.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL))) {
            evhttp_connection_free(exchange->connection); /* this calls exchange_on_close */
            /* begins again: exchange_on_close may have changed all of the list */
            next = door->exchanges;
        }
    }
}

/* -------------------------------------------------------------------------------- answers -- */

static void count_answer(struct door *door, int code) {
    if (code >= 100 && code < 600) door->figures.by_class[code / 100]++;
}

static const char *reason_of(int code) {
    switch (code) {
    case 200:
        return "OK";
    case 204:
        return "No Content";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 413:
        return "Payload Too Large";
    case 421:
        return "Misdirected Request";
    case 499:
        return "Cancelled";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    default:
        return "Error";
    }
}

void exchange_header(struct exchange *exchange, const char *name, const char *value) {
    evhttp_add_header(evhttp_request_get_output_headers(exchange->http), name, value);
}

void exchange_bytes(struct exchange *exchange, int code, const char *type, const char *bytes,
                    size_t count) {
    struct evhttp_request *http = exchange->http;
    count_answer(exchange->door, code);
    if (!http) {
        if (!exchange->work) exchange_free(exchange);
        return;
    }
    if (type) exchange_header(exchange, "Content-Type", type);
    if (code == 405) exchange_header(exchange, "Allow", "GET, POST, OPTIONS");
    if (code == 503) exchange_header(exchange, "Retry-After", "1");
    evbuffer_add(evhttp_request_get_output_buffer(http), bytes, count);
    let_go(exchange);
    evhttp_send_reply(http, code, reason_of(code), NULL);
}

void exchange_text(struct exchange *exchange, int code, const char *type, const char *text) {
    exchange_bytes(exchange, code, type, text, strlen(text));
}

void exchange_json(struct exchange *exchange, int code, json_t *body) {
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    if (text)
        exchange_bytes(exchange, code, "application/json; charset=utf-8", text, strlen(text));
    else
        exchange_text(exchange, 500, "text/plain", "no memory is left for the answer\n");
    free(text);
}

static const char *error_type(int code) {
    switch (code) {
    case 401:
        return "authentication_error";
    case 403:
    case 421:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 500:
        return "server_error";
    case 501:
        return "not_supported_error";
    case 503:
        return "unavailable_error";
    default:
        return "invalid_request_error";
    }
}

void exchange_fail(struct exchange *exchange, int code, const char *format, ...) {
    char message[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(message, sizeof message, format, list);
    va_end(list);
    json_t *error = json_object(), *body = json_object();
    json_object_set_new(error, "code", json_integer(code));
    json_object_set_new(error, "message", json_bytes(message, strlen(message)));
    json_object_set_new(error, "type", json_string(error_type(code)));
    json_object_set_new(body, "error", error);
    if (exchange->is_stream && exchange_event(exchange, body))
        exchange_finish(exchange, 0);
    else if (!exchange->is_stream)
        exchange_json(exchange, code, body);
}

/* A stream may be silent for as long as its text takes, so only writing has a time limit. */
static void begin_stream(struct exchange *exchange) {
    const struct timeval writing = {(time_t)exchange->door->config.limits.idle_s, 0};
    exchange_header(exchange, "Content-Type", "text/event-stream; charset=utf-8");
    exchange_header(exchange, "Cache-Control", "no-cache");
    exchange->is_stream = 1;
    count_answer(exchange->door, 200);
    evhttp_send_reply_start(exchange->http, 200, "OK");
    bufferevent_set_timeouts(evhttp_connection_get_bufferevent(exchange->connection), NULL,
                             &writing);
}

int exchange_event(struct exchange *exchange, json_t *event) {
    char *text = exchange->http && event ? json_dumps(event, JSON_COMPACT) : NULL;
    json_decref(event);
    if (!text) return exchange->http != NULL;
    if (!exchange->is_stream) begin_stream(exchange);
    struct evbuffer *buffer = evbuffer_new();
    if (buffer) {
        evbuffer_add_printf(buffer, "data: %s\n\n", text);
        evhttp_send_reply_chunk(exchange->http, buffer);
        evbuffer_free(buffer);
    }
    free(text);
    struct bufferevent *bev = evhttp_connection_get_bufferevent(exchange->connection);
    if (evbuffer_get_length(bufferevent_get_output(bev)) < UNSENT_MAX) return 1;
    evhttp_connection_free(exchange->connection);
    return 0;
}

void exchange_finish(struct exchange *exchange, int done) {
    struct evhttp_request *http = exchange->http;
    if (!http) return;
    struct evbuffer *buffer = done ? evbuffer_new() : NULL;
    if (buffer) {
        evbuffer_add_printf(buffer, "data: [DONE]\n\n");
        evhttp_send_reply_chunk(http, buffer);
        evbuffer_free(buffer);
    }
    let_go(exchange);
    evhttp_send_reply_end(http);
}
