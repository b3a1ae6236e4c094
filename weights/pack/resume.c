#include "weights/pack/resume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "weights/hash.h"

struct head {
    char magic[8];
    uint64_t key, bytes, hash; /* of the pieces */
};
static const char MAGIC[8] = "APUSPRT1";

bool resume_begin(struct resume *resume, const char *output, struct diag *d) {
    size_t length = strlen(output) + sizeof ".state.new";
    resume->path = malloc(length), resume->temporary = malloc(length);
    if (!resume->path || !resume->temporary) return diag_fail(d, "out of memory");
    snprintf(resume->path, length, "%s.state", output), snprintf(resume->temporary, length, "%s.state.new", output);
    return true;
}

void resume_add(struct resume *resume, void *at, size_t bytes) { resume->piece[resume->pieces++] = (struct resume_piece){at, bytes}; }

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
    FILE *file = fopen(resume->temporary, "wb");
    bool good = file && fwrite(&head, sizeof head, 1, file) == 1;
    for (unsigned i = 0; good && i < resume->pieces; i++)
        good = resume->piece[i].bytes == 0 || fwrite(resume->piece[i].at, resume->piece[i].bytes, 1, file) == 1;
    good = good && fflush(file) == 0 && fsync(fileno(file)) == 0;
    if (file && fclose(file)) good = false;
    if (good && rename(resume->temporary, resume->path) == 0) return true;
    int error = errno;
    unlink(resume->temporary);
    return diag_fail(d, "%s cannot be written: %s", resume->path, strerror(error));
}

/* Of a file that is read twice: first whether it is whole, then into place. */
static bool is_whole(FILE *file, const struct resume *resume) {
    struct head head, want = {.key = resume->key};
    struct hash64 hash;
    char buffer[1 << 14];
    size_t bytes;
    uint64_t total = 0;
    for (unsigned i = 0; i < resume->pieces; i++) want.bytes += resume->piece[i].bytes;
    if (fread(&head, sizeof head, 1, file) != 1 || memcmp(head.magic, MAGIC, sizeof head.magic) != 0 || head.key != want.key ||
        head.bytes != want.bytes)
        return false;
    hash64_begin(&hash);
    while ((bytes = fread(buffer, 1, sizeof buffer, file)) > 0) hash64_add(&hash, buffer, bytes), total += bytes;
    return total == head.bytes && hash64_end(&hash) == head.hash;
}

bool resume_load(const struct resume *resume) {
    FILE *file = fopen(resume->path, "rb");
    bool good = file && is_whole(file, resume) && fseek(file, sizeof(struct head), SEEK_SET) == 0;
    for (unsigned i = 0; good && i < resume->pieces; i++)
        good = resume->piece[i].bytes == 0 || fread(resume->piece[i].at, resume->piece[i].bytes, 1, file) == 1;
    if (file) fclose(file);
    return good;
}

void resume_remove(const struct resume *resume) {
    unlink(resume->temporary);
    unlink(resume->path);
}

void resume_end(struct resume *resume) {
    free(resume->path);
    free(resume->temporary);
    *resume = (struct resume){0};
}

static void add_file(const char *name, const struct stat *st, uint64_t *sum) {
    const int64_t facts[3] = {st->st_size, st->st_mtim.tv_sec, st->st_mtim.tv_nsec};
    struct hash64 hash;
    hash64_begin(&hash);
    hash64_add(&hash, name, strlen(name) + 1);
    hash64_add(&hash, facts, sizeof facts);
    *sum += hash64_end(&hash); /* in whatever order a directory lists them */
}

/* Other files may come and go beside a checkpoint: the output, say. */
static bool of_a_model(const char *name) {
    static const char *const ends[] = {".safetensors", ".json", ".model"};
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (length > strlen(ends[i]) && strcmp(name + length - strlen(ends[i]), ends[i]) == 0) return true;
    return false;
}

static bool add_source(const char *source, uint64_t *sum) {
    struct stat st;
    DIR *directory = opendir(source);
    if (!directory) {
        if (stat(source, &st)) return false;
        add_file("", &st, sum);
        return true;
    }
    for (struct dirent *entry; (entry = readdir(directory));)
        if (of_a_model(entry->d_name) && fstatat(dirfd(directory), entry->d_name, &st, 0) == 0 && S_ISREG(st.st_mode))
            add_file(entry->d_name, &st, sum);
    closedir(directory);
    return true;
}

static bool add_program(struct hash64 *hash) {
    char buffer[1 << 14];
    ssize_t bytes = -1;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && (bytes = read(fd, buffer, sizeof buffer)) > 0) hash64_add(hash, buffer, (size_t)bytes);
    if (fd >= 0) close(fd);
    return bytes == 0;
}

bool resume_key(const char *source, const char *words, uint64_t *key, struct diag *d) {
    struct hash64 hash;
    uint64_t sum = 0;
    hash64_begin(&hash);
    hash64_add(&hash, words, strlen(words));
    if (!add_source(source, &sum)) return diag_fail(d, "%s cannot be found again", source);
    if (!add_program(&hash)) return diag_fail(d, "--resume: the program cannot read its own file, by which it knows its work again");
    hash64_add(&hash, &sum, sizeof sum);
    *key = hash64_end(&hash);
    return true;
}
