/* The services of Linux: threads, futex, monotonic clock, shared libraries, device files, mapped
 * files; energy (posix_energy.c); quotas (posix_quota.c).
 *
 * No log: the library never prints, so an application that wants one copies the port and sets its
 * own. */
#define _FILE_OFFSET_BITS 64 /* files of any size where a long has 32 bits */
#define _GNU_SOURCE       1  /* sched_getaffinity, syscall */

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "apus/apus.h"
#include "apus/port.h"
#include "port/posix_energy.h"
#include "port/posix_quota.h"

/* What lives in the caller's APUS_THREAD_BYTES. */
struct posix_thread {
    pthread_t thread;
    void (*entry)(void *arg);
    void *arg;
    pid_t process; /* the process that started the thread */
};
_Static_assert(sizeof(struct posix_thread) <= APUS_THREAD_BYTES,
               "a thread fits the storage that port.h promises");
_Static_assert(_Alignof(struct posix_thread) <= 16, "and its alignment");

static uint64_t posix_now_ns(void *user) {
    (void)user;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail with this clock and a valid pointer */
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *posix_thread_main(void *storage) {
    const struct posix_thread *t = storage;
    t->entry(t->arg);
    return NULL;
}

static int posix_thread_start(void *user, void *storage, void (*entry)(void *arg), void *arg) {
    (void)user;
    assert((uintptr_t)storage % 16 == 0 && entry);
    struct posix_thread *t = storage;
    assert(t);
    t->entry = entry;
    t->arg = arg;
    t->process = getpid();

    /* The application's signal handlers never run on our threads; faults stay deliverable to
     * whoever handles them. */
    sigset_t all, old;
    sigfillset(&all);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int error = pthread_create(&t->thread, NULL, posix_thread_main, t);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return error;
}

static void posix_thread_join(void *user, void *storage) {
    (void)user;
    const struct posix_thread *t = storage;
    assert(storage);
    if (t->process == getpid()) pthread_join(t->thread, NULL); /* a forked child has none */
}

/* EAGAIN (the word differs) and EINTR both make this return early, which callers expect. */
static void posix_thread_park(void *user, const uint32_t *word, uint32_t expected) {
    (void)user;
    assert(word);
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void posix_thread_wake(void *user, const uint32_t *word) {
    (void)user;
    assert(word);
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void *posix_library_open(void *user, const char *name) {
    (void)user;
    assert(name);
    return dlopen(name, RTLD_NOW | RTLD_LOCAL);
}

static void *posix_library_symbol(void *user, void *library, const char *name) {
    (void)user;
    assert(library && name);
    return dlsym(library, name);
}

static void posix_library_close(void *user, void *library) {
    (void)user;
    assert(library);
    dlclose(library);
}

static intptr_t posix_device_open(void *user, const char *path) {
    (void)user;
    assert(path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

static int posix_device_request(void *user, intptr_t device, unsigned long request,
                                void *argument) {
    (void)user;
    assert(device >= 0);
    int r;
    do r = ioctl((int)device, request, argument);
    while (r < 0 && errno == EINTR);
    return r < 0 ? errno : 0;
}

/* To get an alignment above a page, this reserves a larger range and gives back what is not needed
 * of it. */
static void *posix_device_map(void *user, intptr_t device, uint64_t offset, size_t bytes,
                              size_t alignment) {
    (void)user;
    assert(device >= 0 && bytes && alignment && (alignment & (alignment - 1)) == 0);
    assert(alignment % (size_t)sysconf(_SC_PAGESIZE) == 0);
    uint8_t *range = mmap(NULL, bytes + alignment, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED) return NULL;
    size_t before = (alignment - (uintptr_t)range % alignment) % alignment;
    void *at = mmap(range + before, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                    (int)device, (off_t)offset);
    if (at == MAP_FAILED) {
        munmap(range, bytes + alignment);
        return NULL;
    }
    if (before) munmap(range, before);
    if (alignment > before) munmap(range + before + bytes, alignment - before);
    return at;
}

static void posix_device_unmap(void *user, void *address, size_t bytes) {
    (void)user;
    assert(address && bytes);
    munmap(address, bytes);
}

static void posix_device_close(void *user, intptr_t device) {
    (void)user;
    assert(device >= 0);
    close((int)device);
}

static uint64_t posix_lockable_bytes(void *user) {
    (void)user;
    struct rlimit limit;
    return getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX
                                                                                : limit.rlim_cur;
}

static int host_energy_start(void *user, void *storage) {
    (void)user;
    return posix_energy_start(POSIX_ENERGY_ROOT, storage);
}

static int host_energy_read(void *user, void *storage, uint64_t *microjoules) {
    (void)user;
    return posix_energy_read(POSIX_ENERGY_ROOT, storage, microjoules);
}

static uint32_t host_processors(void *user) {
    (void)user;
    return apus_port_processors();
}

APUS_API const apus_port *apus_port_host(void) {
    static const apus_port host = {
        .size = sizeof(apus_port),
        .now_ns = posix_now_ns,
        .thread_start = posix_thread_start,
        .thread_join = posix_thread_join,
        .thread_park = posix_thread_park,
        .thread_wake = posix_thread_wake,
        .library_open = posix_library_open,
        .library_symbol = posix_library_symbol,
        .library_close = posix_library_close,
        .device_open = posix_device_open,
        .device_request = posix_device_request,
        .device_map = posix_device_map,
        .device_unmap = posix_device_unmap,
        .device_close = posix_device_close,
        .lockable_bytes = posix_lockable_bytes,
        .energy_start = host_energy_start,
        .energy_read = host_energy_read,
        .processors = host_processors,
    };
    return &host;
}

static uint32_t processors_allowed(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        int n = CPU_COUNT(&set);
        if (n > 0) return (uint32_t)n;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN); /* more processors than cpu_set_t holds */
    return online > 0 ? (uint32_t)online : 1;
}

APUS_API uint32_t apus_port_processors(void) {
    const uint32_t allowed = processors_allowed(), quota = posix_quota_processors("");
    return quota < allowed ? quota : allowed;
}

/* O_NONBLOCK: opening a pipe must be refused, not waited for. */
APUS_API int apus_map_open(apus_map *map, const char *path) {
    if (!map || !path) return EINVAL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return errno;

    struct stat st;
    int error = 0;
    void *data = MAP_FAILED;
    if (fstat(fd, &st) != 0) {
        error = errno;
    } else if (!S_ISREG(st.st_mode) || st.st_size <= 0) {
        error = EINVAL;
    } else if ((uint64_t)st.st_size > SIZE_MAX) {
        error = EFBIG;
    } else {
        data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (data == MAP_FAILED) error = errno;
    }
    if (error) {
        close(fd);
        return error;
    }
    /* Huge pages where the file system has them. Not MADV_SEQUENTIAL: it marks pages as not worth
     * keeping, and weights are read again for every token. Not MADV_WILLNEED: reading gigabytes
     * ahead is not for someone who only asks what a blob is. If it fails, nothing is lost. */
    madvise(data, (size_t)st.st_size, MADV_HUGEPAGE);
    *map = (apus_map){.data = data, .size = (size_t)st.st_size, .handle = fd};
    return 0;
}

APUS_API void apus_map_close(apus_map *map) {
    if (!map || !map->data) return;
    munmap((void *)(uintptr_t)map->data, map->size);
    close((int)map->handle);
    *map = (apus_map){.data = NULL, .size = 0, .handle = -1};
}

APUS_API int apus_map_intact(const apus_map *map) {
    struct stat st;
    if (!map || !map->data) return 0;
    return fstat((int)map->handle, &st) == 0 && st.st_size >= 0 &&
           (uint64_t)st.st_size >= map->size;
}
