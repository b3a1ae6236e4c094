#define _GNU_SOURCE 1 /* O_CLOEXEC */

#include "port/posix_energy.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "apus/port.h"

enum { PACKAGES = 16, ZONES = 64, TEXT = 64, PATH = 256 };

/* What lives in the caller's APUS_ENERGY_BYTES. */
struct energy {
    uint64_t sum; /* microjoules since the start */
    uint32_t packages;
    struct {
        uint64_t last, range; /* of the counter, which goes from 0 to range and starts again */
        uint32_t zone;
    } package[PACKAGES];
};
_Static_assert(sizeof(struct energy) <= APUS_ENERGY_BYTES,
               "the counters fit the storage that port.h promises");
_Static_assert(_Alignof(struct energy) <= 16, "and its alignment");

static char *append(char *to, const char *text) {
    size_t bytes = strlen(text);
    memcpy(to, text, bytes + 1);
    return to + bytes;
}

/* Reads a small file of a zone as text. 0 or an errno value. */
static int read_text(const char *root, uint32_t zone, const char *name, char text[TEXT]) {
    const char number[] = {(char)('0' + zone / 10), (char)('0' + zone % 10), 0};
    char path[PATH];
    if (strlen(root) + strlen("/intel-rapl:00/") + strlen(name) >= sizeof path) return ENAMETOOLONG;
    char *end = append(append(path, root), "/intel-rapl:");
    end = append(end, zone < 10 ? number + 1 : number);
    append(append(end, "/"), name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return errno;
    ssize_t bytes = read(fd, text, TEXT - 1);
    int error = bytes < 0 ? errno : 0;
    close(fd);
    text[bytes > 0 ? bytes : 0] = 0;
    return error;
}

/* Reads a file that holds a decimal number, a newline and nothing else. 0 or an errno value. */
static int read_number(const char *root, uint32_t zone, const char *name, uint64_t *number) {
    char text[TEXT];
    int error = read_text(root, zone, name, text);
    if (error) return error;
    uint64_t n = 0;
    const char *c = text;
    for (; *c >= '0' && *c <= '9'; c++) {
        const uint64_t digit = (uint64_t)(*c - '0');
        if (n > (UINT64_MAX - digit) / 10) return EIO;
        n = 10 * n + digit;
    }
    if (c == text || (*c && (c[0] != '\n' || c[1]))) return EIO;
    *number = n;
    return 0;
}

static int read_counter(const char *root, uint32_t zone, uint64_t range, uint64_t *counter) {
    int error = read_number(root, zone, "energy_uj", counter);
    return error ? error : *counter > range ? EIO : 0;
}

int posix_energy_start(const char *root, void *storage) {
    struct energy e = {0};
    assert(root && storage && (uintptr_t)storage % 16 == 0);
    for (uint32_t zone = 0; zone < ZONES; zone++) {
        char name[TEXT] = {0};
        int error = read_text(root, zone, "name", name);
        if (error == ENOENT || error == ENOTDIR) continue;
        if (error) return error;
        if (memcmp(name, "package-", 8) != 0) continue;
        if (e.packages == PACKAGES) return E2BIG;
        uint64_t range = 0, counter = 0;
        error = read_number(root, zone, "max_energy_range_uj", &range);
        if (!error) error = read_counter(root, zone, range, &counter);
        if (error) return error;
        e.package[e.packages].zone = zone;
        e.package[e.packages].range = range;
        e.package[e.packages++].last = counter;
    }
    if (!e.packages) return ENODEV;
    memcpy(storage, &e, sizeof e);
    return 0;
}

int posix_energy_read(const char *root, void *storage, uint64_t *microjoules) {
    struct energy e; /* a copy, so that a failure leaves the count as it was */
    assert(root && storage && microjoules);
    memcpy(&e, storage, sizeof e);
    assert(e.packages && e.packages <= PACKAGES); /* posix_energy_start has filled it */
    for (uint32_t i = 0; i < e.packages; i++) {
        uint64_t counter = 0, last = e.package[i].last;
        int error = read_counter(root, e.package[i].zone, e.package[i].range, &counter);
        if (error) return error;
        e.sum += counter >= last ? counter - last : e.package[i].range - last + counter;
        e.package[i].last = counter;
    }
    memcpy(storage, &e, sizeof e);
    *microjoules = e.sum;
    return 0;
}
