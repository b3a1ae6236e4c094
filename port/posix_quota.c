#define _GNU_SOURCE 1 /* O_CLOEXEC */

#include "port/posix_quota.h"

#include <assert.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* The most bytes of a line and of a path. Both are chosen. A line that is longer is cut, and a
 * quota whose path is longer is not seen. */
enum { LINE = 512, PATH = 768 };
#define NONE UINT32_MAX

/* A text file that is read line by line. */
struct lines {
    int fd;
    size_t at, end;
    char buffer[512];
};

static int lines_open(struct lines *l, const char *path) {
    l->at = l->end = 0;
    return (l->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) >= 0;
}

/* Reads the next line, without its newline, and cuts it if it is longer than LINE - 1 bytes. 0:
 * there is none. */
static int lines_next(struct lines *l, char line[LINE]) {
    size_t bytes = 0;
    for (int any = 0;; any = 1) {
        if (l->at == l->end) {
            ssize_t got = read(l->fd, l->buffer, sizeof l->buffer);
            if (got <= 0) {
                line[bytes] = 0;
                return any;
            }
            l->at = 0, l->end = (size_t)got;
        }
        const char c = l->buffer[l->at++];
        if (c == '\n') {
            line[bytes] = 0;
            return 1;
        }
        if (bytes < LINE - 1) line[bytes++] = c;
    }
}

/* Cuts the text at the next `end` and returns the text after it, which is empty where there is
 * none. */
static char *cut(char *text, char end) {
    while (*text && *text != end) text++;
    if (*text) *text++ = 0;
    return text;
}

static int equal(const char *a, const char *b) {
    const size_t bytes = strlen(a);
    return bytes == strlen(b) && memcmp(a, b, bytes) == 0;
}

/* Whether a list separated by commas has the name. */
static int lists(const char *list, const char *name) {
    const size_t bytes = strlen(name);
    for (; *list; list += *list == ',') {
        const char *end = list;
        while (*end && *end != ',') end++;
        if ((size_t)(end - list) == bytes && memcmp(list, name, bytes) == 0) return 1;
        list = end;
    }
    return 0;
}

static int append(char path[PATH], const char *text) {
    const size_t have = strlen(path), more = strlen(text);
    if (have + more >= PATH) return 0;
    memcpy(path + have, text, more + 1);
    return 1;
}

/* Reads the numbers at the beginning of a group's file. Returns how many there were, at most
 * `count`. */
static uint32_t numbers(const char *group, const char *file, uint64_t *number, uint32_t count) {
    char path[PATH] = {0}, line[LINE];
    struct lines l;
    if (!append(path, group) || !append(path, file) || !lines_open(&l, path)) return 0;
    uint32_t got = 0;
    if (lines_next(&l, line))
        for (const char *c = line; got < count && *c >= '0' && *c <= '9'; got++) {
            for (number[got] = 0; *c >= '0' && *c <= '9'; c++)
                if (number[got] < UINT64_MAX / 20)
                    number[got] = 10 * number[got] + (uint64_t)(*c - '0');
            if (*c == ' ') c++;
        }
    close(l.fd);
    return got;
}

/* A group's own quota. "max" and -1, which mean that there is none, do not read as numbers. */
static uint32_t quota_of(const char *group, int version) {
    uint64_t n[2] = {0, 0};
    if (version == 2 ? numbers(group, "/cpu.max", n, 2) != 2
                     : !numbers(group, "/cpu.cfs_quota_us", n, 1) ||
                           !numbers(group, "/cpu.cfs_period_us", n + 1, 1))
        return NONE;
    if (!n[0] || !n[1]) return NONE;
    const uint64_t processors = n[0] / n[1] + (n[0] % n[1] != 0);
    return processors < NONE ? (uint32_t)processors : NONE;
}

/* The least quota of the group and of those around it, up to the group that is mounted at `mount`.
 * `top` is that group's path in the whole hierarchy. */
static uint32_t quota_at(const char *root, const char *mount, const char *top, const char *group,
                         int version) {
    char path[PATH] = {0};
    if (!append(path, root) || !append(path, mount)) return NONE;
    const size_t base = strlen(path), above = equal(top, "/") ? 0 : strlen(top);
    /* If the group is outside of what is mounted (in a container that sees the host's names), only
     * the mounted group is known. */
    if (strlen(group) >= above && memcmp(group, top, above) == 0 && !append(path, group + above))
        return NONE;
    uint32_t least = NONE;
    for (size_t end = strlen(path);;) {
        while (end > base && path[end - 1] == '/') end--;
        path[end] = 0;
        const uint32_t own = quota_of(path, version);
        if (own < least) least = own;
        if (end <= base) return least;
        while (end > base && path[end - 1] != '/') end--;
    }
}

/* A line of mountinfo: "36 35 98:0 TOP MOUNT options [optional fields] - type source
 * super-options". */
static uint32_t quota_in_mounts(const char *root, const char *group, int version) {
    char path[PATH] = {0}, line[LINE];
    struct lines l;
    uint32_t least = NONE;
    if (!append(path, root) || !append(path, "/proc/self/mountinfo") || !lines_open(&l, path))
        return NONE;
    while (lines_next(&l, line)) {
        char *field = line, *top, *mount;
        for (int i = 0; i < 3; i++) field = cut(field, ' ');
        top = field, mount = cut(top, ' '), field = cut(mount, ' ');
        while (*field && memcmp(field, "- ", 2) != 0) field = cut(field, ' ');
        char *type = cut(field, ' '), *source = cut(type, ' '), *options = cut(source, ' ');
        if (version == 2 ? !equal(type, "cgroup2")
                         : !equal(type, "cgroup") || !lists(options, "cpu"))
            continue;
        const uint32_t here = quota_at(root, mount, top, group, version);
        if (here < least) least = here;
    }
    close(l.fd);
    return least;
}

/* A line "0::GROUP" is of version 2, a line such as "4:cpu,cpuacct:GROUP" of version 1. */
uint32_t posix_quota_processors(const char *root) {
    char path[PATH] = {0}, line[LINE];
    struct lines l;
    uint32_t least = NONE;
    assert(root);
    if (!append(path, root) || !append(path, "/proc/self/cgroup") || !lines_open(&l, path))
        return NONE;
    while (lines_next(&l, line)) {
        char *controllers = cut(line, ':'), *group = cut(controllers, ':');
        const int version = !*controllers && equal(line, "0") ? 2
                            : lists(controllers, "cpu")       ? 1
                                                              : 0;
        const uint32_t here = version ? quota_in_mounts(root, group, version) : NONE;
        if (here < least) least = here;
    }
    close(l.fd);
    return least;
}
