#include "weights/pack/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* An unfinished blob begins with this. The blob's own header replaces it at the end. */
static const char UNFINISHED[OUTFILE_MARK] = "APUSPART";

static bool begins_with(int fd, const char *magic, size_t bytes) {
    char found[OUTFILE_MARK];
    return pread(fd, found, bytes, 0) == (ssize_t)bytes && memcmp(found, magic, bytes) == 0;
}

static bool is_blob(int fd) {
    return begins_with(fd, "APUS", 4) && !begins_with(fd, UNFINISHED, sizeof UNFINISHED);
}

static const struct outfile_kind BLOB = {"blob", is_blob};

bool writer_check(const char *path, struct diag *d) {
    char why[OUTFILE_WHY];
    return outfile_check(path, &BLOB, why) || diag_fail(d, "%s", why);
}

/* Reserves the bytes on the disk, if the file system can do that. */
static bool reserve(struct writer *writer, uint64_t bytes, struct diag *d) {
    if (fallocate(writer->out.fd, 0, 0, (off_t)bytes) == 0 ||
        (errno != ENOSPC && errno != EFBIG && errno != EDQUOT))
        return true;
    return diag_fail(d, "%s needs %.1f MB: %s", writer->out.path, (double)bytes / 1e6,
                     strerror(errno));
}

bool writer_open(struct writer *writer, const char *path, bool resumes, uint64_t bytes,
                 struct diag *d) {
    struct outfile *out = &writer->out;
    if (!(resumes ? outfile_resume(out, path, &BLOB, UNFINISHED) : outfile_open(out, path, &BLOB)))
        return diag_fail(d, "%s", out->why);
    if (reserve(writer, bytes, d)) return true;
    writer_abandon(writer);
    return false;
}

bool writer_keep(struct writer *writer, struct diag *d) {
    return outfile_keep(&writer->out) || diag_fail(d, "%s", writer->out.why);
}

bool writer_get(struct writer *writer, uint64_t offset, void *data, size_t bytes) {
    uint8_t *at = data;
    while (bytes) {
        ssize_t n = pread(writer->out.fd, at, bytes, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        at += n, offset += (uint64_t)n, bytes -= (size_t)n;
    }
    return true;
}

bool writer_clear(struct writer *writer, uint64_t bytes, struct diag *d) {
    if (ftruncate(writer->out.fd, 0))
        return diag_fail(d, "%s cannot be written: %s", writer->out.temporary, strerror(errno));
    return writer_put(writer, 0, UNFINISHED, sizeof UNFINISHED, d) && reserve(writer, bytes, d);
}

bool writer_put(struct writer *writer, uint64_t offset, const void *data, size_t bytes,
                struct diag *d) {
    return outfile_put(&writer->out, offset, data, bytes) || diag_fail(d, "%s", writer->out.why);
}

bool writer_extend(struct writer *writer, uint64_t bytes, struct diag *d) {
    return ftruncate(writer->out.fd, (off_t)bytes) == 0 ||
           diag_fail(d, "%s cannot be written: %s", writer->out.path, strerror(errno));
}

bool writer_commit(struct writer *writer, struct diag *d) {
    return outfile_commit(&writer->out) || diag_fail(d, "%s", writer->out.why);
}

void writer_abandon(struct writer *writer) { outfile_abandon(&writer->out); }

bool writer_forget(const char *path) {
    char why[OUTFILE_WHY], *part = malloc(strlen(path) + sizeof ".part");
    if (!part) return false;
    strcat(strcpy(part, path), ".part");
    int fd = outfile_own(part, O_RDWR, why);
    bool idle = fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (fd >= 0 && idle && begins_with(fd, UNFINISHED, sizeof UNFINISHED)) unlink(part);
    if (fd >= 0) close(fd);
    free(part);
    return idle;
}
