#define KIT_WINDOWS_SOCKETS

#include "windows_inside.h"

#include <limits.h>
#include <ntsecapi.h>

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

int windows_failed(void) {
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
    return windows_failed();
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
    if (!GetFileInformationByHandle(file, &about)) return windows_failed();
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
    int result = file == INVALID_HANDLE_VALUE ? windows_failed() : look(file, st);
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
    return windows_failed();
}

ssize_t pwrite(int fd, const void *data, size_t bytes, int64_t offset) {
    OVERLAPPED at = {.Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32)};
    DWORD put = 0, most = bytes > 1 << 30 ? 1 << 30 : (DWORD)bytes;
    return WriteFile(handle_of(fd), data, most, &put, &at) ? (ssize_t)put : windows_failed();
}

/* Two names at once, to the call; to may be NULL. */
static int with_names(const char *from, const char *to,
                      BOOL (*call)(const wchar_t *from, const wchar_t *to)) {
    wchar_t *a = wide(from), *b = a && to ? wide(to) : NULL;
    int result = -1;
    if (a && (b || !to)) result = call(a, b) ? 0 : windows_failed();
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
               : windows_failed();
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
    if (operation & LOCK_UN)
        return UnlockFileEx(handle_of(fd), 0, 1, 0, &at) ? 0 : windows_failed();
    if (LockFileEx(handle_of(fd), how, 0, 1, 0, &at)) return 0;
    errno = GetLastError() == ERROR_LOCK_VIOLATION || GetLastError() == ERROR_IO_PENDING
                ? EWOULDBLOCK
                : EIO;
    return -1;
}
