#include "compiled.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COMPILED_MOST = 256 << 20 };

void compiled_load(struct compiled *c, const char *path) {
    struct stat st;
    memset(c, 0, sizeof *c);
    c->path = path;
    FILE *file = path ? fopen(path, "rb") : NULL;
    if (!file) return;
    if (!fstat(fileno(file), &st) && S_ISREG(st.st_mode) && st.st_size > 0 && st.st_size <= COMPILED_MOST) c->data = malloc((size_t)st.st_size);
    if (c->data) c->bytes = fread(c->data, 1, (size_t)st.st_size, file);
    fclose(file);
}

/* A new file in the other's place: a reader sees the one or the other whole. */
static int replace(const char *path, const void *data, size_t bytes) {
    size_t room = strlen(path) + 8;
    char *name = malloc(room);
    if (!name) return ENOMEM;
    snprintf(name, room, "%s.XXXXXX", path);
    int error = 0, fd = mkstemp(name);
    if (fd < 0) {
        error = errno;
        free(name);
        return error;
    }
    FILE *file = fdopen(fd, "wb");
    if (!file) {
        error = errno;
        close(fd);
    } else {
        if (fwrite(data, 1, bytes, file) != bytes) error = errno;
        if (fclose(file) && !error) error = errno;
    }
    if (!error && rename(name, path)) error = errno;
    if (error) unlink(name);
    free(name);
    return error;
}

void compiled_store(struct compiled *c, const apus_model *model) {
    size_t bytes = 0;
    void *data = NULL;
    if (model && c->path && !apus_model_compiled(model, NULL, 0, &bytes) && bytes) data = malloc(bytes);
    if (data && !apus_model_compiled(model, data, bytes, &bytes) && (bytes != c->bytes || memcmp(data, c->data, bytes) != 0)) {
        int error = replace(c->path, data, bytes);
        if (error) fprintf(stderr, "apus: warning: '%s' could not be written: %s\n", c->path, strerror(error));
    }
    free(data);
    free(c->data);
    c->data = NULL;
}
