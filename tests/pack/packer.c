#include "packer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "weights/blob.h"

char folder[] = "/tmp/apus-pack-test-XXXXXX", said[8192], complained[8192];
static char program[4096];

const char *in_folder(const char *name) {
    static char path[16][512];
    static int turn;
    snprintf(path[turn = (turn + 1) % 16], sizeof path[0], "%s/%s", folder, name);
    return path[turn];
}

void slurp(const char *name, char *out, size_t room) {
    FILE *f = fopen(in_folder(name), "rb");
    out[f ? fread(out, 1, room - 1, f) : 0] = 0;
    if (f) fclose(f);
    unlink(in_folder(name));
}

pid_t begin(rlim_t file_limit, const char *const *arguments) {
    const char *argv[32] = {program};
    int n = 1;
    while (arguments[n - 1]) argv[n] = arguments[n - 1], n++;
    pid_t child = fork();
    if (child == 0) {
        const struct rlimit limit = {file_limit, file_limit};
        if (file_limit != RLIM_INFINITY) setrlimit(RLIMIT_FSIZE, &limit);
        if (!freopen(in_folder("said"), "wb", stdout) ||
            !freopen(in_folder("complained"), "wb", stderr))
            _exit(99);
        execv(program, (char *const *)(uintptr_t)argv);
        _exit(98);
    }
    assert_true(child > 0);
    return child;
}

/* "apus-pack: 82 %, 0:02 left ...", every ten seconds where the machine is busy. */
static void drop_progress(char *text) {
    static const char begin[] = "apus-pack: ";
    for (char *line = text, *next; *line; line = next) {
        char *stop = strchr(line, '\n'), *rest = line + sizeof begin - 1;
        next = stop ? stop + 1 : line + strlen(line);
        if (strncmp(line, begin, sizeof begin - 1) == 0 && strspn(rest, " 0123456789"))
            memmove(line, next, strlen(next) + 1), next = line;
    }
}

int end(pid_t child) {
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    slurp("said", said, sizeof said);
    slurp("complained", complained, sizeof complained);
    drop_progress(complained);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

int files_with(const char *part) {
    DIR *d = opendir(folder);
    assert_non_null(d);
    int count = 0;
    for (struct dirent *e; (e = readdir(d));)
        count += e->d_name[0] != '.' && strstr(e->d_name, part) != NULL;
    closedir(d);
    return count;
}

struct file map(const char *path) {
    struct stat st;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) || st.st_size == 0) fail_msg("%s is not there", path);
    struct file file = {mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0),
                        (size_t)st.st_size};
    close(fd);
    assert_true(file.data != MAP_FAILED);
    return file;
}

void unmap(struct file file) { munmap(file.data, file.bytes); }

bool same(const char *a, const char *b) {
    struct file x = map(a), y = map(b);
    bool equal = x.bytes == y.bytes && memcmp(x.data, y.data, x.bytes) == 0;
    unmap(x), unmap(y);
    return equal;
}

bool is_calibrated(const char *name, const char *with) {
    struct file file = map(in_folder(name));
    struct blob blob;
    char why[BLOB_WHY] = "";
    if (blob_open(&blob, file.data, file.bytes, why) != APUS_OK) fail_msg("%s", why);
    bool found = strstr(blob.text + blob.model->provenance, with) != NULL;
    unmap(file);
    return found;
}

void write_source(const char *name, struct small_gguf spec) {
    assert_int_equal(small_gguf_write(&spec, in_folder(name)), 0);
}

int set_up(void **state) {
    (void)state;
    const char *build = getenv("APUS_BUILD");
    snprintf(program, sizeof program, "%s/apus-pack", build ? build : ".");
    if (access(program, X_OK)) {
        fprintf(stderr, "%s is not there: run ctest, or set APUS_BUILD to the build folder\n",
                program);
        return 1;
    }
    if (!mkdtemp(folder)) return 1;
    write_source("model.gguf", (struct small_gguf){0});
    return 0;
}

int tear_down(void **state) {
    (void)state;
    DIR *d = opendir(folder);
    if (!d) return 1;
    for (struct dirent *e; (e = readdir(d));) unlink(in_folder(e->d_name));
    closedir(d);
    return rmdir(folder);
}

void check_failed(int status, int expected) {
    if (status != expected || said[0] || !complained[0])
        fail_msg("status %d, standard output \"%s\", standard error \"%s\"", status, said,
                 complained);
    assert_int_equal(files_with("no.apus"), 0);
}

void write_text(const char *name, const void *data, size_t bytes) {
    FILE *f = fopen(in_folder(name), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, bytes, f), bytes);
    fclose(f);
}
