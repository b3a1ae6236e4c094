#include "weights/pack/checkpoint/wanted.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "apps/kit/kind.h"
#include "weights/pack/checkpoint/source_file.h"

enum { PATH_ROOM = 4096 + 256 };

static bool is_there(const char *directory, const char *name) {
    char path[PATH_ROOM];
    struct stat status;
    return snprintf(path, sizeof path, "%s/%s", directory, name) < (int)sizeof path &&
           stat(path, &status) == 0;
}

/* Whether the file lies in a directory that is a checkpoint; gives that directory. */
static bool lies_in_checkpoint(const char *path, char *directory, size_t room) {
    const char *slash = strrchr(path, '/');
    int n = slash == path ? 1 : slash ? (int)(slash - path) : 1;
    return snprintf(directory, room, "%.*s", n, slash ? path : ".") < (int)room &&
           is_there(directory, "config.json");
}

/* What is known of a file's kind. NULL if it is not known, or if the file cannot be read; its
 * reader will then say so. */
static const struct kind *look(const char *path) {
    struct source_file file;
    struct diag ignored = {{0}};
    uint8_t head[KIND_HEAD];
    if (!source_file_open(&file, path, &ignored)) return NULL;
    size_t bytes = file.bytes < sizeof head ? (size_t)file.bytes : sizeof head;
    bool read = source_file_read(&file, 0, head, bytes, &ignored);
    source_file_close(&file);
    return read ? kind_of(head, bytes, path) : NULL;
}

static bool wants_directory(const struct kind *kind) {
    return strncmp(kind->then, "give the directory", 18) == 0;
}

bool wanted_file(const char *path, struct diag *d) {
    char directory[4096];
    const struct kind *kind = look(path);
    if (!kind) return true;
    if (wants_directory(kind) && lies_in_checkpoint(path, directory, sizeof directory))
        return diag_fail(d, "%s is %s: give the directory, %s", path, kind->what, directory);
    return diag_fail(d, "%s is %s: %s", path, kind->what, kind->then);
}

bool wanted_shard(const char *path, struct diag *d) {
    const struct kind *kind = look(path);
    if (!kind || wants_directory(kind)) return true;
    return diag_fail(d, "%s is %s: %s", path, kind->what, kind->then);
}

/* Finds the first name, in alphabetical order, that ends with `ending`. */
static bool find_ending(const char *directory, const char *ending, char *out, size_t room) {
    DIR *d = opendir(directory);
    out[0] = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t length = strlen(e->d_name), n = strlen(ending);
        if (e->d_name[0] == '.' || length < n || length >= room ||
            strcmp(e->d_name + length - n, ending) != 0)
            continue;
        if (!out[0] || strcmp(e->d_name, out) < 0) memcpy(out, e->d_name, length + 1);
    }
    if (d) closedir(d);
    return out[0] != 0;
}

/* Finds the checkpoint in a directory that is laid out as the cache of Hugging Face keeps a
 * repository. */
static bool find_snapshot(const char *directory, char *out, size_t room) {
    char snapshots[4096], name[256];
    if (snprintf(snapshots, sizeof snapshots, "%s/snapshots", directory) >= (int)sizeof snapshots)
        return false;
    return find_ending(snapshots, "", name, sizeof name) &&
           snprintf(out, room, "%s/%s", snapshots, name) < (int)room &&
           is_there(out, "config.json");
}

static const char WANTED[] =
    "a checkpoint is a GGUF file, or a directory with config.json, *.safetensors and a tokenizer";

bool wanted_config(const char *directory, struct diag *d) {
    char name[256], path[PATH_ROOM];
    if (find_snapshot(directory, path, sizeof path))
        return diag_fail(d, "%s: holds no config.json; give the directory that does, %s", directory,
                         path);
    if (find_ending(directory, ".gguf", name, sizeof name))
        return diag_fail(d, "%s: holds no config.json, but GGUF files; give one of them, as %s/%s",
                         directory, directory, name);
    if (find_ending(directory, ".apus", name, sizeof name))
        return diag_fail(d, "%s: holds no config.json, but blobs, which are packed already: %s",
                         directory, name);
    if (is_there(directory, "params.json"))
        return diag_fail(d,
                         "%s: has the layout of the model's authors (params.json); get the Hugging "
                         "Face one, with config.json",
                         directory);
    if (find_ending(directory, ".safetensors", name, sizeof name))
        return diag_fail(
            d, "%s: holds %s, but no config.json; fetch it and the tokenizer's files, too",
            directory, name);
    return diag_fail(d, "%s: holds no config.json; %s", directory, WANTED);
}

bool wanted_weights(const char *directory, struct diag *d) {
    char name[256];
    static const char *const other[] = {".bin", ".pth", ".pt", ".ckpt", ".h5", ".msgpack", ".onnx"};
    if (is_there(directory, "adapter_config.json"))
        return diag_fail(
            d, "%s: is an adapter (adapter_config.json); merge it into its model first", directory);
    if (find_ending(directory, ".gguf", name, sizeof name))
        return diag_fail(
            d, "%s: holds no model.safetensors, but GGUF files; give one of them, as %s/%s",
            directory, directory, name);
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        if (!find_ending(directory, other[i], name, sizeof name)) continue;
        const struct kind *kind = kind_of("-", 1, name);
        return diag_fail(d, "%s: holds its weights as %s, not as model.safetensors: %s", directory,
                         name, kind ? kind->then : "get them as safetensors");
    }
    if (find_ending(directory, ".safetensors", name, sizeof name))
        return diag_fail(
            d, "%s: holds %s, but neither model.safetensors nor model.safetensors.index.json",
            directory, name);
    return diag_fail(d, "%s: has neither model.safetensors nor model.safetensors.index.json",
                     directory);
}
