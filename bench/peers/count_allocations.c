/* Counts a program's allocations, for the table of docs/embedding.md:
 *
 *     cc -O2 -shared -fPIC count_allocations.c -o count.so; LD_PRELOAD=./count.so PROGRAM ...
 *
 * The last line on standard error is their number and their bytes. glibc alone. */
#define _POSIX_C_SOURCE 200112L /* posix_memalign */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static unsigned long calls, bytes;

static void count(size_t size) {
    __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&bytes, size, __ATOMIC_RELAXED);
}

void *malloc(size_t size) {
    count(size);
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    count(number * size);
    return __libc_calloc(number, size);
}

void *realloc(void *old, size_t size) {
    count(size);
    return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    count(size);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **to, size_t alignment, size_t size) {
    count(size);
    *to = __libc_memalign(alignment, size);
    return *to ? 0 : 12; /* ENOMEM */
}

__attribute__((destructor)) static void tell(void) {
    char line[80];
    int length = snprintf(line, sizeof line, "%lu allocations, %lu bytes\n", calls, bytes);
    if (write(STDERR_FILENO, line, (size_t)length) < 0) calls = 0;
}
