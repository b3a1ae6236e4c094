/* The services of Windows 10 and newer: threads, waiting on an address, the performance counter,
 * dynamic libraries, mapped files. Names of files and libraries are UTF-8, as everywhere in Apus.
 *
 * Absent are device files (there is no driver of NPUs here that is spoken to, docs/porting.md),
 * energy (its counters need a driver of their own), and the limit of lockable memory. No log: as
 * in port/posix.c, an application that wants one copies the port and sets its own. */
#define WIN32_LEAN_AND_MEAN
#define _WIN32_WINNT 0x0A00 /* Windows 10 */

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <windows.h>

#include "apus/apus.h"
#include "apus/port.h"

/* What lives in the caller's APUS_THREAD_BYTES. */
struct windows_thread {
    HANDLE thread;
    void (*entry)(void *arg);
    void *arg;
};
_Static_assert(sizeof(struct windows_thread) <= APUS_THREAD_BYTES,
               "a thread fits the storage that port.h promises");
_Static_assert(_Alignof(struct windows_thread) <= 16, "and its alignment");

/* A count of seconds and a rest, because the counter times 10^9 leaves 64 bits after minutes. */
static uint64_t windows_now_ns(void *user) {
    (void)user;
    LARGE_INTEGER count, frequency; /* neither call fails on Windows XP and newer */
    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&count);
    const uint64_t ticks = (uint64_t)count.QuadPart, second = (uint64_t)frequency.QuadPart;
    return ticks / second * 1000000000u + ticks % second * 1000000000u / second;
}

/* An error of the system as an errno value, of which the callers' words are made. */
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
    case ERROR_LOCK_VIOLATION:
        return EACCES;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
    case ERROR_COMMITMENT_LIMIT:
        return ENOMEM;
    case ERROR_TOO_MANY_OPEN_FILES:
        return EMFILE;
    default:
        return EIO;
    }
}

static DWORD WINAPI windows_thread_main(void *storage) {
    const struct windows_thread *t = storage;
    t->entry(t->arg);
    return 0;
}

static int windows_thread_start(void *user, void *storage, void (*entry)(void *arg), void *arg) {
    (void)user;
    assert((uintptr_t)storage % 16 == 0 && entry);
    struct windows_thread *t = storage;
    assert(t);
    t->entry = entry;
    t->arg = arg;
    t->thread = CreateThread(NULL, 0, windows_thread_main, t, 0, NULL);
    return t->thread ? 0 : errno_of(GetLastError());
}

static void windows_thread_join(void *user, void *storage) {
    (void)user;
    const struct windows_thread *t = storage;
    assert(storage);
    WaitForSingleObject(t->thread, INFINITE);
    CloseHandle(t->thread);
}

static void windows_thread_park(void *user, const uint32_t *word, uint32_t expected) {
    (void)user;
    assert(word);
    WaitOnAddress((volatile void *)(uintptr_t)word, &expected, sizeof expected, INFINITE);
}

static void windows_thread_wake(void *user, const uint32_t *word) {
    (void)user;
    assert(word);
    WakeByAddressAll((void *)(uintptr_t)word);
}

/* ------------------------------------------------------------------------------------- names -- */

enum { NAME_UNITS = 32768 }; /* the longest that Windows takes, and the zero */

/* In pages of its own, 64 KiB, because a stack is not for that; to be given back by name_free. NULL
 * with *error, an errno value. */
static wchar_t *name_of(const char *utf8, int *error) {
    wchar_t *name =
        VirtualAlloc(NULL, NAME_UNITS * sizeof(wchar_t), MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    *error = ENOMEM;
    if (!name) return NULL;
    if (MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, utf8, -1, name, NAME_UNITS)) return name;
    *error = GetLastError() == ERROR_INSUFFICIENT_BUFFER ? ENAMETOOLONG : EILSEQ;
    VirtualFree(name, 0, MEM_RELEASE);
    return NULL;
}

static void name_free(wchar_t *name) { VirtualFree(name, 0, MEM_RELEASE); }

/* --------------------------------------------------------------------------------- libraries -- */

/* From the program's own folder and the system's. Never from the folder that the user happens to be
 * in, where anybody may have put a file of that name. */
static void *windows_library_open(void *user, const char *name) {
    (void)user;
    int error;
    assert(name);
    wchar_t *wide = name_of(name, &error);
    if (!wide) return NULL;
    void *library = LoadLibraryExW(wide, NULL, LOAD_LIBRARY_SEARCH_DEFAULT_DIRS);
    name_free(wide);
    return library;
}

static void *windows_library_symbol(void *user, void *library, const char *name) {
    (void)user;
    assert(library && name);
    return (void *)(uintptr_t)GetProcAddress(library, name);
}

static void windows_library_close(void *user, void *library) {
    (void)user;
    assert(library);
    FreeLibrary(library);
}

/* -------------------------------------------------------------------------------- processors -- */

/* Windows keeps processors in groups of at most 64. A process is in all of them on Windows 11 and
 * Windows Server 2022, in one on older systems, where threads stay in it; and a mask over one group
 * may narrow that. */
static uint32_t processors_allowed(void) {
    USHORT groups[64], count = 64;
    DWORD_PTR mine = 0, all = 0;
    uint32_t sum = 0;
    if (GetProcessGroupAffinity(GetCurrentProcess(), &count, groups) && count > 1)
        for (USHORT i = 0; i < count; i++) sum += GetActiveProcessorCount(groups[i]);
    else if (GetProcessAffinityMask(GetCurrentProcess(), &mine, &all))
        for (; mine; mine &= mine - 1) sum++;
    return sum ? sum : 1;
}

/* Ten-thousandths of the machine that the process's job may take, which containers set; 10000 where
 * nothing limits it. */
static uint32_t job_rate(void) {
    JOBOBJECT_CPU_RATE_CONTROL_INFORMATION rate = {0};
    const DWORD capped = JOB_OBJECT_CPU_RATE_CONTROL_ENABLE | JOB_OBJECT_CPU_RATE_CONTROL_HARD_CAP;
    if (!QueryInformationJobObject(NULL, JobObjectCpuRateControlInformation, &rate, sizeof rate,
                                   NULL) ||
        (rate.ControlFlags & capped) != capped || rate.CpuRate == 0 || rate.CpuRate > 10000)
        return 10000;
    return rate.CpuRate;
}

APUS_API uint32_t apus_port_processors(void) {
    const uint32_t allowed = processors_allowed();
    const uint64_t machine = GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
    const uint64_t quota = (machine * job_rate() + 9999) / 10000;
    return quota && quota < allowed ? (uint32_t)quota : allowed;
}

static uint32_t host_processors(void *user) {
    (void)user;
    return apus_port_processors();
}

APUS_API const apus_port *apus_port_host(void) {
    static const apus_port host = {
        .size = sizeof(apus_port),
        .now_ns = windows_now_ns,
        .thread_start = windows_thread_start,
        .thread_join = windows_thread_join,
        .thread_park = windows_thread_park,
        .thread_wake = windows_thread_wake,
        .library_open = windows_library_open,
        .library_symbol = windows_library_symbol,
        .library_close = windows_library_close,
        .processors = host_processors,
    };
    return &host;
}

/* ------------------------------------------------------------------------------------- files -- */

/* Others may do with the file what they like, as on Linux: replace it, append to it. Cutting it is
 * what Windows itself refuses while it is mapped from a local disk; from a server's it may happen.
 * BACKUP_SEMANTICS opens a folder, which is refused in the same words as there; and a server behind
 * a pipe's name learns who asks and may not act as them. */
static HANDLE open_file(const char *path, int *error) {
    wchar_t *name = name_of(path, error);
    if (!name) return INVALID_HANDLE_VALUE;
    HANDLE file = CreateFileW(
        name, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
        OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION,
        NULL);
    *error = file == INVALID_HANDLE_VALUE ? errno_of(GetLastError()) : 0;
    name_free(name);
    return file;
}

/* The bytes of a regular file, to *bytes; an errno value otherwise. */
static int file_bytes(HANDLE file, size_t *bytes) {
    BY_HANDLE_FILE_INFORMATION about;
    if (GetFileType(file) != FILE_TYPE_DISK) return EINVAL;
    if (!GetFileInformationByHandle(file, &about)) return errno_of(GetLastError());
    const uint64_t size = (uint64_t)about.nFileSizeHigh << 32 | about.nFileSizeLow;
    if ((about.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) || size == 0) return EINVAL;
    if (size > SIZE_MAX) return EFBIG;
    *bytes = (size_t)size;
    return 0;
}

/* The view keeps what it shows; the object between file and view need not be held. */
static const void *view_of(HANDLE file, int *error) {
    HANDLE section = CreateFileMappingW(file, NULL, PAGE_READONLY, 0, 0, NULL);
    const void *data = section ? MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0) : NULL;
    if (!data) *error = errno_of(GetLastError());
    if (section) CloseHandle(section);
    return data;
}

APUS_API int apus_map_open(apus_map *map, const char *path) {
    int error = EINVAL;
    size_t bytes = 0;
    if (!map || !path) return error;
    HANDLE file = open_file(path, &error);
    if (file == INVALID_HANDLE_VALUE) return error;
    error = file_bytes(file, &bytes);
    const void *data = error ? NULL : view_of(file, &error);
    if (error) {
        CloseHandle(file);
        return error;
    }
    *map = (apus_map){.data = data, .size = bytes, .handle = (intptr_t)file};
    return 0;
}

APUS_API void apus_map_close(apus_map *map) {
    if (!map || !map->data) return;
    UnmapViewOfFile(map->data);
    CloseHandle((HANDLE)map->handle);
    *map = (apus_map){.data = NULL, .size = 0, .handle = -1};
}

APUS_API int apus_map_intact(const apus_map *map) {
    LARGE_INTEGER size;
    if (!map || !map->data) return 0;
    return GetFileSizeEx((HANDLE)map->handle, &size) && size.QuadPart >= 0 &&
           (uint64_t)size.QuadPart >= map->size;
}
