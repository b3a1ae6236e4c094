/* The calls of POSIX that the tools use, and that MinGW lacks or has only in part, for Windows.
 * Every file of the tools and tests is compiled with this header in front of it
 * (toolchain/cmake/ApusWindows.cmake), which also stands for the headers that MinGW has not
 * (<sys/mman.h>, <poll.h> ...). So the tools are written for one system, and this is the one place
 * where the other differs.
 *
 * Names are UTF-8 everywhere: that is the code page of the programs, by their manifest
 * (apps/kit/windows.manifest; Windows 10 1903 and newer). Files and pipes are read and written byte
 * for byte. What a comment below does not say is as in POSIX, as far as the tools need it. */
#ifndef KIT_WINDOWS_POSIX_H
#define KIT_WINDOWS_POSIX_H

#define _WIN32_WINNT 0x0A00 /* Windows 10 */
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX

#define tell     unwanted_tell /* <io.h> and <unistd.h> have these, in the way of names here */
#define truncate unwanted_truncate
#include <direct.h>
#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <process.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>
#undef tell
#undef truncate

/* ------------------------------------------------------------------------------------- files -- */

/* O_NOFOLLOW and O_DIRECTORY have an effect. Without the others, too, nothing that is opened blocks
 * or is inherited. The numbers are free in MinGW's flags. */
enum {
    O_NOFOLLOW = 0x100000,
    O_DIRECTORY = 0x200000,
    O_NONBLOCK = 0x400000,
    O_CLOEXEC = O_NOINHERIT
};

/* As struct stat, whose st_ino has 16 bits in MinGW's. There are no owners: st_uid is 0, as geteuid
 * gives. */
struct posix_stat {
    uint64_t st_dev, st_ino, st_nlink;
    int64_t st_size;
    unsigned short st_mode;
    uint32_t st_uid, st_gid;
};
#undef stat
#undef fstat
#undef lstat
#define stat  posix_stat
#define lstat posix_lstat
#define fstat posix_fstat
int posix_stat(const char *path, struct posix_stat *st);
int posix_lstat(const char *path, struct posix_stat *st);
/* Also of a socket, by its handle: its st_ino is made of its two ends. */
int posix_fstat(int fd, struct posix_stat *st);
#define S_IFLNK  0xa000
#define S_IFSOCK 0xc000
#undef S_ISLNK
#undef S_ISSOCK
#define S_ISLNK(mode)  (((mode)&S_IFMT) == S_IFLNK)
#define S_ISSOCK(mode) (((mode)&S_IFMT) == S_IFSOCK)
typedef uint32_t uid_t;
typedef uint32_t gid_t;
static inline uid_t geteuid(void) { return 0; }

/* Open files may be renamed and removed, as there. "/dev/null" and "/proc/self/exe" are what they
 * are on Linux. */
#define open   posix_open
#define rename posix_rename /* replaces, in one step */
#define unlink posix_unlink
int posix_open(const char *path, int flags, ...);
int posix_rename(const char *from, const char *to);
int posix_unlink(const char *path);
ssize_t pread(int fd, void *data, size_t bytes, int64_t offset);
ssize_t pwrite(int fd, const void *data, size_t bytes, int64_t offset);
static inline int fsync(int fd) { return _commit(fd); }
int mkostemp(char *name, int flags);
static inline int posix_mkstemp(char *name) { return mkostemp(name, 0); }
#define mkstemp posix_mkstemp
char *mkdtemp(char *name);
#define mkdir(path, mode) _mkdir(path)
char *realpath(const char *path, char *out); /* out: NULL */
int fallocate(int fd, int mode, int64_t offset, int64_t bytes);
enum { F_GETFD = 1 };
int fcntl(int fd, int command); /* F_GETFD alone: whether it is open */
#ifndef EDQUOT
#define EDQUOT 10069 /* never comes */
#endif
#ifndef ESHUTDOWN
#define ESHUTDOWN 10058
#endif

/* Rights are the folder's, and stay. */
static inline int fchmod(int fd, mode_t mode) { return (void)fd, (void)mode, 0; }
static inline int fchown(int fd, uid_t user, gid_t group) {
    return (void)fd, (void)user, (void)group, 0;
}

/* One at a time: a file that is read back when it is closed. */
#define fclose posix_fclose
FILE *open_memstream(char **text, size_t *bytes);
int posix_fclose(FILE *file);

/* On a byte far behind the end, which nobody reads: Windows keeps others from what is locked. */
enum { LOCK_EX = 2, LOCK_NB = 4, LOCK_UN = 8 };
int flock(int fd, int operation);

/* ---------------------------------------------------------------------------------- terminal -- */

/* Not of NUL, which MinGW counts as one. */
#define isatty posix_isatty
int posix_isatty(int fd);
ssize_t getline(char **line, size_t *room, FILE *file); /* characters of any kind, from a console */

/* In one piece: MinGW's own hand a stream without a buffer byte after byte, and a console shows no
 * character that comes in two. */
#define fprintf  posix_fprintf
#define vfprintf posix_vfprintf
/* Also what format attributes say, format(printf, 1, 2), for which MinGW expects the formats of
 * Microsoft's library; under this name gcc expects those of C. */
#define printf gnu_printf
int gnu_printf(const char *format, ...) __attribute__((format(gnu_printf, 1, 2)));
int posix_fprintf(FILE *file, const char *format, ...) __attribute__((format(gnu_printf, 2, 3)));
int posix_vfprintf(FILE *file, const char *format, va_list list)
    __attribute__((format(gnu_printf, 2, 0)));

/* ----------------------------------------------------------------------------------- signals -- */

/* SIGINT is Ctrl-C; SIGTERM Ctrl-Break, the window closed, the session ended. Their handlers run on
 * a thread of the system's. SIGBUS is a page of a mapped file that cannot be read. The others never
 * come. */
enum { SIGHUP = 1, SIGBUS = 7, SIGPIPE = 13, SIGXFSZ = 25 };
typedef struct {
    int si_signo;
    void *si_addr;
} siginfo_t;
typedef _sigset_t sigset_t;
struct sigaction {
    union {
        void (*sa_handler)(int);
        void (*sa_sigaction)(int, siginfo_t *, void *);
    };
    sigset_t sa_mask;
    int sa_flags;
};
enum { SA_SIGINFO = 4, SA_RESTART = 0x10000000, SA_RESETHAND = 0x40000000 };
int sigaction(int number, const struct sigaction *action, struct sigaction *before);
#define signal posix_signal
#define raise  posix_raise
void (*posix_signal(int number, void (*handler)(int)))(int);
int posix_raise(int number);

/* Of sets: whether any signal is in it. While the process blocks any, none is delivered. */
#ifndef SIG_BLOCK
#define SIG_BLOCK   0
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2
#endif
static inline int sigemptyset(sigset_t *set) { return *set = 0, 0; }
static inline int sigfillset(sigset_t *set) { return *set = 1, 0; }
static inline int sigaddset(sigset_t *set, int number) { return (void)number, *set = 1, 0; }
int sigprocmask(int how, const sigset_t *set, sigset_t *before);
#undef pthread_sigmask
static inline int pthread_sigmask(int how, const sigset_t *set, sigset_t *before) {
    return (void)how, (void)set, (void)before, 0; /* no signal comes to a thread of ours */
}

typedef int posix_pid;
int kill(posix_pid process, int number); /* 0 alone: whether it lives */

/* A condition waits by the clock that runs on (CLOCK_MONOTONIC) or by the calendar's, whichever the
 * time is of: the former counts from the start of the machine. MinGW's knows the latter alone. */
static inline int posix_condattr_setclock(pthread_condattr_t *attributes, clockid_t clock) {
    return (void)attributes, (void)clock, 0;
}
#define pthread_condattr_setclock posix_condattr_setclock
#define pthread_cond_timedwait    posix_cond_timedwait
int posix_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *lock,
                         const struct timespec *until);

/* --------------------------------------------------------------------------- memory, machine -- */

enum { PROT_READ = 1, PROT_WRITE = 2, MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_ANONYMOUS = 32 };
#define MAP_FAILED ((void *)-1)
enum { MADV_HUGEPAGE = 14 };
/* A file to be read, or memory. */
void *mmap(void *at, size_t bytes, int protection, int flags, int fd, int64_t offset);
int munmap(void *at, size_t bytes);
static inline int madvise(void *at, size_t bytes, int advice) {
    return (void)at, (void)bytes, (void)advice, 0;
}

/* Pages of its own; free gives back both kinds. */
void *aligned_alloc(size_t alignment, size_t bytes);
#define free(memory) posix_free(memory)
void posix_free(void *memory);

enum { _SC_PAGESIZE = 1, _SC_AVPHYS_PAGES };
long sysconf(int what);

ssize_t getrandom(void *data, size_t bytes, unsigned flags);

enum { RUSAGE_SELF = 0 };
struct rusage {
    long ru_maxrss; /* KiB */
};
int getrusage(int who, struct rusage *usage);

struct utsname {
    char sysname[16], release[32], machine[16];
};
int uname(struct utsname *name);

/* ------------------------------------------------------------------------------------- texts -- */

char *strndup(const char *text, size_t most);
char *strsep(char **rest, const char *ends);
void *memmem(const void *in, size_t in_bytes, const void *what, size_t what_bytes);
void qsort_r(void *items, size_t count, size_t bytes,
             int (*compare)(const void *a, const void *b, void *user), void *user);

/* Rounded once, as C has it; MinGW's rounds twice. */
#define fmaf posix_fmaf
float posix_fmaf(float a, float b, float c);

/* ----------------------------------------------------------------------------------- sockets -- */

/* 0, once the process may use sockets. */
int posix_sockets(void);
#define evthread_use_pthreads() (posix_sockets() || evthread_use_windows_threads())

#endif

/* What <sys/socket.h>, <netdb.h>, <poll.h> and their like are here. */
#if defined(KIT_WINDOWS_SOCKETS) && !defined(KIT_WINDOWS_SOCKETS_SEEN)
#define KIT_WINDOWS_SOCKETS_SEEN
#include <winsock2.h>
#include <ws2tcpip.h>
enum { MSG_NOSIGNAL = 0, MSG_DONTWAIT = 0 }; /* libevent's sockets never wait */
enum { SHUT_RD = SD_RECEIVE, SHUT_WR = SD_SEND, SHUT_RDWR = SD_BOTH };
#define POLLRDHUP 0x2000
struct posix_pollfd {
    int fd;
    short events, revents;
};
#define pollfd posix_pollfd
#define poll   posix_poll
/* One descriptor: standard input, for POLLIN; or a socket, for POLLRDHUP, at once. */
int posix_poll(struct posix_pollfd *descriptor, unsigned long count, int milliseconds);
#endif
