/* The model as a library that can be preloaded into any program: it provides /dev/accel/accel0 and
 * what /sys says about it, and passes all other calls on.
 *
 *   LD_PRELOAD=build/release/libapus-npu-model.so APUS_NPU_MODEL=xdna2,report=FILE program ...
 *
 * Only calls that go through the dynamic linker are seen. Addresses that the host alone knows, the
 * files of other programs and a device that was opened before a fork are out of its reach. */
#define _GNU_SOURCE 1
#undef _FORTIFY_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/npu/sim/sim.h"
#include "tests/npu/sim/tree.h"

#define SEEN __attribute__((visibility("default")))

/* Finds the next library's function of that name, and keeps its address. */
#define NEXT(name)                                                                                 \
    static __typeof__(&name) next;                                                                 \
    if (!__atomic_load_n(&next, __ATOMIC_RELAXED))                                                 \
    __atomic_store_n(&next, __extension__(__typeof__(next)) next_of(#name), __ATOMIC_RELAXED)

static void *next_of(const char *name) {
    void *p = dlsym(RTLD_NEXT, name);
    if (!p) abort();
    return p;
}

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("APUS_NPU_MODEL");
    if (text && !sim_settings(text)) {
        fprintf(stderr, "APUS_NPU_MODEL=%s is not understood\n", text);
        abort();
    }
}

__attribute__((destructor)) static void end(void) {
    sim_report();
    tree_remove();
}

/* The real path of a file: the model's files lie in its folder. */
static const char *real(const char *path, char *room) {
    return tree_find(path, room) ? room : path;
}

/* -------------------------------------------------------------------------------- the device -- */

SEEN int ioctl(int fd, unsigned long request, ...) {
    NEXT(ioctl);
    va_list list;
    va_start(list, request);
    void *argument = va_arg(list, void *);
    va_end(list);
    return sim_owns(fd) ? sim_ioctl(fd, request, argument) : next(fd, request, argument);
}

SEEN void *mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset) {
    NEXT(mmap);
    void *at = next(address, bytes, protection, flags, fd, offset);
    if (at != MAP_FAILED && fd >= 0) sim_mapped(fd, at, bytes, (uint64_t)offset);
    return at;
}

SEEN void *mmap64(void *address, size_t bytes, int protection, int flags, int fd, off64_t offset) {
    return mmap(address, bytes, protection, flags, fd, offset);
}

SEEN int close(int fd) {
    NEXT(close);
    sim_close(fd);
    return next(fd);
}

/* ----------------------------------------------------------------------------------- opening -- */

#define MODE(flags)                                                                                \
    unsigned mode = 0;                                                                             \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                         \
        va_list list;                                                                              \
        va_start(list, flags);                                                                     \
        mode = va_arg(list, unsigned);                                                             \
        va_end(list);                                                                              \
    }

static int open_at(int folder, const char *path, int flags, unsigned mode) {
    NEXT(openat);
    char room[TREE_PATH];
    int fd = flags & O_DIRECTORY ? -2 : sim_open(path);
    return fd != -2 ? fd : next(folder, real(path, room), flags, mode);
}

SEEN int open(const char *path, int flags, ...) {
    MODE(flags)
    return open_at(AT_FDCWD, path, flags, mode);
}
SEEN int open64(const char *path, int flags, ...) {
    MODE(flags)
    return open_at(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}
SEEN int openat(int folder, const char *path, int flags, ...) {
    MODE(flags)
    return open_at(folder, path, flags, mode);
}
SEEN int openat64(int folder, const char *path, int flags, ...) {
    MODE(flags)
    return open_at(folder, path, flags | O_LARGEFILE, mode);
}
/* The functions that programs call which are built with checks (_FORTIFY_SOURCE). */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
SEEN int __open_2(const char *path, int flags) { return open_at(AT_FDCWD, path, flags, 0); }
SEEN int __open64_2(const char *path, int flags) {
    return open_at(AT_FDCWD, path, flags | O_LARGEFILE, 0);
}

SEEN FILE *fopen(const char *path, const char *mode) {
    NEXT(fopen);
    char room[TREE_PATH];
    return next(real(path, room), mode);
}
SEEN FILE *fopen64(const char *path, const char *mode) { return fopen(path, mode); }

SEEN DIR *opendir(const char *path) {
    NEXT(opendir);
    char room[TREE_PATH];
    return next(real(path, room));
}

/* -------------------------------------------------------------------------- looking at files -- */

SEEN int stat(const char *path, struct stat *s) {
    NEXT(stat);
    char room[TREE_PATH];
    return next(real(path, room), s);
}
SEEN int stat64(const char *path, struct stat64 *s) {
    NEXT(stat64);
    char room[TREE_PATH];
    return next(real(path, room), s);
}
SEEN int lstat(const char *path, struct stat *s) {
    NEXT(lstat);
    char room[TREE_PATH];
    return next(real(path, room), s);
}
SEEN int lstat64(const char *path, struct stat64 *s) {
    NEXT(lstat64);
    char room[TREE_PATH];
    return next(real(path, room), s);
}
SEEN int fstatat(int folder, const char *path, struct stat *s, int flags) {
    NEXT(fstatat);
    char room[TREE_PATH];
    return next(folder, real(path, room), s, flags);
}
SEEN int statx(int folder, const char *path, int flags, unsigned mask, struct statx *s) {
    NEXT(statx);
    char room[TREE_PATH];
    return next(folder, real(path, room), flags, mask, s);
}
SEEN int access(const char *path, int mode) {
    NEXT(access);
    char room[TREE_PATH];
    return next(real(path, room), mode);
}
SEEN ssize_t readlink(const char *path, char *to, size_t bytes) {
    NEXT(readlink);
    char room[TREE_PATH];
    return next(real(path, room), to, bytes);
}

/* Removes the model's folder from the front of the answer. */
SEEN char *realpath(const char *path, char *to) {
    NEXT(realpath);
    char room[TREE_PATH];
    char *at = next(real(path, room), to);
    if (at) memmove(at, tree_seen(at), strlen(tree_seen(at)) + 1);
    return at;
}
char *__realpath_chk(const char *path, char *to, size_t room);
SEEN char *__realpath_chk(const char *path, char *to, size_t room) {
    (void)room;
    return realpath(path, to);
}
