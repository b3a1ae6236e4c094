#include "weights/pack/checkpoint/source_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool source_file_open(struct source_file *file, const char *path, struct diag *d) {
    *file = (struct source_file){.fd = -1};
    /* O_NONBLOCK, so that opening a pipe fails with the sentence below and does not wait for a
     * writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return diag_fail(d, "%s: %s", path, strerror(errno));
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size < 0) {
        close(fd);
        return diag_fail(d, "%s: not a regular file", path);
    }
    char *name = strdup(path);
    if (!name) {
        close(fd);
        return diag_fail(d, "out of memory");
    }
    *file = (struct source_file){.fd = fd, .bytes = (uint64_t)st.st_size, .name = name};
    return true;
}

bool source_file_memory(struct source_file *file, const char *name, const void *data, size_t bytes,
                        struct diag *d) {
    *file = (struct source_file){.fd = -1, .memory = data, .bytes = bytes, .name = strdup(name)};
    return file->name ? true : diag_fail(d, "out of memory");
}

bool source_file_read(const struct source_file *file, uint64_t offset, void *out, size_t bytes,
                      struct diag *d) {
    if (offset > file->bytes || bytes > file->bytes - offset)
        return diag_fail(d, "%s: ends too early", file->name);
    if (bytes == 0) return true;
    if (file->fd < 0) {
        memcpy(out, file->memory + offset, bytes);
        return true;
    }
    for (size_t done = 0; done < bytes;) {
        ssize_t n = pread(file->fd, (char *)out + done, bytes - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return diag_fail(d, "%s: %s", file->name, strerror(errno));
        if (n == 0) return diag_fail(d, "%s: became shorter while it was read", file->name);
        done += (size_t)n;
    }
    return true;
}

void source_file_close(struct source_file *file) {
    if (file->name && file->fd >= 0) close(file->fd);
    free(file->name);
    *file = (struct source_file){.fd = -1};
}
