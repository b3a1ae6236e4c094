#include "weights/pack/resume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/kit/outfile.h"
#include "weights/hash.h"

struct head {
    char magic[8];
    uint64_t key, bytes, hash; /* bytes and hash are those of the pieces */
};
static const char MAGIC[8] = "APUSPRT2";

static bool is_state(int fd) {
    char magic[sizeof MAGIC];
    return pread(fd, magic, sizeof magic, 0) == sizeof magic &&
           memcmp(magic, MAGIC, sizeof magic - 1) == 0; /* of any version */
}

static const struct outfile_kind STATE = {"saved work of apus-pack", is_state};

static char *path_of(const char *output) {
    char *path = malloc(strlen(output) + sizeof ".state");
    return path ? strcat(strcpy(path, output), ".state") : NULL;
}

/* Whether a state can be saved at path. Another user's file would be in the way after the first
 * layer, so it is refused now. */
static bool is_free(const char *path, struct diag *d) {
    char why[OUTFILE_WHY];
    int fd = outfile_check(path, &STATE, why) ? outfile_own(path, O_RDONLY, why) : -1;
    if (fd >= 0) close(fd);
    return fd >= 0 || !why[0] || diag_fail(d, "%s", why);
}

bool resume_begin(struct resume *resume, const char *output, struct diag *d) {
    resume->path = path_of(output);
    return resume->path ? is_free(resume->path, d) : diag_fail(d, "out of memory");
}

void resume_add(struct resume *resume, void *at, size_t bytes) {
    resume->piece[resume->pieces++] = (struct resume_piece){at, bytes};
}

static struct head head_of(const struct resume *resume) {
    struct head head = {.key = resume->key};
    struct hash64 hash;
    hash64_begin(&hash);
    memcpy(head.magic, MAGIC, sizeof head.magic);
    for (unsigned i = 0; i < resume->pieces; i++) {
        head.bytes += resume->piece[i].bytes;
        hash64_add(&hash, resume->piece[i].at, resume->piece[i].bytes);
    }
    head.hash = hash64_end(&hash);
    return head;
}

bool resume_save(const struct resume *resume, struct diag *d) {
    struct head head = head_of(resume);
    struct outfile out;
    uint64_t at = sizeof head;
    bool good =
        outfile_open(&out, resume->path, &STATE) && outfile_put(&out, 0, &head, sizeof head);
    for (unsigned i = 0; good && i < resume->pieces; at += resume->piece[i++].bytes)
        good = outfile_put(&out, at, resume->piece[i].at, resume->piece[i].bytes);
    if (good && outfile_commit(&out)) return true;
    outfile_abandon(&out);
    return diag_fail(d, "%s", out.why);
}

static bool take(int fd, void *to, size_t bytes) {
    for (uint8_t *at = to; bytes;) {
        ssize_t n = read(fd, at, bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        at += n, bytes -= (size_t)n;
    }
    return true;
}

static bool load(int fd, const struct resume *resume) {
    struct head head;
    struct stat st;
    uint64_t bytes = 0;
    struct hash64 hash;
    for (unsigned i = 0; i < resume->pieces; i++) bytes += resume->piece[i].bytes;
    if (fstat(fd, &st) || (uint64_t)st.st_size != sizeof head + bytes ||
        !take(fd, &head, sizeof head))
        return false;
    if (memcmp(head.magic, MAGIC, sizeof head.magic) != 0 || head.key != resume->key ||
        head.bytes != bytes)
        return false;
    hash64_begin(&hash);
    for (unsigned i = 0; i < resume->pieces; i++) {
        if (!take(fd, resume->piece[i].at, resume->piece[i].bytes)) return false;
        hash64_add(&hash, resume->piece[i].at, resume->piece[i].bytes);
    }
    return hash64_end(&hash) == head.hash;
}

bool resume_load(const struct resume *resume) {
    char why[OUTFILE_WHY];
    int fd = outfile_own(resume->path, O_RDONLY, why);
    bool good = fd >= 0 && load(fd, resume);
    if (fd >= 0) close(fd);
    return good;
}

void resume_forget(const char *output) {
    char why[OUTFILE_WHY], *path = path_of(output);
    int fd = path ? outfile_own(path, O_RDONLY, why) : -1;
    if (fd >= 0 && is_state(fd)) unlink(path);
    if (fd >= 0) close(fd);
    free(path);
}

void resume_end(struct resume *resume) {
    free(resume->path);
    *resume = (struct resume){0};
}

static bool add_program(struct hash64 *hash) {
    char buffer[1 << 14];
    ssize_t bytes = -1;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && (bytes = read(fd, buffer, sizeof buffer)) > 0)
        hash64_add(hash, buffer, (size_t)bytes);
    if (fd >= 0) close(fd);
    return bytes == 0;
}

bool resume_key(struct hash64 *hash, const char *words, struct diag *d) {
    hash64_begin(hash);
    hash64_add(hash, words, strlen(words));
    return add_program(hash) ||
           diag_fail(
               d,
               "--resume: the program cannot read its own file, by which it knows its work again");
}
