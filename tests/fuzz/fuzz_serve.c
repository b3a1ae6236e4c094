/* libFuzzer: what clients send to `apus serve`, over a real connection to a server in this process.
 * Input: a byte, then what is sent: for an even one as it is, else as the body of a POST to one of
 * the paths. The server must go on to answer. */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apps/complete/http_door.h"

#define MODEL PAIR_FOLDER "/draft.apus"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct door *door;

static void *serve(void *arg) {
    (void)arg;
    door_run(door);
    return NULL;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    static const struct settings settings = {
        .model = MODEL, .engine = "cpu", .threads = 1, .lookup = 1, .context = 128};
    const struct room_config of_room = {.settings = &settings, .slots = 2, .queue = 4};
    struct door_config config = {.host = "127.0.0.1",
                                 .limits = {.head_bytes = 4096,
                                            .body_bytes = 16384,
                                            .connections = 16,
                                            .idle_s = 2,
                                            .request_s = 4}};
    pthread_t thread;
    (void)argc, (void)argv;
    int failed = room_open(&config.room, &of_room);
    failed = failed || room_wait(config.room) || door_open(&door, &config) ||
             pthread_create(&thread, NULL, serve, NULL);
    assert(!failed);
    return failed;
}

static int dial(void) {
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons(door_port(door)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), failed;
    assert(fd >= 0);
    /* a fast machine uses up the ports that closed connections keep for a while */
    while ((failed = connect(fd, (const struct sockaddr *)&to, sizeof to)) &&
           errno == EADDRNOTAVAIL)
        usleep(100000);
    assert(!failed);
    return fd;
}

static void put(int fd, const void *data, size_t size) {
    ssize_t ignored = send(fd, data, size, MSG_NOSIGNAL);
    (void)ignored;
}

static size_t drain(int fd) {
    char answer[4096];
    size_t all = 0;
    for (ssize_t n; (n = recv(fd, answer, sizeof answer, 0)) > 0;) all += (size_t)n;
    return all;
}

/* Now and then; a server with many connections that are just closing may refuse some. */
static void look_alive(void) {
    static const char question[] = "GET /health HTTP/1.1\r\nConnection: close\r\n\r\n";
    static unsigned runs;
    int is_alive = runs++ % 64 != 0;
    for (int i = 0; i < 200 && !is_alive; i++) {
        int fd = dial();
        put(fd, question, sizeof question - 1);
        is_alive = drain(fd) > 12;
        close(fd);
        if (!is_alive) usleep(10000);
    }
    assert(is_alive);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const paths[] = {"/infill",         "/completion",
                                        "/v1/completions", "/v1/chat/completions",
                                        "/tokenize",       "/detokenize"};
    char head[256];
    if (!size || size > 16000) return -1;
    int fd = dial();
    if (data[0] % 2) {
        int n = snprintf(head, sizeof head,
                         "POST %s HTTP/1.1\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
                         paths[data[0] / 2 % 6], size - 1);
        put(fd, head, (size_t)n);
        put(fd, data + 1, size - 1);
        drain(fd);
    } else {
        put(fd, data + 1, size - 1);
        shutdown(fd, SHUT_WR);
        drain(fd);
    }
    close(fd);
    look_alive();
    return 0;
}
