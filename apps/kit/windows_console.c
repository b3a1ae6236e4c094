#define KIT_WINDOWS_SOCKETS

#include "windows_inside.h"

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
