#include "weights/pack/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const int DEADLY[] = {SIGINT, SIGTERM, SIGHUP};
enum { DEADLY_COUNT = sizeof DEADLY / sizeof DEADLY[0] };
static char *volatile doomed; /* what the handler removes */

static void on_signal(int signal_number) {
    if (doomed) unlink(doomed);
    raise(signal_number); /* SA_RESETHAND: now with its usual end */
}

static void guard(char *temporary) {
    doomed = temporary;
    struct sigaction action = {.sa_flags = (int)SA_RESETHAND};
    action.sa_handler = temporary ? on_signal : SIG_DFL;
    for (int i = 0; i < DEADLY_COUNT; i++) {
        struct sigaction old;
        if (sigaction(DEADLY[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN) sigaction(DEADLY[i], &action, NULL);
    }
}

/* The temporary file exists from one moment on; signals wait until it is known to the handler. What an earlier writer left, or another one
 * is at, is not removed. */
static int create(struct writer *writer, bool resumes) {
    sigset_t deadly, before;
    sigemptyset(&deadly);
    for (int i = 0; i < DEADLY_COUNT; i++) sigaddset(&deadly, DEADLY[i]);
    sigprocmask(SIG_BLOCK, &deadly, &before);
    int fd = resumes ? open(writer->temporary, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : mkostemp(writer->temporary, O_CLOEXEC);
    struct stat st;
    writer->kept = resumes && fd >= 0 && (flock(fd, LOCK_EX | LOCK_NB) || fstat(fd, &st) || st.st_size > 0);
    if (fd >= 0 && !writer->kept) guard(writer->temporary);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return fd;
}

static bool replaceable(const char *path, struct diag *d) {
    struct stat st;
    if (stat(path, &st)) return errno == ENOENT || diag_fail(d, "%s: %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode)) return diag_fail(d, "%s is a directory where a file to write is expected", path);
    if (!S_ISREG(st.st_mode)) return diag_fail(d, "%s is not a regular file", path);
    if (st.st_size == 0) return true;
    char magic[4] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool blob = fd >= 0 && read(fd, magic, 4) == 4 && memcmp(magic, "APUS", 4) == 0;
    if (fd >= 0) close(fd);
    return blob || diag_fail(d, "%s exists and is no blob: it is not overwritten", path);
}

/* On the disk, where the file system can. */
static bool reserve(struct writer *writer, uint64_t bytes, struct diag *d) {
    if (fallocate(writer->fd, 0, 0, (off_t)bytes) == 0 || (errno != ENOSPC && errno != EFBIG && errno != EDQUOT)) return true;
    return diag_fail(d, "%s needs %.1f MB: %s", writer->path, (double)bytes / 1e6, strerror(errno));
}

bool writer_open(struct writer *writer, const char *path, bool resumes, uint64_t bytes, struct diag *d) {
    *writer = (struct writer){.fd = -1};
    if (!replaceable(path, d)) return false;
    size_t length = strlen(path);
    writer->path = strdup(path);
    writer->temporary = malloc(length + 12);
    if (!writer->path || !writer->temporary) {
        writer_abandon(writer);
        return diag_fail(d, "out of memory");
    }
    snprintf(writer->temporary, length + 12, resumes ? "%s.part" : "%s.tmp-XXXXXX", path);
    if (resumes && !replaceable(writer->temporary, d)) {
        writer->temporary[0] = 0;
        writer_abandon(writer);
        return false;
    }
    writer->fd = create(writer, resumes);
    if (writer->fd < 0) {
        int error = errno;
        writer->temporary[0] = 0;
        writer_abandon(writer);
        return diag_fail(d, "%s cannot be written: %s", path, strerror(error));
    }
    mode_t mask = umask(0);
    umask(mask);
    fchmod(writer->fd, 0666 & ~mask);
    if (resumes && flock(writer->fd, LOCK_EX | LOCK_NB)) {
        writer_abandon(writer);
        return diag_fail(d, "%s is being made by another apus-pack", path);
    }
    if (reserve(writer, bytes, d)) return true;
    writer_abandon(writer);
    return false;
}

bool writer_keep(struct writer *writer, struct diag *d) {
    if (fsync(writer->fd)) return diag_fail(d, "%s cannot be written: %s", writer->temporary, strerror(errno));
    guard(NULL);
    writer->kept = true;
    return true;
}

bool writer_get(struct writer *writer, uint64_t offset, void *data, size_t bytes) {
    uint8_t *at = data;
    while (bytes) {
        ssize_t n = pread(writer->fd, at, bytes, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        at += n, offset += (uint64_t)n, bytes -= (size_t)n;
    }
    return true;
}

bool writer_clear(struct writer *writer, uint64_t bytes, struct diag *d) {
    if (ftruncate(writer->fd, 0)) return diag_fail(d, "%s cannot be written: %s", writer->temporary, strerror(errno));
    return reserve(writer, bytes, d) && writer_put(writer, 0, "APUS", 4, d); /* so that replaceable knows it again */
}

bool writer_put(struct writer *writer, uint64_t offset, const void *data, size_t bytes, struct diag *d) {
    const uint8_t *at = data;
    while (bytes) {
        ssize_t n = pwrite(writer->fd, at, bytes, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return diag_fail(d, "%s cannot be written: %s", writer->path, n ? strerror(errno) : "no space left");
        at += n, offset += (uint64_t)n, bytes -= (size_t)n;
    }
    return true;
}

/* The new name is durable once the directory is. Not every file system can: then the name is as durable as it gets. */
static void sync_directory(const char *path) {
    char *copy = strdup(path);
    if (!copy) return;
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(copy);
}

bool writer_extend(struct writer *writer, uint64_t bytes, struct diag *d) {
    return ftruncate(writer->fd, (off_t)bytes) == 0 || diag_fail(d, "%s cannot be written: %s", writer->path, strerror(errno));
}

bool writer_commit(struct writer *writer, struct diag *d) {
    if (fsync(writer->fd)) return diag_fail(d, "%s cannot be written: %s", writer->path, strerror(errno));
    if (rename(writer->temporary, writer->path)) return diag_fail(d, "%s cannot be replaced: %s", writer->path, strerror(errno));
    guard(NULL);
    writer->temporary[0] = 0;
    sync_directory(writer->path);
    writer_abandon(writer);
    return true;
}

void writer_abandon(struct writer *writer) {
    if (writer->fd >= 0) close(writer->fd);
    if (writer->temporary && writer->temporary[0] && !writer->kept) unlink(writer->temporary);
    guard(NULL);
    free(writer->path);
    free(writer->temporary);
    *writer = (struct writer){.fd = -1};
}
