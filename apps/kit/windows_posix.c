#define KIT_WINDOWS_SOCKETS

#include "windows_posix.h"

#include <limits.h>
#include <stdbool.h>
#include <windows.h>

#include <ntsecapi.h>
#include <psapi.h>

/* ------------------------------------------------------------------------------------- words -- */

static int errno_of(DWORD error) {
    switch (error) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_INVALID_NAME:
    case ERROR_INVALID_DRIVE:
    case ERROR_BAD_NETPATH:
    case ERROR_BAD_NET_NAME:
        return ENOENT;
    case ERROR_ACCESS_DENIED:
    case ERROR_SHARING_VIOLATION:
    case ERROR_USER_MAPPED_FILE:
    case ERROR_WRITE_PROTECT:
        return EACCES;
    case ERROR_FILE_EXISTS:
    case ERROR_ALREADY_EXISTS:
        return EEXIST;
    case ERROR_DISK_FULL:
    case ERROR_HANDLE_DISK_FULL:
        return ENOSPC;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
    case ERROR_COMMITMENT_LIMIT:
        return ENOMEM;
    case ERROR_TOO_MANY_OPEN_FILES:
        return EMFILE;
    case ERROR_INVALID_HANDLE:
        return EBADF;
    case ERROR_NOT_SAME_DEVICE:
        return EXDEV;
    default:
        return EIO;
    }
}

static int failed(void) {
    errno = errno_of(GetLastError());
    return -1;
}

/* In UTF-16, to be freed; NULL with errno. */
static wchar_t *wide(const char *utf8) {
    int units = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, utf8, -1, NULL, 0);
    wchar_t *text = units ? malloc((size_t)units * sizeof *text) : NULL;
    errno = units ? ENOMEM : EILSEQ;
    if (text) MultiByteToWideChar(CP_UTF8, 0, utf8, -1, text, units);
    return text;
}

static HANDLE handle_of(int fd) { return (HANDLE)_get_osfhandle(fd); }

/* ----------------------------------------------------------------------------- opening files -- */

/* Names of Linux that the tools use; the program's own goes to out. */
static const wchar_t *usual_name(const char *path, wchar_t out[MAX_PATH]) {
    if (!strcmp(path, "/dev/null")) return L"NUL";
    if (strcmp(path, "/proc/self/exe") != 0) return NULL;
    DWORD units = GetModuleFileNameW(NULL, out, MAX_PATH);
    return units && units < MAX_PATH ? out : NULL;
}

static DWORD access_of(int flags) {
    switch (flags & (O_RDONLY | O_WRONLY | O_RDWR)) {
    case O_WRONLY:
        return GENERIC_WRITE;
    case O_RDWR:
        return GENERIC_READ | GENERIC_WRITE;
    default:
        return GENERIC_READ;
    }
}

static DWORD creation_of(int flags) {
    if (flags & O_CREAT)
        return flags & O_EXCL ? CREATE_NEW : flags & O_TRUNC ? CREATE_ALWAYS : OPEN_ALWAYS;
    return flags & O_TRUNC ? TRUNCATE_EXISTING : OPEN_EXISTING;
}

static bool is_link(HANDLE file) {
    FILE_ATTRIBUTE_TAG_INFO tag;
    return GetFileInformationByHandleEx(file, FileAttributeTagInfo, &tag, sizeof tag) &&
           (tag.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) &&
           (tag.ReparseTag == IO_REPARSE_TAG_SYMLINK ||
            tag.ReparseTag == IO_REPARSE_TAG_MOUNT_POINT);
}

/* The access 0 is for a look alone. */
static HANDLE open_wide(const wchar_t *name, DWORD access, DWORD creation, bool follows) {
    return CreateFileW(
        name, access, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, creation,
        FILE_FLAG_BACKUP_SEMANTICS | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION |
            (follows ? 0 : (DWORD)FILE_FLAG_OPEN_REPARSE_POINT),
        NULL);
}

static int descriptor(HANDLE file, int flags) {
    BY_HANDLE_FILE_INFORMATION about;
    if ((flags & O_NOFOLLOW) && is_link(file)) {
        CloseHandle(file);
        errno = ELOOP;
        return -1;
    }
    bool folder = GetFileInformationByHandle(file, &about) &&
                  (about.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY);
    if (folder != !!(flags & O_DIRECTORY)) {
        CloseHandle(file);
        errno = folder ? EISDIR : ENOTDIR;
        return -1;
    }
    int fd = _open_osfhandle((intptr_t)file, (flags & (O_APPEND | O_RDONLY)) | O_NOINHERIT);
    if (fd < 0) CloseHandle(file);
    return fd;
}

int posix_open(const char *path, int flags, ...) {
    wchar_t program[MAX_PATH], *own = NULL;
    const wchar_t *name = usual_name(path, program);
    if (!name && !(name = own = wide(path))) return -1;
    HANDLE file = open_wide(name, access_of(flags), creation_of(flags), !(flags & O_NOFOLLOW));
    DWORD error = GetLastError();
    free(own);
    if (file != INVALID_HANDLE_VALUE) return descriptor(file, flags);
    SetLastError(error);
    return failed();
}

static void random_letters(char *at, size_t count) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    unsigned char bytes[16];
    getrandom(bytes, sizeof bytes, 0);
    for (size_t i = 0; i < count; i++) at[i] = letters[bytes[i] % (sizeof letters - 1)];
}

int mkostemp(char *name, int flags) {
    size_t length = strlen(name);
    if (length < 6 || strcmp(name + length - 6, "XXXXXX") != 0) {
        errno = EINVAL;
        return -1;
    }
    for (int tries = 0; tries < 100; tries++) {
        random_letters(name + length - 6, 6);
        int fd = posix_open(name, flags | O_RDWR | O_CREAT | O_EXCL, 0600);
        if (fd >= 0 || errno != EEXIST) return fd;
    }
    return -1;
}

char *mkdtemp(char *name) {
    size_t length = strlen(name);
    if (length < 6) return NULL;
    random_letters(name + length - 6, 6);
    return _mkdir(name) ? NULL : name;
}

int fcntl(int fd, int command) {
    (void)command;
    HANDLE file = handle_of(fd);
    if (file != INVALID_HANDLE_VALUE && file != (HANDLE)-2) return 0; /* -2: none was given */
    errno = EBADF;
    return -1;
}

/* ------------------------------------------------------------------------------------- looks -- */

static int look(HANDLE file, struct posix_stat *st) {
    BY_HANDLE_FILE_INFORMATION about;
    memset(st, 0, sizeof *st);
    st->st_nlink = 1;
    switch (GetFileType(file)) {
    case FILE_TYPE_DISK:
        break;
    case FILE_TYPE_PIPE:
        st->st_mode = S_IFIFO;
        return 0;
    case FILE_TYPE_CHAR:
        st->st_mode = S_IFCHR;
        return 0;
    default:
        errno = EBADF;
        return -1;
    }
    if (!GetFileInformationByHandle(file, &about)) return failed();
    st->st_dev = about.dwVolumeSerialNumber;
    st->st_ino = (uint64_t)about.nFileIndexHigh << 32 | about.nFileIndexLow;
    st->st_nlink = about.nNumberOfLinks;
    st->st_size = (int64_t)((uint64_t)about.nFileSizeHigh << 32 | about.nFileSizeLow);
    st->st_mode = is_link(file)                                       ? S_IFLNK
                  : about.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY ? S_IFDIR | 0755
                  : about.dwFileAttributes & FILE_ATTRIBUTE_READONLY  ? S_IFREG | 0444
                                                                      : S_IFREG | 0644;
    return 0;
}

static int look_at(const char *path, struct posix_stat *st, bool follows) {
    wchar_t program[MAX_PATH], *own = NULL;
    const wchar_t *name = usual_name(path, program);
    if (!name && !(name = own = wide(path))) return -1;
    HANDLE file = open_wide(name, 0, OPEN_EXISTING, follows);
    int result = file == INVALID_HANDLE_VALUE ? failed() : look(file, st);
    if (file != INVALID_HANDLE_VALUE) CloseHandle(file);
    free(own);
    return result;
}

int posix_stat(const char *path, struct posix_stat *st) { return look_at(path, st, true); }
int posix_lstat(const char *path, struct posix_stat *st) { return look_at(path, st, false); }

/* A hash of an end: family, port and address. */
static uint64_t end_of(int(WSAAPI *ask)(SOCKET, struct sockaddr *, int *), SOCKET socket) {
    struct sockaddr_storage end = {0};
    int bytes = sizeof end;
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    if (ask(socket, (struct sockaddr *)&end, &bytes)) return 0;
    for (int i = 0; i < bytes; i++)
        hash = (hash ^ ((const unsigned char *)&end)[i]) * 1099511628211u;
    return hash;
}

/* Handles of sockets are no descriptors, but small numbers as well; where there are sockets, in
 * apus serve, so many files are not open. */
int posix_fstat(int fd, struct posix_stat *st) {
    int kind, bytes = sizeof kind;
    if (getsockopt((SOCKET)fd, SOL_SOCKET, SO_TYPE, (char *)&kind, &bytes) == 0) {
        memset(st, 0, sizeof *st);
        st->st_mode = S_IFSOCK;
        st->st_ino = end_of(getpeername, (SOCKET)fd) ^ 31 * end_of(getsockname, (SOCKET)fd);
        return 0;
    }
    return look(handle_of(fd), st);
}

/* --------------------------------------------------------------------------- bytes and names -- */

ssize_t pread(int fd, void *data, size_t bytes, int64_t offset) {
    OVERLAPPED at = {.Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32)};
    DWORD got = 0, most = bytes > 1 << 30 ? 1 << 30 : (DWORD)bytes;
    int64_t before = _lseeki64(fd, 0, SEEK_CUR);
    bool good = ReadFile(handle_of(fd), data, most, &got, &at);
    DWORD error = good ? 0 : GetLastError();
    if (before >= 0) _lseeki64(fd, before, SEEK_SET);
    if (good || error == ERROR_HANDLE_EOF) return (ssize_t)got;
    SetLastError(error);
    return failed();
}

ssize_t pwrite(int fd, const void *data, size_t bytes, int64_t offset) {
    OVERLAPPED at = {.Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32)};
    DWORD put = 0, most = bytes > 1 << 30 ? 1 << 30 : (DWORD)bytes;
    return WriteFile(handle_of(fd), data, most, &put, &at) ? (ssize_t)put : failed();
}

/* Two names at once, to the call; to may be NULL. */
static int with_names(const char *from, const char *to,
                      BOOL (*call)(const wchar_t *from, const wchar_t *to)) {
    wchar_t *a = wide(from), *b = a && to ? wide(to) : NULL;
    int result = -1;
    if (a && (b || !to)) result = call(a, b) ? 0 : failed();
    free(a), free(b);
    return result;
}

static BOOL move(const wchar_t *from, const wchar_t *to) {
    return MoveFileExW(from, to, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH);
}
static BOOL drop(const wchar_t *name, const wchar_t *unused) {
    (void)unused;
    return DeleteFileW(name);
}
int posix_rename(const char *from, const char *to) { return with_names(from, to, move); }
int posix_unlink(const char *path) { return with_names(path, NULL, drop); }

char *realpath(const char *path, char *out) {
    struct posix_stat st;
    return posix_stat(path, &st) ? NULL : _fullpath(out, path, 0);
}

int fallocate(int fd, int mode, int64_t offset, int64_t bytes) {
    FILE_ALLOCATION_INFO size = {.AllocationSize.QuadPart = offset + bytes};
    (void)mode;
    return SetFileInformationByHandle(handle_of(fd), FileAllocationInfo, &size, sizeof size)
               ? 0
               : failed();
}

static struct {
    FILE *file;
    char **text;
    size_t *bytes;
} memstream;

FILE *open_memstream(char **text, size_t *bytes) {
    wchar_t at[MAX_PATH - 14], name[MAX_PATH];
    if (memstream.file || !GetTempPathW(MAX_PATH - 14, at) ||
        !GetTempFileNameW(at, L"apu", 0, name))
        return NULL;
    memstream.file = _wfopen(name, L"w+bD"); /* gone when it is closed */
    memstream.text = text, memstream.bytes = bytes;
    return memstream.file;
}

#undef fclose
int posix_fclose(FILE *file) {
    if (!memstream.file || file != memstream.file) return fclose(file);
    int64_t bytes = _ftelli64(file);
    char *text = bytes >= 0 && !ferror(file) ? malloc((size_t)bytes + 1) : NULL;
    rewind(file);
    bool good = text && fread(text, 1, (size_t)bytes, file) == (size_t)bytes;
    memstream.file = NULL;
    if (fclose(file) || !good) {
        free(text);
        return EOF;
    }
    text[bytes] = 0;
    *memstream.text = text, *memstream.bytes = (size_t)bytes;
    return 0;
}

int flock(int fd, int operation) {
    OVERLAPPED at = {.Offset = 0xfffffffe, .OffsetHigh = 0x7fffffff};
    DWORD how = LOCKFILE_EXCLUSIVE_LOCK | (operation & LOCK_NB ? LOCKFILE_FAIL_IMMEDIATELY : 0);
    if (operation & LOCK_UN) return UnlockFileEx(handle_of(fd), 0, 1, 0, &at) ? 0 : failed();
    if (LockFileEx(handle_of(fd), how, 0, 1, 0, &at)) return 0;
    errno = GetLastError() == ERROR_LOCK_VIOLATION || GetLastError() == ERROR_IO_PENDING
                ? EWOULDBLOCK
                : EIO;
    return -1;
}

int kill(posix_pid process, int number) {
    HANDLE handle = OpenProcess(SYNCHRONIZE, FALSE, (DWORD)process);
    (void)number;
    if (!handle) {
        errno = GetLastError() == ERROR_INVALID_PARAMETER ? ESRCH : EPERM;
        return -1;
    }
    bool lives = WaitForSingleObject(handle, 0) == WAIT_TIMEOUT;
    CloseHandle(handle);
    errno = ESRCH;
    return lives ? 0 : -1;
}

/* ---------------------------------------------------------------------------------- terminal -- */

int posix_isatty(int fd) {
    DWORD mode;
    return GetConsoleMode(handle_of(fd), &mode) != 0;
}

static UINT code_pages[2]; /* as they were */

static void restore_console(void) {
    if (code_pages[0]) SetConsoleCP(code_pages[0]);
    if (code_pages[1]) SetConsoleOutputCP(code_pages[1]);
}

static void take_escapes(int fd) {
    DWORD mode;
    if (GetConsoleMode(handle_of(fd), &mode))
        SetConsoleMode(handle_of(fd), mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING);
}

/* Before main. A console that is shared with a shell gets its code page back. Text for one is
 * written in whole pieces: programs flush where somebody waits. */
__attribute__((constructor)) static void begin(void) {
    _fmode = _O_BINARY;
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) == 0) _setmode(fd, _O_BINARY);
    if (!posix_isatty(0) && !posix_isatty(1) && !posix_isatty(2)) return;
    code_pages[0] = GetConsoleCP(), code_pages[1] = GetConsoleOutputCP();
    SetConsoleCP(CP_UTF8), SetConsoleOutputCP(CP_UTF8);
    atexit(restore_console);
    take_escapes(1), take_escapes(2);
    if (posix_isatty(1)) setvbuf(stdout, NULL, _IOFBF, 1 << 14);
}

int posix_vfprintf(FILE *file, const char *format, va_list list) {
    char some[1024], *text = some;
    va_list again;
    va_copy(again, list);
    int length = vsnprintf(some, sizeof some, format, list);
    if (length >= (int)sizeof some) {
        text = malloc((size_t)length + 1);
        length = text ? vsnprintf(text, (size_t)length + 1, format, again) : -1;
    }
    va_end(again);
    if (length > 0 && fwrite(text, 1, (size_t)length, file) != (size_t)length) length = -1;
    if (text != some) free(text);
    return length;
}

int posix_fprintf(FILE *file, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int length = posix_vfprintf(file, format, list);
    va_end(list);
    return length;
}

int gnu_printf(const char *format, ...) {
    va_list list;
    va_start(list, format);
    int length = posix_vfprintf(stdout, format, list);
    va_end(list);
    return length;
}

/* More of a console's line, as UTF-8; 0 at the end of the input, which is Ctrl-Z there. */
static size_t console_text(char *out, size_t room) {
    static wchar_t half; /* of a character that the last reading cut in two */
    wchar_t units[257];
    DWORD got = 0, kept = half ? 1 : 0;
    units[0] = half, half = 0;
    if (!ReadConsoleW(handle_of(0), units + kept, 256 - kept, &got, NULL) || !got) return 0;
    got += kept;
    if (units[0] == 26) return 0;
    if (got > 1 && IS_HIGH_SURROGATE(units[got - 1])) half = units[--got];
    int bytes = WideCharToMultiByte(CP_UTF8, 0, units, (int)got, out, (int)room, NULL, NULL);
    return bytes > 0 ? (size_t)bytes : 0;
}

static size_t stream_text(FILE *file, char *out) {
    int c = getc(file);
    if (c == EOF) return 0;
    *out = (char)c;
    return 1;
}

ssize_t getline(char **line, size_t *room, FILE *file) {
    enum { MOST = 1024 }; /* that one reading gives */
    size_t length = 0;
    const bool console = file == stdin && posix_isatty(0);
    for (;;) {
        if (!*line || *room - length <= MOST) {
            char *more = realloc(*line, (*line ? *room : 0) + 2 * MOST);
            if (!more) return -1;
            *room = (*line ? *room : 0) + 2 * MOST, *line = more;
        }
        size_t got =
            console ? console_text(*line + length, MOST) : stream_text(file, *line + length);
        length += got;
        if (got && (*line)[length - 1] != '\n') continue;
        (*line)[length] = 0;
        return length ? (ssize_t)length : -1;
    }
}

/* ----------------------------------------------------------------------------------- signals -- */

enum { SIGNALS = 32 };
static struct sigaction actions[SIGNALS];
static SRWLOCK delivery = SRWLOCK_INIT; /* held while one is delivered, or none may be */
static volatile bool blocked;

static void deliver(int number, siginfo_t *info) {
    struct sigaction action = actions[number];
    if (action.sa_flags & SA_RESETHAND) actions[number] = (struct sigaction){.sa_handler = SIG_DFL};
    if (action.sa_flags & SA_SIGINFO)
        action.sa_sigaction(number, info, NULL);
    else
        action.sa_handler(number);
}

static bool has_handler(int number) {
    return actions[number].sa_handler != SIG_DFL && actions[number].sa_handler != SIG_IGN;
}

/* FALSE: the next handler, at last the system's, which ends the process. Closing waits as long as
 * this runs, and the work is to end meanwhile. */
static BOOL WINAPI on_control(DWORD event) {
    siginfo_t info = {0};
    int number = event == CTRL_C_EVENT ? SIGINT : SIGTERM;
    AcquireSRWLockExclusive(&delivery);
    bool handled = has_handler(number), ignored = actions[number].sa_handler == SIG_IGN;
    if (handled) deliver(number, &info);
    ReleaseSRWLockExclusive(&delivery);
    if (handled && event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT) Sleep(INFINITE);
    return handled || ignored;
}

static LONG WINAPI on_exception(EXCEPTION_POINTERS *exception) {
    const EXCEPTION_RECORD *record = exception->ExceptionRecord;
    if (record->ExceptionCode == (DWORD)EXCEPTION_IN_PAGE_ERROR && has_handler(SIGBUS)) {
        siginfo_t info = {SIGBUS, (void *)record->ExceptionInformation[1]};
        deliver(SIGBUS, &info);
    }
    return EXCEPTION_CONTINUE_SEARCH;
}

int sigaction(int number, const struct sigaction *action, struct sigaction *before) {
    static bool listens, catches;
    if (number < 1 || number >= SIGNALS) {
        errno = EINVAL;
        return -1;
    }
    if (before) *before = actions[number];
    if (!action) return 0;
    actions[number] = *action;
    if ((number == SIGINT || number == SIGTERM) && !listens)
        listens = SetConsoleCtrlHandler(on_control, TRUE);
    if (number == SIGBUS && !catches)
        catches = AddVectoredExceptionHandler(0, on_exception) != NULL;
    return 0;
}

void (*posix_signal(int number, void (*handler)(int)))(int) {
    struct sigaction action = {.sa_handler = handler}, before = {.sa_handler = SIG_DFL};
    return sigaction(number, &action, &before) ? SIG_ERR : before.sa_handler;
}

int posix_raise(int number) {
    siginfo_t info = {0};
    if (number < 1 || number >= SIGNALS || actions[number].sa_handler == SIG_IGN) return 0;
    if (has_handler(number))
        deliver(number, &info);
    else
        _exit(128 + number);
    return 0;
}

int sigprocmask(int how, const sigset_t *set, sigset_t *before) {
    bool wants = set && *set && how != SIG_UNBLOCK;
    if (before) *before = blocked;
    if (wants && !blocked) AcquireSRWLockExclusive(&delivery), blocked = true;
    if (!wants && blocked) blocked = false, ReleaseSRWLockExclusive(&delivery);
    return 0;
}

#undef pthread_cond_timedwait
int posix_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *lock,
                         const struct timespec *until) {
    struct timespec at = *until, running, calendar;
    if (until->tv_sec < 1000000000) { /* of a calendar: before 2001 */
        clock_gettime(CLOCK_MONOTONIC, &running);
        clock_gettime(CLOCK_REALTIME, &calendar);
        at.tv_sec += calendar.tv_sec - running.tv_sec;
        at.tv_nsec += calendar.tv_nsec - running.tv_nsec;
        if (at.tv_nsec < 0) at.tv_nsec += 1000000000, at.tv_sec--;
        if (at.tv_nsec >= 1000000000) at.tv_nsec -= 1000000000, at.tv_sec++;
    }
    return pthread_cond_timedwait(condition, lock, &at);
}

/* --------------------------------------------------------------------------- memory, machine -- */

void *mmap(void *at, size_t bytes, int protection, int flags, int fd, int64_t offset) {
    void *data;
    (void)at, (void)protection, (void)offset;
    if (flags & MAP_ANONYMOUS) {
        data = VirtualAlloc(NULL, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    } else {
        HANDLE section = CreateFileMappingW(handle_of(fd), NULL, PAGE_READONLY, 0, 0, NULL);
        data = section ? MapViewOfFile(section, FILE_MAP_READ, 0, 0, bytes) : NULL;
        if (section) CloseHandle(section);
    }
    if (data) return data;
    failed();
    return MAP_FAILED;
}

int munmap(void *at, size_t bytes) {
    (void)bytes;
    return UnmapViewOfFile(at) || VirtualFree(at, 0, MEM_RELEASE) ? 0 : failed();
}

/* At the address that a larger range has shown to be free; somebody may have taken it meanwhile. */
void *aligned_alloc(size_t alignment, size_t bytes) {
    for (int tries = 0; tries < 100; tries++) {
        char *range = VirtualAlloc(NULL, bytes + alignment, MEM_RESERVE, PAGE_NOACCESS);
        if (!range) break;
        uintptr_t at = ((uintptr_t)range + alignment - 1) / alignment * alignment;
        VirtualFree(range, 0, MEM_RELEASE);
        void *memory = VirtualAlloc((void *)at, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
        if ((uintptr_t)memory == at && at) return memory;
        if (memory) VirtualFree(memory, 0, MEM_RELEASE);
    }
    errno = ENOMEM;
    return NULL;
}

/* What begins a range of pages is aligned_alloc's: malloc's blocks have a head in front of them. */
#undef free
void posix_free(void *memory) {
    MEMORY_BASIC_INFORMATION about;
    if (memory && (uintptr_t)memory % 65536 == 0 && VirtualQuery(memory, &about, sizeof about) &&
        about.AllocationBase == memory)
        VirtualFree(memory, 0, MEM_RELEASE);
    else
        free(memory);
}

long sysconf(int what) {
    MEMORYSTATUSEX memory = {.dwLength = sizeof memory};
    if (what == _SC_PAGESIZE) return 4096;
    if (!GlobalMemoryStatusEx(&memory)) return -1;
    memory.ullAvailPhys /= 4096;
    return memory.ullAvailPhys > LONG_MAX ? LONG_MAX : (long)memory.ullAvailPhys;
}

ssize_t getrandom(void *data, size_t bytes, unsigned flags) {
    (void)flags;
    return RtlGenRandom(data, (ULONG)bytes) ? (ssize_t)bytes : -1;
}

int getrusage(int who, struct rusage *usage) {
    PROCESS_MEMORY_COUNTERS memory = {.cb = sizeof memory};
    (void)who;
    if (!GetProcessMemoryInfo(GetCurrentProcess(), &memory, sizeof memory)) return failed();
    usage->ru_maxrss = (long)(memory.PeakWorkingSetSize / 1024);
    return 0;
}

/* GetVersionEx tells programs what they were made for. */
int uname(struct utsname *name) {
    OSVERSIONINFOW version = {.dwOSVersionInfoSize = sizeof version};
    HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
    typedef LONG(WINAPI * ask_fn)(OSVERSIONINFOW *);
    ask_fn ask = ntdll ? (ask_fn)(uintptr_t)GetProcAddress(ntdll, "RtlGetVersion") : NULL;
    if (!ask || ask(&version)) return failed();
    snprintf(name->sysname, sizeof name->sysname, "Windows");
    snprintf(name->release, sizeof name->release, "%lu.%lu.%lu", version.dwMajorVersion,
             version.dwMinorVersion, version.dwBuildNumber);
    snprintf(name->machine, sizeof name->machine, "x86_64");
    return 0;
}

/* ------------------------------------------------------------------------------------- texts -- */

char *strndup(const char *text, size_t most) {
    size_t length = strnlen(text, most);
    char *copy = malloc(length + 1);
    if (!copy) return NULL;
    copy[length] = 0;
    return memcpy(copy, text, length);
}

char *strsep(char **rest, const char *ends) {
    char *text = *rest, *end = text ? strpbrk(text, ends) : NULL;
    *rest = end ? end + 1 : NULL;
    if (end) *end = 0;
    return text;
}

void *memmem(const void *in, size_t in_bytes, const void *what, size_t what_bytes) {
    const char *at = in;
    if (!what_bytes) return (void *)(uintptr_t)at;
    for (; in_bytes >= what_bytes; at++, in_bytes--)
        if (*at == *(const char *)what && memcmp(at, what, what_bytes) == 0)
            return (void *)(uintptr_t)at;
    return NULL;
}

struct order {
    int (*compare)(const void *a, const void *b, void *user);
    void *user;
};

static int turned(void *order, const void *a, const void *b) {
    const struct order *by = order;
    return by->compare(a, b, by->user);
}

void qsort_r(void *items, size_t count, size_t bytes,
             int (*compare)(const void *a, const void *b, void *user), void *user) {
    struct order order = {compare, user};
    qsort_s(items, count, bytes, turned, &order);
}

/* The product of two floats is exact as a double. Its sum with the third is rounded there to the
 * nearest, which becomes the neighbour that is odd where something was rounded away: so that the
 * last rounding sees on which side of a half the sum was. */
float posix_fmaf(float a, float b, float c) {
    const double product = (double)a * (double)b, sum = product + (double)c;
    const double part = sum - product;
    const double rest = (product - (sum - part)) + ((double)c - part); /* exact (Knuth's sum) */
    uint64_t bits;
    memcpy(&bits, &sum, sizeof bits);
    const bool finite = (bits >> 52 & 0x7ff) != 0x7ff;
    if (finite && rest != 0 && !(bits & 1)) bits += (rest > 0) == (sum > 0) ? 1u : (uint64_t)-1;
    double odd;
    memcpy(&odd, &bits, sizeof odd);
    return (float)odd;
}

/* ----------------------------------------------------------------------------------- sockets -- */

int posix_sockets(void) {
    WSADATA unused;
    return WSAStartup(MAKEWORD(2, 2), &unused);
}

/* Whether bytes of it can be read, or never more will. */
static bool is_readable(HANDLE input) {
    DWORD bytes = 0;
    if (GetFileType(input) != FILE_TYPE_PIPE) return true;
    return !PeekNamedPipe(input, NULL, 0, NULL, &bytes, NULL) || bytes;
}

int posix_poll(struct posix_pollfd *descriptor, unsigned long count, int milliseconds) {
    (void)count;
    descriptor->revents = 0;
    if (descriptor->events & POLLRDHUP) {
        char byte;
        int got = recv((SOCKET)descriptor->fd, &byte, 1, MSG_PEEK);
        if (got == 0) descriptor->revents = POLLRDHUP;
        if (got < 0 && WSAGetLastError() != WSAEWOULDBLOCK) descriptor->revents = POLLERR;
        return descriptor->revents != 0;
    }
    for (int passed = 0; !is_readable(handle_of(descriptor->fd)); passed += 10) {
        if (passed >= milliseconds) return 0;
        Sleep(10);
    }
    descriptor->revents = POLLIN;
    return 1;
}
