#include "http_gate.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "load.h"

enum { SPARE = 32, LINGER_S = 2 };

enum phase {
    GATE_FREE,
    GATE_FRESH, /* accepted, but no byte has come */
    GATE_HEAD,
    GATE_BODY,
    GATE_WORK,
    GATE_IDLE,
    GATE_REFUSED
};

struct link {
    struct gate *gate;
    struct bufferevent *bev;
    int fd;      /* -1 while FRESH */
    ino_t inode; /* the socket's inode, which tells whether fd is still this connection */
    enum phase phase;
    int is_over;    /* there are more connections than allowed, so it gets 503 */
    uint64_t since; /* when the phase or the request began */
    size_t head, body, extra;
    int is_line_start; /* the last byte other than \r was \n */
};

struct gate {
    struct gate_limits limits;
    uint32_t links_count;
    struct link links[];
};

static uint64_t seconds(uint32_t s) { return (uint64_t)s * 1000000000; }

static int is_alive(const struct gate *gate, const struct link *link, uint64_t now) {
    struct stat st;
    if (link->phase == GATE_FREE) return 0;
    if (link->fd < 0) return now - link->since < seconds(gate->limits.idle_s + LINGER_S);
    return fstat(link->fd, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_ino == link->inode;
}

uint32_t gate_count(struct gate *gate) {
    uint32_t count = 0;
    uint64_t now = now_ns();
    for (uint32_t i = 0; i < gate->links_count; i++) {
        struct link *link = &gate->links[i];
        if (is_alive(gate, link, now))
            count++;
        else
            link->phase = GATE_FREE;
    }
    return count;
}

/* Answers without evhttp, and from then on passes nothing on to it. */
static void refuse(struct link *link, int code, const char *reason, const char *message) {
    char body[512], answer[1024];
    const char *type = code == 503 ? "unavailable_error" : "invalid_request_error";
    int n =
        snprintf(body, sizeof body, "{\"error\":{\"code\":%d,\"message\":\"%s\",\"type\":\"%s\"}}",
                 code, message, type);
    int bytes = snprintf(answer, sizeof answer,
                         "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: "
                         "%d\r\nConnection: close\r\n\r\n%s",
                         code, reason, n, body);
    /* nothing else was written to this connection, so the socket's buffer has room for these
     * bytes */
    ssize_t ignored = send(link->fd, answer, (size_t)bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)ignored;
    shutdown(link->fd, SHUT_WR);
    link->phase = GATE_REFUSED;
    link->since = now_ns();
}

static void begin_request(struct link *link) {
    link->phase = GATE_HEAD;
    link->since = now_ns();
    link->head = link->body = link->extra = 0;
    link->is_line_start = 0;
}

/* Counts the bytes of a head up to the empty line that ends it. Returns how many of these bytes
 * belong to the head. */
static size_t take_head(struct link *link, const unsigned char *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        link->head++;
        if (bytes[i] == '\r') continue;
        if (bytes[i] == '\n' && link->is_line_start) {
            link->phase = GATE_BODY;
            return i + 1;
        }
        link->is_line_start = bytes[i] == '\n';
    }
    return count;
}

static void take(struct link *link, const unsigned char *bytes, size_t count) {
    if (link->phase == GATE_FRESH || link->phase == GATE_IDLE) begin_request(link);
    size_t of_head = link->phase == GATE_HEAD ? take_head(link, bytes, count) : 0;
    if (link->phase == GATE_BODY) link->body += count - of_head;
    if (link->phase == GATE_WORK) link->extra += count;
}

static void judge(struct link *link) {
    const struct gate_limits *limits = &link->gate->limits;
    char message[200];
    if (link->is_over) {
        snprintf(message, sizeof message,
                 "there are %u connections already, as many as the server takes: close some, or "
                 "start it with a larger --connections",
                 limits->connections);
        refuse(link, 503, "Service Unavailable", message);
    } else if (link->head > limits->head_bytes) {
        snprintf(message, sizeof message,
                 "the request's headers are longer than the %zu bytes that the server takes",
                 limits->head_bytes);
        refuse(link, 431, "Request Header Fields Too Large", message);
    } else if (link->body > limits->body_bytes) {
        snprintf(message, sizeof message,
                 "the request's body is longer than the %zu bytes that the server takes: send "
                 "less, or start it with a larger --body",
                 limits->body_bytes);
        refuse(link, 413, "Payload Too Large", message);
    } else if (link->extra > limits->head_bytes) {
        /* the client sends too much while its request is worked on */
        shutdown(link->fd, SHUT_RDWR);
    }
}

/* Called when bytes are added to the buffer or drained from it. Bytes that were added are at its
 * end. */
static void on_input(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg) {
    struct link *link = arg;
    struct evbuffer_iovec piece[8];
    struct evbuffer_ptr at;
    struct stat st;
    if (!info->n_added || !link->bev) return;
    if (link->fd < 0) {
        link->fd = bufferevent_getfd(link->bev);
        link->inode = fstat(link->fd, &st) == 0 ? st.st_ino : 0;
    }
    size_t left = info->n_added, length = evbuffer_get_length(buffer);
    evbuffer_ptr_set(buffer, &at, length - left, EVBUFFER_PTR_SET);
    while (left && link->phase != GATE_REFUSED) {
        int n = evbuffer_peek(buffer, (ev_ssize_t)left, &at, piece, 8);
        size_t seen = 0;
        for (int i = 0; i < n && i < 8 && left; i++) {
            size_t count = piece[i].iov_len < left ? piece[i].iov_len : left;
            take(link, piece[i].iov_base, count);
            seen += count, left -= count;
        }
        judge(link);
        if (!seen || (left && evbuffer_ptr_set(buffer, &at, seen, EVBUFFER_PTR_ADD) < 0)) break;
    }
    if (link->phase == GATE_REFUSED) evbuffer_drain(buffer, evbuffer_get_length(buffer));
}

/* Refuses a connection for which there is no link, because there are far too many. */
static void on_overflow(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg) {
    struct link link = {.gate = NULL, .fd = bufferevent_getfd(arg)};
    if (!info->n_added) return;
    refuse(&link, 503, "Service Unavailable", "there are too many connections already");
    evbuffer_drain(buffer, evbuffer_get_length(buffer));
}

static struct link *free_link(struct gate *gate) {
    for (uint32_t i = 0; i < gate->links_count; i++)
        if (gate->links[i].phase == GATE_FREE) return &gate->links[i];
    return NULL;
}

static struct bufferevent *on_accept(struct event_base *base, void *arg) {
    struct gate *gate = arg;
    struct bufferevent *bev = bufferevent_socket_new(base, -1, 0);
    if (!bev) return NULL;
    uint32_t count = gate_count(gate);
    struct link *link = free_link(gate);
    if (!link) {
        evbuffer_add_cb(bufferevent_get_input(bev), on_overflow, bev);
        return bev;
    }
    *link = (struct link){.gate = gate,
                          .bev = bev,
                          .fd = -1,
                          .phase = GATE_FRESH,
                          .is_over = count >= gate->limits.connections,
                          .since = now_ns()};
    if (evbuffer_add_cb(bufferevent_get_input(bev), on_input, link)) return bev;
    bufferevent_free(bev);
    link->phase = GATE_FREE;
    return NULL;
}

struct gate *gate_open(struct evhttp *http, const struct gate_limits *limits) {
    uint32_t count = limits->connections + SPARE;
    struct gate *gate = calloc(1, sizeof *gate + count * sizeof *gate->links);
    if (!gate) return NULL;
    gate->limits = *limits;
    gate->links_count = count;
    evhttp_set_bevcb(http, on_accept, gate);
    evhttp_set_timeout(http, (int)limits->idle_s);
    /* a second limit inside evhttp, in case the first one, which is here, fails */
    evhttp_set_max_headers_size(http, (ev_ssize_t)(2 * limits->head_bytes));
    return gate;
}

void gate_close(struct gate *gate) { free(gate); }

static struct link *link_of(struct gate *gate, const struct bufferevent *connection) {
    for (uint32_t i = 0; i < gate->links_count; i++)
        if (gate->links[i].phase != GATE_FREE && gate->links[i].bev == connection)
            return &gate->links[i];
    return NULL;
}

void gate_work(struct gate *gate, struct bufferevent *connection) {
    struct link *link = link_of(gate, connection);
    if (link && link->phase != GATE_REFUSED) link->phase = GATE_WORK;
}

void gate_idle(struct gate *gate, struct bufferevent *connection) {
    struct link *link = link_of(gate, connection);
    if (!link || link->phase == GATE_REFUSED) return;
    link->phase = GATE_IDLE;
    link->since = now_ns();
    if (!evbuffer_get_length(bufferevent_get_input(connection))) return;
    begin_request(link); /* the next request is here already; its head was counted as extra */
    link->phase = GATE_BODY;
}

void gate_sweep(struct gate *gate) {
    uint64_t now = now_ns();
    char message[160];
    for (uint32_t i = 0; i < gate->links_count; i++) {
        struct link *link = &gate->links[i];
        if (link->phase == GATE_REFUSED && now - link->since > seconds(LINGER_S) &&
            is_alive(gate, link, now))
            shutdown(link->fd, SHUT_RDWR);
        if (link->phase != GATE_HEAD && link->phase != GATE_BODY) continue;
        if (now - link->since < seconds(gate->limits.request_s) || !is_alive(gate, link, now))
            continue;
        snprintf(message, sizeof message, "the request had not come whole after %u seconds",
                 gate->limits.request_s);
        refuse(link, 408, "Request Timeout", message);
    }
}
