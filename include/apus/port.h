/* What the embedder lends to Apus: a clock, a log, threads. Every member may be NULL and then that
 * service is absent: no clock (deadlines and timings off), no log (status codes only), no threads
 * (the caller's thread does all the work), no libraries (no GPU), no device files (no engine that
 * talks to a kernel driver), no energy (no joules in figures), no processors (as many threads as
 * asked for). None of them calls Apus (apus_cancel and apus_cancel_request excepted), none is left
 * by longjmp or an exception. port/posix.c fills one for Linux; port/none.c is the empty one for
 * images without an operating system. */
#ifndef APUS_PORT_H
#define APUS_PORT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { APUS_LOG_ERROR = 0, APUS_LOG_WARN = 1, APUS_LOG_INFO = 2 };

/* Bytes of caller-owned storage behind one thread handle, 16-aligned. */
enum { APUS_THREAD_BYTES = 64 };

/* And behind one count of energy. */
enum { APUS_ENERGY_BYTES = 512 };

typedef struct apus_port {
    uint32_t size; /* sizeof(apus_port) */
    void *user;    /* handed to every call below */

    /* Monotonic nanoseconds. A pass with a deadline asks from any of the threads that compute. */
    uint64_t (*now_ns)(void *user);

    /* One sentence, no newline, valid during the call only. Called from the thread that called
     * Apus. */
    void (*log)(void *user, int level, const char *text);

    /* Starts a thread that runs entry(arg); storage is APUS_THREAD_BYTES bytes that live until
     * thread_join. 0 or an error number. thread_join in a process that does not have the thread (a
     * forked child has its caller's alone) returns at once. */
    int (*thread_start)(void *user, void *storage, void (*entry)(void *arg), void *arg);
    void (*thread_join)(void *user, void *storage);

    /* Sleeps while *word == expected (checked atomically with going to sleep); may return early for
     * no reason. thread_wake wakes every thread asleep on word. Both or neither must be given with
     * thread_start. */
    void (*thread_park)(void *user, const uint32_t *word, uint32_t expected);
    void (*thread_wake)(void *user, const uint32_t *word);

    /* Opens a shared library by name (NULL: it is not there), finds a symbol in it, closes it. All
     * three or none. The engine for GPUs needs them, and the one for NPUs on its way through AMD's
     * runtime. */
    void *(*library_open)(void *user, const char *name);
    void *(*library_symbol)(void *user, void *library, const char *name);
    void (*library_close)(void *user, void *library);

    /* A driver's device file: opens it for reading and writing (a handle >= 0, or minus an errno
     * value); sends it one of its driver's requests (0 or an errno value); maps a part of it,
     * shared, readable and writable, at a multiple of alignment (a power of two, whole pages; NULL:
     * refused), and unmaps that; closes it. All five or none. */
    intptr_t (*device_open)(void *user, const char *path);
    int (*device_request)(void *user, intptr_t device, unsigned long request, void *argument);
    void *(*device_map)(void *user, intptr_t device, uint64_t offset, size_t bytes,
                        size_t alignment);
    void (*device_unmap)(void *user, void *address, size_t bytes);
    void (*device_close)(void *user, intptr_t device);

    /* Bytes that this process may keep in place for devices; UINT64_MAX where nothing limits it.
     * For words only. */
    uint64_t (*lockable_bytes)(void *user);

    /* Counts the energy that the processor's packages take, whatever runs on them. energy_start
     * begins a count in storage, which is APUS_ENERGY_BYTES bytes, 16-aligned; energy_read gives
     * the microjoules since then, never fewer than before. Each 0 or an errno value, and then
     * nothing has changed: ENODEV where the machine counts none, EACCES where this process may not
     * read it. The machine's own counters start again at 0 after some kilojoules: read at least
     * every few minutes. They move about once in a millisecond. Both or none; for figures only, the
     * library never calls them. */
    int (*energy_start)(void *user, void *storage);
    int (*energy_read)(void *user, void *storage, uint64_t *microjoules);

    /* Processors that this process may keep busy, at least 1: no more threads start, the caller's
     * included. Asked when they do. */
    uint32_t (*processors)(void *user);
} apus_port;

/* The port of the system this library was built for (all members set where the system has the
 * service). Static, read-only. */
const apus_port *apus_port_host(void);

/* Processors this process may keep busy, at least 1: those it may run on, and no more than the
 * quotas of its control groups come to, rounded up. */
uint32_t apus_port_processors(void);

/* A read-only view of a file. */
typedef struct apus_map {
    const void *data; /* page-aligned */
    size_t size;      /* bytes */
    intptr_t handle;  /* of the system; internal */
} apus_map;

/* Maps a whole regular file read-only and shared. 0, or an errno value (EINVAL for an empty or
 * irregular file). The file must not shrink while mapped (a page past its new end cannot be read):
 * apus_map_intact tells whether it has. */
int apus_map_open(apus_map *map, const char *path);
void apus_map_close(apus_map *map);

/* 1 while the file behind the map is at least as long as the map, else 0. */
int apus_map_intact(const apus_map *map);

#ifdef __cplusplus
}
#endif
#endif
