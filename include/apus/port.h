/* What the embedder lends to Apus: a clock, a log, threads and more. Every member may be NULL, and
 * then that service is absent: no clock (deadlines and timings are off), no log (there are status
 * codes only), no threads (the caller's thread does all the work), no libraries (no GPU), no device
 * files (no engine that uses a kernel driver), no energy (figures without joules), no processors
 * (as many threads as were asked for). None of the functions may call Apus (except apus_cancel and
 * apus_cancel_request), and no longjmp or exception may leave them. port/posix.c fills a port for
 * Linux; port/none.c is the empty one for images without an operating system. */
#ifndef APUS_PORT_H
#define APUS_PORT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { APUS_LOG_ERROR = 0, APUS_LOG_WARN = 1, APUS_LOG_INFO = 2 };

/* Bytes of the storage of one thread, 16-aligned. Its owner is the caller of thread_start. */
enum { APUS_THREAD_BYTES = 64 };

/* Bytes of the storage of one count of energy, 16-aligned. */
enum { APUS_ENERGY_BYTES = 512 };

typedef struct apus_port {
    uint32_t size; /* sizeof(apus_port) */
    void *user;    /* passed to every function below */

    /* Nanoseconds of a monotonic clock. In a pass with a deadline any of the threads that compute
     * may call it. */
    uint64_t (*now_ns)(void *user);

    /* Takes one sentence without a newline, which is valid during the call only. It is called from
     * the thread that called Apus. */
    void (*log)(void *user, int level, const char *text);

    /* Starts a thread that runs entry(arg). storage is APUS_THREAD_BYTES bytes that live until
     * thread_join. Returns 0 or an error number. thread_join returns at once in a process that does
     * not have the thread (a forked child has only the thread that called fork). */
    int (*thread_start)(void *user, void *storage, void (*entry)(void *arg), void *arg);
    void (*thread_join)(void *user, void *storage);

    /* thread_park sleeps while *word == expected. The comparison and going to sleep are one atomic
     * step. It may return early for no reason. thread_wake wakes every thread that sleeps on word.
     * With thread_start a port has both of them or neither. */
    void (*thread_park)(void *user, const uint32_t *word, uint32_t expected);
    void (*thread_wake)(void *user, const uint32_t *word);

    /* Open a shared library by name (NULL: it is not there), find a symbol in it, and close it. A
     * port has all three or none. The engine for GPUs needs them, and so does the engine for NPUs
     * if it uses AMD's runtime. */
    void *(*library_open)(void *user, const char *name);
    void *(*library_symbol)(void *user, void *library, const char *name);
    void (*library_close)(void *user, void *library);

    /* For the device file of a driver. device_open opens it for reading and writing, and returns a
     * handle >= 0 or minus an errno value. device_request sends it one of its driver's requests,
     * and returns 0 or an errno value. device_map maps a part of it, shared, readable and writable,
     * at an address that is a multiple of alignment (a power of two and whole pages); NULL: it was
     * refused. device_unmap unmaps such a part, and device_close closes the file. A port has all
     * five or none. */
    intptr_t (*device_open)(void *user, const char *path);
    int (*device_request)(void *user, intptr_t device, unsigned long request, void *argument);
    void *(*device_map)(void *user, intptr_t device, uint64_t offset, size_t bytes,
                        size_t alignment);
    void (*device_unmap)(void *user, void *address, size_t bytes);
    void (*device_close)(void *user, intptr_t device);

    /* How many bytes this process may lock in memory for devices; UINT64_MAX if there is no limit.
     * Only messages use it. */
    uint64_t (*lockable_bytes)(void *user);

    /* Count the energy that the processor's packages take, whatever runs on them. energy_start
     * begins a count in storage, which is APUS_ENERGY_BYTES bytes, 16-aligned. energy_read gives
     * the microjoules since then, never fewer than at the last call. Both return 0, or an errno
     * value, and then nothing has changed: ENODEV if the machine does not count energy, EACCES if
     * this process may not read it. The machine's own counters start again at 0 after some
     * kilojoules, so read at least every few minutes. They change about once in a millisecond. A
     * port has both functions or none. They are for figures only, and the library never calls
     * them. */
    int (*energy_start)(void *user, void *storage);
    int (*energy_read)(void *user, void *storage, uint64_t *microjoules);

    /* How many processors this process may keep busy, at least 1. No more threads than that
     * compute, the caller's included. It is called when threads start. */
    uint32_t (*processors)(void *user);

    /* Says that work goes on, to a watchdog that restarts what hangs: about every half layer of a
     * pass on the CPU, between two submissions to a GPU. From any of the threads that compute, one
     * at a time. */
    void (*watchdog)(void *user);
} apus_port;

/* The port of the system that this library was built for. All members are set for which the system
 * has the service. Static and read-only. */
const apus_port *apus_port_host(void);

/* How many processors this process may keep busy, at least 1: as many as it may run on, but no more
 * than the quotas of its control groups allow, rounded up. */
uint32_t apus_port_processors(void);

/* A read-only view of a file. */
typedef struct apus_map {
    const void *data; /* page-aligned */
    size_t size;      /* bytes */
    intptr_t handle;  /* the system's handle; internal */
} apus_map;

/* Maps a whole regular file read-only and shared. Returns 0, or an errno value (EINVAL if the file
 * is empty or not regular). The file must not get shorter while it is mapped, because a page past
 * its new end cannot be read. apus_map_intact says whether it has. */
int apus_map_open(apus_map *map, const char *path);
void apus_map_close(apus_map *map);

/* 1 while the file behind the map is at least as long as the map, else 0. */
int apus_map_intact(const apus_map *map);

#ifdef __cplusplus
}
#endif
#endif
