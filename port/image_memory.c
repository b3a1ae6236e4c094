/* The five functions that the library takes from libc, for images that have none. They are an
 * object of their own in libapus.a: a linker takes it only where something is still missing, and
 * where the image has some of the five itself, its own win over these weak ones.
 *
 * Compiled without builtins: a compiler would find memcpy in memcpy's own loop and call it. Words
 * of 8 bytes, at any address; a compiler for a machine that cannot read those makes bytes of them.
 */
#include <stddef.h>
#include <stdint.h>

#define WEAK __attribute__((weak))

typedef uint64_t __attribute__((aligned(1), may_alias)) word;
enum { WORD = sizeof(word) };

/* As libc declares them. */
void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
size_t strlen(const char *text);

/* From the first byte to the last, also where the two overlap. */
static void forwards(uint8_t *t, const uint8_t *f, size_t bytes) {
    for (; bytes >= WORD; bytes -= WORD, t += WORD, f += WORD)
        *(word *)(void *)t = *(const word *)(const void *)f;
    while (bytes--) *t++ = *f++;
}

WEAK void *memcpy(void *restrict to, const void *restrict from, size_t bytes) {
    forwards(to, from, bytes);
    return to;
}

WEAK void *memmove(void *to, const void *from, size_t bytes) {
    uint8_t *t = to;
    const uint8_t *f = from;
    /* Unless `to` begins inside `from`, every byte is read before it is overwritten. */
    if ((uintptr_t)t - (uintptr_t)f >= bytes) {
        forwards(t, f, bytes);
        return to;
    }
    for (; bytes >= WORD; bytes -= WORD)
        *(word *)(void *)(t + bytes - WORD) = *(const word *)(const void *)(f + bytes - WORD);
    while (bytes--) t[bytes] = f[bytes];
    return to;
}

WEAK void *memset(void *to, int value, size_t bytes) {
    uint8_t *t = to;
    const uint64_t all = (uint8_t)value * UINT64_C(0x0101010101010101);
    for (; bytes >= WORD; bytes -= WORD, t += WORD) *(word *)(void *)t = all;
    while (bytes--) *t++ = (uint8_t)value;
    return to;
}

WEAK int memcmp(const void *a, const void *b, size_t bytes) {
    const uint8_t *x = a, *y = b;
    for (; bytes >= WORD && *(const word *)(const void *)x == *(const word *)(const void *)y;
         bytes -= WORD, x += WORD, y += WORD) {}
    for (; bytes; bytes--, x++, y++)
        if (*x != *y) return *x < *y ? -1 : 1;
    return 0;
}

WEAK size_t strlen(const char *text) {
    size_t bytes = 0;
    while (text[bytes]) bytes++;
    return bytes;
}
