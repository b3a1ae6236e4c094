/* apus-pack as a program, for tests: runs it in a folder of its own. */
#ifndef TESTS_PACK_PACKER_H
#define TESTS_PACK_PACKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "tests/pack/small_gguf.h"

extern char folder[];
extern char said[8192], complained[8192]; /* by the last program, but for its progress */

/* Group fixtures of cmocka: the folder, with model.gguf in it. */
int set_up(void **state);
int tear_down(void **state);

/* A path in the folder; its storage is given again after 16 calls. */
const char *in_folder(const char *name);

/* Reads a file of the folder as a text, at most room - 1 bytes of it, and removes the file. */
void slurp(const char *name, char *out, size_t room);

/* The program as a process, and its exit status, or 256 and the signal that ended it. Files that it
 * writes get at most `file_limit` bytes. */
pid_t begin(rlim_t file_limit, const char *const *arguments);
int end(pid_t child);
#define RUN(...) end(begin(RLIM_INFINITY, (const char *const[]){__VA_ARGS__, NULL}))
void check_failed(int status, int expected);

/* How many files there are whose names hold `part`. */
int files_with(const char *part);

struct file {
    uint8_t *data;
    size_t bytes;
};
struct file map(const char *path);
void unmap(struct file file);
bool same(const char *a, const char *b);

/* Whether the provenance of blob `name` has the words `with`. */
bool is_calibrated(const char *name, const char *with);
void write_source(const char *name, struct small_gguf spec);
void write_text(const char *name, const void *data, size_t bytes);

#endif
