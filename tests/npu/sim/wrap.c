/* The model linked into a program. With the linker's --wrap=open,ioctl,mmap,close, and open64 and
 * mmap64, which code for large files calls, the library's calls come here. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/types.h>

#include "tests/npu/sim/sim.h"

int __real_open(const char *path, int flags, ...);
int __real_ioctl(int fd, unsigned long request, void *argument);
void *__real_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset);
int __real_close(int fd);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...) __attribute__((alias("__wrap_open")));
int __wrap_ioctl(int fd, unsigned long request, void *argument);
void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
    __attribute__((alias("__wrap_mmap")));
int __wrap_close(int fd);

__attribute__((constructor)) static void settings(void) {
    const char *text = getenv("APUS_NPU_MODEL");
    if (text && !sim_settings(text)) abort();
}

int __wrap_open(const char *path, int flags, ...) {
    int fd = sim_open(path);
    if (fd != -2) return fd;
    va_list list;
    va_start(list, flags);
    unsigned mode = flags & O_CREAT ? va_arg(list, unsigned) : 0;
    va_end(list);
    return __real_open(path, flags, mode);
}

int __wrap_ioctl(int fd, unsigned long request, void *argument) {
    return sim_owns(fd) ? sim_ioctl(fd, request, argument) : __real_ioctl(fd, request, argument);
}

void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset) {
    void *at = __real_mmap(address, bytes, protection, flags, fd, offset);
    if (at != MAP_FAILED && fd >= 0) sim_mapped(fd, at, bytes, (uint64_t)offset);
    return at;
}

int __wrap_close(int fd) {
    sim_close(fd);
    return __real_close(fd);
}
