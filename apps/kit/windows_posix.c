#define KIT_WINDOWS_SOCKETS

#include "windows_inside.h"

#include <limits.h>
#include <ntsecapi.h>
#include <psapi.h>

/* --------------------------------------------------------------------------- memory, machine -- */

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
    windows_failed();
    return MAP_FAILED;
}

int munmap(void *at, size_t bytes) {
    (void)bytes;
    return UnmapViewOfFile(at) || VirtualFree(at, 0, MEM_RELEASE) ? 0 : windows_failed();
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
    if (!GetProcessMemoryInfo(GetCurrentProcess(), &memory, sizeof memory)) return windows_failed();
    usage->ru_maxrss = (long)(memory.PeakWorkingSetSize / 1024);
    return 0;
}

/* GetVersionEx tells programs what they were made for. */
int uname(struct utsname *name) {
    OSVERSIONINFOW version = {.dwOSVersionInfoSize = sizeof version};
    HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
    typedef LONG(WINAPI * ask_fn)(OSVERSIONINFOW *);
    ask_fn ask = ntdll ? (ask_fn)(uintptr_t)GetProcAddress(ntdll, "RtlGetVersion") : NULL;
    if (!ask || ask(&version)) return windows_failed();
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
