#include "lsp_out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct out_message {
    struct out_message *next;
    size_t bytes;
    char text[];
};

/* Writes all bytes. -1: the client is gone. */
static int write_all(int file, const char *text, size_t bytes) {
    while (bytes) {
        ssize_t n = write(file, text, bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return -1;
        text += n;
        bytes -= (size_t)n;
    }
    return 0;
}

/* Waits for a message until the next tick. Called under the lock. */
static void wait_for_message(struct out *out) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += OUT_TICK_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    int late = 0;
    while (!out->first && !out->closing && !late)
        late = pthread_cond_timedwait(&out->changed, &out->lock, &until);
}

static void *run(void *arg) {
    struct out *out = arg;
    for (;;) {
        pthread_mutex_lock(&out->lock);
        wait_for_message(out);
        struct out_message *message = out->first;
        if (message) {
            out->first = message->next;
            out->bytes -= message->bytes;
        }
        int ends = !message && out->closing, broken = out->broken;
        pthread_mutex_unlock(&out->lock);
        if (ends) return NULL;
        if (message && !broken && write_all(out->file, message->text, message->bytes)) {
            pthread_mutex_lock(&out->lock);
            out->broken = 1;
            pthread_mutex_unlock(&out->lock);
        }
        if (!message && out->tick) out->tick(out->user);
        free(message);
    }
}

int out_open(struct out *out, int file, void (*tick)(void *user), void *user) {
    *out = (struct out){.file = file, .tick = tick, .user = user};
    pthread_mutex_init(&out->lock, NULL);
    pthread_cond_init(&out->changed, NULL);
    return pthread_create(&out->thread, NULL, run, out);
}

static struct out_message *framed(const json_t *message) {
    char header[64];
    size_t bytes = json_dumpb(message, NULL, 0, JSON_COMPACT);
    int front = snprintf(header, sizeof header, "Content-Length: %zu\r\n\r\n", bytes);
    struct out_message *made = bytes ? malloc(sizeof *made + (size_t)front + bytes) : NULL;
    if (!made) return NULL;
    memcpy(made->text, header, (size_t)front);
    json_dumpb(message, made->text + front, bytes, JSON_COMPACT);
    made->bytes = (size_t)front + bytes;
    made->next = NULL;
    return made;
}

void out_send(struct out *out, json_t *message) {
    json_object_set_new(message, "jsonrpc", json_string("2.0"));
    struct out_message *made = framed(message);
    json_decref(message);
    pthread_mutex_lock(&out->lock);
    /* if a message were left out, the client might wait for its answer for ever, so the connection
     * is given up */
    if (!made || out->bytes + made->bytes > OUT_BYTES_MAX) out->broken = 1;
    if (out->broken) {
        free(made);
    } else {
        if (out->first)
            out->last->next = made;
        else
            out->first = made;
        out->last = made;
        out->bytes += made->bytes;
        pthread_cond_signal(&out->changed);
    }
    pthread_mutex_unlock(&out->lock);
}

int out_broken(struct out *out) {
    pthread_mutex_lock(&out->lock);
    int broken = out->broken;
    pthread_mutex_unlock(&out->lock);
    return broken;
}

void out_close(struct out *out) {
    pthread_mutex_lock(&out->lock);
    out->closing = 1;
    pthread_cond_signal(&out->changed);
    pthread_mutex_unlock(&out->lock);
    pthread_join(out->thread, NULL);
    pthread_cond_destroy(&out->changed);
    pthread_mutex_destroy(&out->lock);
}

json_t *message_notification(const char *method, json_t *params) {
    return json_pack("{s:s,s:o}", "method", method, "params", params);
}

json_t *message_result(const json_t *id, json_t *result) {
    return json_pack("{s:O,s:o}", "id", id, "result", result);
}

json_t *message_error(const json_t *id, int code, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_t *message = json_string(text); /* NULL if it was cut inside a character */
    return json_pack("{s:O?,s:{s:i,s:o}}", "id", id, "error", "code", code, "message",
                     message ? message : json_string("what was sent cannot be done"));
}
