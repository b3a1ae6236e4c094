#include "outfile.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool say(char why[OUTFILE_WHY], const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool say(char why[OUTFILE_WHY], const char *format, ...) {
    va_list list;
    va_start(list, format);
    vsnprintf(why, OUTFILE_WHY, format, list);
    va_end(list);
    return false;
}

/* ---------------------------------------------------------------------------------- signals -- */

static const int FATAL[] = {SIGINT, SIGTERM, SIGHUP};
enum { FATAL_COUNT = sizeof FATAL / sizeof FATAL[0], GUARDED_MAX = 4 };
static char *volatile guarded[GUARDED_MAX]; /* the files that the handler removes */
static struct sigaction before[FATAL_COUNT];

static void on_signal(int number) {
    for (int i = 0; i < GUARDED_MAX; i++)
        if (guarded[i]) unlink(guarded[i]);
    raise(number); /* because of SA_RESETHAND it now ends the program as usual */
}

static int guarded_count(void) {
    int count = 0;
    for (int i = 0; i < GUARDED_MAX; i++) count += guarded[i] != NULL;
    return count;
}

static void guard(char *temporary) {
    struct sigaction action = {.sa_flags = (int)SA_RESETHAND};
    action.sa_handler = on_signal;
    bool first = guarded_count() == 0;
    for (int i = 0; i < GUARDED_MAX; i++)
        if (!guarded[i]) {
            guarded[i] = temporary;
            break;
        }
    for (int i = 0; first && i < FATAL_COUNT; i++)
        if (sigaction(FATAL[i], NULL, &before[i]) == 0 && before[i].sa_handler != SIG_IGN)
            sigaction(FATAL[i], &action, NULL);
}

static void unguard(const char *temporary) {
    bool was = false;
    for (int i = 0; i < GUARDED_MAX; i++)
        if (temporary && guarded[i] == temporary) guarded[i] = NULL, was = true;
    for (int i = 0; was && guarded_count() == 0 && i < FATAL_COUNT; i++)
        if (before[i].sa_handler != SIG_IGN) sigaction(FATAL[i], &before[i], NULL);
}

/* ------------------------------------------------------------------------------------ paths -- */

/* Whether the path may be written, and its state in *st; st_mode 0: nothing is there. */
static bool path_state(const char *path, const struct outfile_kind *kind, struct stat *st,
                       char why[OUTFILE_WHY]) {
    if (lstat(path, st)) {
        st->st_mode = 0;
        return errno == ENOENT || say(why, "%s: %s", path, strerror(errno));
    }
    if (S_ISLNK(st->st_mode))
        return say(why,
                   "%s is a symbolic link, which is not followed: give the name of the file itself",
                   path);
    if (S_ISDIR(st->st_mode))
        return say(why, "%s is a directory where a file to write is expected", path);
    if (!S_ISREG(st->st_mode))
        return say(why, "%s is a %s, not a regular file: it cannot be written whole or not at all",
                   path,
                   S_ISFIFO(st->st_mode)   ? "FIFO"
                   : S_ISSOCK(st->st_mode) ? "socket"
                                           : "device");
    if (st->st_size == 0 || !kind->is_one) return true;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    int error = errno;
    bool good = fd >= 0 && fstat(fd, st) == 0 && S_ISREG(st->st_mode) && kind->is_one(fd);
    if (fd < 0)
        return say(why, "%s exists and cannot be read (%s): it is not overwritten", path,
                   strerror(error));
    close(fd);
    return good || say(why, "%s exists and is no %s: it is not overwritten", path, kind->what);
}

bool outfile_check(const char *path, const struct outfile_kind *kind, char why[OUTFILE_WHY]) {
    struct stat st;
    return path_state(path, kind, &st, why);
}

int outfile_own(const char *path, int flags, char why[OUTFILE_WHY]) {
    struct stat st;
    why[0] = 0;
    int fd = open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ELOOP)
        say(why, "%s is a symbolic link, which is not followed: remove it", path);
    else if (fd < 0 && errno != ENOENT)
        say(why, "%s cannot be opened: %s", path, strerror(errno));
    if (fd < 0) return -1;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode))
        say(why, "%s is in the way: it is not a regular file", path);
    else if (st.st_uid != geteuid())
        say(why, "%s is in the way: it belongs to another user", path);
    else if (st.st_nlink != 1)
        say(why, "%s is in the way: it has other names beside this one", path);
    else
        return fd;
    close(fd);
    return -1;
}

/* Returns the folder of a path, and the name in it in *name. Both lie in *copy, which the caller
 * frees. */
static const char *folder_of(const char *path, char **copy, const char **name) {
    size_t length = strlen(path) + 1;
    *copy = malloc(2 * length);
    if (!*copy) return NULL;
    memcpy(*copy, path, length), memcpy(*copy + length, path, length);
    *name = basename(*copy + length);
    return dirname(*copy);
}

bool outfile_same(const char *a, const char *b) {
    struct stat x, y;
    if (stat(a, &x) == 0 && stat(b, &y) == 0) return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
    char *copies[2] = {NULL, NULL};
    const char *name[2],
        *folder[2] = {folder_of(a, &copies[0], &name[0]), folder_of(b, &copies[1], &name[1])};
    bool same = folder[0] && folder[1] && strcmp(name[0], name[1]) == 0 &&
                stat(folder[0], &x) == 0 && stat(folder[1], &y) == 0 && x.st_dev == y.st_dev &&
                x.st_ino == y.st_ino;
    free(copies[0]), free(copies[1]);
    return same;
}

/* -------------------------------------------------------------------------------- leftovers -- */

/* The process in the temporary name "NAME.tmp-PID-XXXXXX"; 0: the entry is no such name. */
static long maker_of(const char *entry, const char *name) {
    size_t length = strlen(name);
    char *end;
    if (strncmp(entry, name, length) != 0 || strncmp(entry + length, ".tmp-", 5) != 0) return 0;
    const char *digits = entry + length + 5;
    long pid = *digits >= '1' && *digits <= '9' ? strtol(digits, &end, 10) : 0;
    if (pid <= 0 || *end++ != '-' || strlen(end) != 6) return 0;
    for (int i = 0; i < 6; i++)
        if (!isalnum((unsigned char)end[i])) return 0;
    return pid;
}

/* Removes what killed programs left of this file. Such a program's process is gone from this
 * machine, and so is its lock; a process on another machine would still hold the lock. */
static void remove_leftovers(const char *path) {
    char *copy, why[OUTFILE_WHY];
    const char *name, *folder = folder_of(path, &copy, &name);
    DIR *list = folder ? opendir(folder) : NULL;
    for (struct dirent *entry; list && (entry = readdir(list));) {
        long pid = maker_of(entry->d_name, name);
        if (!pid || kill((pid_t)pid, 0) == 0 || errno != ESRCH) continue;
        size_t room = strlen(folder) + strlen(entry->d_name) + 2;
        char *left = malloc(room);
        if (!left) break;
        snprintf(left, room, "%s/%s", folder, entry->d_name);
        int fd = outfile_own(left, O_RDWR, why);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) unlink(left);
        if (fd >= 0) close(fd);
        free(left);
    }
    if (list) closedir(list);
    free(copy);
}

/* ---------------------------------------------------------------------------------- opening -- */

/* Creates the temporary file. Signals are blocked until the handler knows it. The lock shows that a
 * program is writing it; without locks the process's number in the name shows that. */
static bool create(struct outfile *out) {
    sigset_t fatal, old;
    sigemptyset(&fatal);
    for (int i = 0; i < FATAL_COUNT; i++) sigaddset(&fatal, FATAL[i]);
    sigprocmask(SIG_BLOCK, &fatal, &old);
    out->fd = mkostemp(out->temporary, O_CLOEXEC);
    int error = errno;
    if (out->fd >= 0) {
        flock(out->fd, LOCK_EX | LOCK_NB);
        guard(out->temporary);
        out->open = true;
    }
    sigprocmask(SIG_SETMASK, &old, NULL);
    return out->open || say(out->why, "%s cannot be written: %s", out->path, strerror(error));
}

static bool begin(struct outfile *out, const char *path, const struct outfile_kind *kind,
                  const char *format) {
    size_t room = strlen(path) + 64;
    *out = (struct outfile){.fd = -1, .kind = kind};
    if (!outfile_check(path, kind, out->why)) return false;
    remove_leftovers(path);
    out->path = strdup(path), out->temporary = malloc(room);
    if (!out->path || !out->temporary) return say(out->why, "out of memory");
    snprintf(out->temporary, room, format, path, (long)getpid());
    return true;
}

static bool opened(struct outfile *out, bool good) {
    if (good) return true;
    outfile_abandon(out);
    return false;
}

bool outfile_open(struct outfile *out, const char *path, const struct outfile_kind *kind) {
    return opened(out, begin(out, path, kind, "%s.tmp-%ld-XXXXXX") && create(out));
}

/* Returns false if another program is writing the file, or has just renamed or removed it. */
static bool lock_part(struct outfile *out) {
    struct stat st;
    out->open = out->kept = true;
    if ((flock(out->fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) || fstat(out->fd, &st) ||
        st.st_nlink != 1)
        return say(out->why, "%s is being made by another program", out->path);
    return true;
}

static bool create_part(struct outfile *out, const char mark[OUTFILE_MARK]) {
    out->fd = open(out->temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (out->fd < 0)
        return say(out->why, "%s cannot be written: %s", out->temporary, strerror(errno));
    if (!lock_part(out)) return false;
    guard(out->temporary);
    out->kept = false;
    return outfile_put(out, 0, mark, OUTFILE_MARK);
}

bool outfile_resume(struct outfile *out, const char *path, const struct outfile_kind *kind,
                    const char mark[OUTFILE_MARK]) {
    char found[OUTFILE_MARK];
    if (!begin(out, path, kind, "%s.part")) return opened(out, false);
    out->fd = outfile_own(out->temporary, O_RDWR, out->why);
    if (out->fd < 0) return opened(out, !out->why[0] && create_part(out, mark));
    if (!lock_part(out)) return opened(out, false);
    ssize_t bytes = pread(out->fd, found, sizeof found, 0);
    if (bytes == 0)
        return opened(out,
                      outfile_put(out, 0, mark, OUTFILE_MARK)); /* the earlier program ended before
                                                                   it wrote the first byte */
    if (bytes == OUTFILE_MARK && memcmp(found, mark, OUTFILE_MARK) == 0) return true;
    return opened(out, say(out->why, "%s exists and is no unfinished %s: it is not overwritten",
                           out->temporary, kind->what));
}

bool outfile_keep(struct outfile *out) {
    if (fsync(out->fd))
        return say(out->why, "%s cannot be written: %s", out->temporary, strerror(errno));
    unguard(out->temporary);
    out->kept = true;
    return true;
}

bool outfile_put(struct outfile *out, uint64_t offset, const void *data, size_t bytes) {
    const uint8_t *at = data;
    while (bytes) {
        ssize_t n = pwrite(out->fd, at, bytes, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0)
            return say(out->why, "%s cannot be written: %s", out->path,
                       strerror(n ? errno : ENOSPC));
        at += n, offset += (uint64_t)n, bytes -= (size_t)n;
    }
    return true;
}

/* ----------------------------------------------------------------------------------- ending -- */

/* Makes the new name durable, which it is once the folder is. Not every file system can do that,
 * and then no more is possible. */
static void sync_folder(const char *path) {
    char *copy;
    const char *name, *folder = folder_of(path, &copy, &name);
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(copy);
}

/* Sets the mode of the file that it replaces. If the group cannot be set as well, the group gets no
 * rights, so that it can read no more than before. */
static void set_mode(int fd, const struct stat *replaced) {
    mode_t mask = umask(0), mode = 0666 & ~mask;
    struct stat st;
    umask(mask);
    if (replaced->st_mode) {
        mode = replaced->st_mode & 0777;
        if (fstat(fd, &st) == 0 && st.st_gid != replaced->st_gid &&
            fchown(fd, (uid_t)-1, replaced->st_gid))
            mode &= ~(mode_t)070;
    }
    fchmod(fd, mode);
}

bool outfile_commit(struct outfile *out) {
    struct stat replaced;
    if (!path_state(out->path, out->kind, &replaced, out->why)) return false;
    set_mode(out->fd, &replaced);
    if (fsync(out->fd))
        return say(out->why, "%s cannot be written: %s", out->path, strerror(errno));
    if (rename(out->temporary, out->path))
        return say(out->why, "%s cannot be replaced: %s", out->path, strerror(errno));
    unguard(out->temporary);
    sync_folder(out->path);
    out->kept = true; /* under its final name */
    outfile_abandon(out);
    return true;
}

/* The sentence in `why` stays. */
void outfile_abandon(struct outfile *out) {
    if (out->open && !out->kept) unlink(out->temporary);
    if (out->open) close(out->fd);
    unguard(out->temporary);
    free(out->path);
    free(out->temporary);
    out->path = out->temporary = NULL, out->open = out->kept = false, out->fd = -1;
}
