#include "pipeline_cache_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kit/fail.h"
#include "kit/outfile.h"

enum { CACHE_BYTES_MAX = 256 << 20 };

/* Whether the file begins like what apus_model_pipeline_cache gives. */
static bool is_pipeline_cache(int fd) {
    char magic[8] = "";
    return pread(fd, magic, sizeof magic, 0) == sizeof magic &&
           !memcmp(magic, "apuscod1", sizeof magic);
}

static const struct outfile_kind cache_kind = {"file of what drivers compile", is_pipeline_cache};

/* Drivers trust the file as they trust a program. So its owner must be this user or root, and
 * nobody else may have the right to write it. */
static bool is_trusted(const struct stat *st) {
    return S_ISREG(st->st_mode) && (st->st_uid == geteuid() || st->st_uid == 0) &&
           !(st->st_mode & (S_IWGRP | S_IWOTH));
}

void pipeline_cache_load(struct pipeline_cache_file *c, const char *path) {
    struct stat st;
    memset(c, 0, sizeof *c);
    c->path = path;
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    if (fd < 0) return;
    if (fstat(fd, &st) || !is_trusted(&st)) {
        fail_warn("'%s' is not used: others than you can write it, or it is no regular file.",
                  path);
        c->path = NULL;
    } else if (st.st_size > 0 && st.st_size <= CACHE_BYTES_MAX && is_pipeline_cache(fd)) {
        c->data = malloc((size_t)st.st_size);
    }
    ssize_t bytes = c->data ? pread(fd, c->data, (size_t)st.st_size, 0) : 0;
    c->bytes = bytes > 0 ? (size_t)bytes : 0; /* the library does not use data that was cut short */
    close(fd);
}

/* Replaces the file by a new one, so that a reader sees the whole old file or the whole new one. */
static void replace(const char *path, const void *data, size_t bytes) {
    struct outfile out;
    if (outfile_open(&out, path, &cache_kind) && outfile_put(&out, 0, data, bytes) &&
        outfile_commit(&out))
        return;
    outfile_abandon(&out);
    fail_warn("%s.", out.why);
}

void pipeline_cache_store(struct pipeline_cache_file *c, const apus_model *model,
                          uint32_t engines) {
    size_t bytes = 0;
    uint32_t from = 0;
    void *data = NULL;
    for (uint32_t i = 0; model && c->path && !bytes && i < engines; i++)
        if (apus_model_pipeline_cache(model, from = i, NULL, 0, &bytes)) bytes = 0;
    if (bytes) data = malloc(bytes);
    if (data && !apus_model_pipeline_cache(model, from, data, bytes, &bytes) &&
        (bytes != c->bytes || memcmp(data, c->data, bytes) != 0))
        replace(c->path, data, bytes);
    free(data);
    free(c->data);
    c->data = NULL;
}
