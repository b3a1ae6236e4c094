/* The port of Windows keeps what include/apus/port.h promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <windows.h>

#include "apus/port.h"

static void clock_moves_forward(void **state) {
    (void)state;
    const apus_port *port = apus_port_host();
    assert_int_equal(port->size, sizeof(apus_port));
    assert_null(port->log);
    uint64_t before = port->now_ns(port->user);
    Sleep(20);
    uint64_t after = port->now_ns(port->user);
    assert_in_range(after - before, 15000000, 20000000000);
}

/* Those that Windows has not here are absent, and not half there. */
static void absent_services_are_null(void **state) {
    (void)state;
    const apus_port *port = apus_port_host();
    assert_null(port->device_open);
    assert_null(port->device_request);
    assert_null(port->device_map);
    assert_null(port->device_unmap);
    assert_null(port->device_close);
    assert_null(port->energy_start);
    assert_null(port->energy_read);
    assert_null(port->lockable_bytes);
}

struct gate {
    _Alignas(16) unsigned char storage[APUS_THREAD_BYTES + 16];
    _Atomic uint32_t word, woken;
};

static void wait_for_gate(void *arg) {
    struct gate *gate = arg;
    const apus_port *port = apus_port_host();
    while (atomic_load(&gate->word) == 0)
        port->thread_park(port->user, (const uint32_t *)(const void *)&gate->word, 0);
    atomic_fetch_add(&gate->woken, 1);
}

static void threads_park_until_woken(void **state) {
    (void)state;
    const apus_port *port = apus_port_host();
    static struct gate gate, other;
    memset(gate.storage, 0x5a, sizeof gate.storage);
    assert_int_equal(port->thread_start(port->user, gate.storage, wait_for_gate, &gate), 0);
    assert_int_equal(port->thread_start(port->user, other.storage, wait_for_gate, &gate), 0);
    Sleep(20);
    assert_int_equal(atomic_load(&gate.woken), 0);
    atomic_store(&gate.word, 1);
    port->thread_wake(port->user, (const uint32_t *)(const void *)&gate.word); /* both */
    port->thread_join(port->user, gate.storage);
    port->thread_join(port->user, other.storage);
    assert_int_equal(atomic_load(&gate.woken), 2);
    for (size_t i = APUS_THREAD_BYTES; i < sizeof gate.storage; i++)
        assert_int_equal(gate.storage[i], 0x5a);
}

static void park_returns_when_the_word_differs(void **state) {
    (void)state;
    const apus_port *port = apus_port_host();
    uint32_t word = 7;
    port->thread_park(port->user, &word, 8); /* would hang */
}

static void threads_leave_no_handle(void **state) {
    (void)state;
    const apus_port *port = apus_port_host();
    static struct gate gate;
    DWORD before = 0, after = 0;
    atomic_store(&gate.word, 1);
    for (int i = 0; i < 12; i++) {
        if (i == 2) assert_true(GetProcessHandleCount(GetCurrentProcess(), &before));
        assert_int_equal(port->thread_start(port->user, gate.storage, wait_for_gate, &gate), 0);
        port->thread_join(port->user, gate.storage);
    }
    assert_true(GetProcessHandleCount(GetCurrentProcess(), &after));
    assert_in_range(after, 0, before + 5); /* ten threads; what Wine itself keeps is less */
}

static void processors_follow_the_affinity(void **state) {
    (void)state;
    DWORD_PTR mine, all;
    assert_true(GetProcessAffinityMask(GetCurrentProcess(), &mine, &all));
    assert_int_equal(apus_port_processors(), __builtin_popcountll(mine));
    assert_true(SetProcessAffinityMask(GetCurrentProcess(), mine & (0 - mine)));
    uint32_t pinned = apus_port_processors();
    assert_true(SetProcessAffinityMask(GetCurrentProcess(), mine));
    assert_int_equal(pinned, 1);
}

static void libraries_open_by_name(void **state) {
    (void)state;
    const apus_port *port = apus_port_host();
    void *library = port->library_open(port->user, "kernel32.dll");
    assert_non_null(library);
    assert_non_null(port->library_symbol(port->user, library, "CreateFileW"));
    assert_null(port->library_symbol(port->user, library, "NoSuchFunction"));
    port->library_close(port->user, library);
    assert_null(port->library_open(port->user, "no-such-library.dll"));
    assert_null(port->library_open(port->user, "\xff\xfe.dll")); /* no UTF-8 */
}

/* ------------------------------------------------------------------------------------- files -- */

/* "grün-日本", which no code page of one byte has. */
#define NAME      "gr\xc3\xbcn-\xe6\x97\xa5\xe6\x9c\xac"
#define NAME_WIDE L"gr\u00fcn-\u65e5\u672c"
static wchar_t folder[MAX_PATH]; /* and a backslash */

static int make_folder(void **state) {
    (void)state;
    wchar_t at[MAX_PATH - 40];
    if (!GetTempPathW(MAX_PATH - 40, at)) return -1;
    swprintf(folder, MAX_PATH, L"%lsapus-port-%lu\\", at, GetCurrentProcessId());
    return CreateDirectoryW(folder, NULL) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    return RemoveDirectoryW(folder) ? 0 : -1;
}

static const wchar_t *wide_path(const wchar_t *name) {
    static wchar_t path[2 * MAX_PATH];
    swprintf(path, 2 * MAX_PATH, L"%ls%ls", folder, name);
    return path;
}

static const char *utf8_path(const char *name) {
    static char path[4 * MAX_PATH];
    int bytes = WideCharToMultiByte(CP_UTF8, 0, folder, -1, path, sizeof path, NULL, NULL);
    snprintf(path + bytes - 1, sizeof path - (size_t)bytes, "%s", name);
    return path;
}

static void write_file(const wchar_t *path, const void *data, DWORD bytes) {
    DWORD put = 0;
    HANDLE file = CreateFileW(path, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
    assert_true(file != INVALID_HANDLE_VALUE);
    if (bytes) assert_true(WriteFile(file, data, bytes, &put, NULL) && put == bytes);
    CloseHandle(file);
}

static void a_file_is_mapped_whole(void **state) {
    (void)state;
    unsigned char bytes[10000];
    for (int i = 0; i < 10000; i++) bytes[i] = (unsigned char)(i * 7);
    const wchar_t *path = wide_path(NAME_WIDE);
    write_file(path, bytes, sizeof bytes);

    apus_map map;
    assert_int_equal(apus_map_open(&map, utf8_path(NAME)), 0);
    assert_int_equal(map.size, 10000);
    assert_int_equal((uintptr_t)map.data % 4096, 0);
    assert_memory_equal(map.data, bytes, sizeof bytes);
    assert_int_equal(apus_map_intact(&map), 1);
    HANDLE file = CreateFileW(path, GENERIC_WRITE | DELETE,
                              FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                              OPEN_EXISTING, 0, NULL);
    assert_true(file != INVALID_HANDLE_VALUE); /* others may open it to write */
    assert_int_equal(SetFilePointer(file, 20000, NULL, FILE_BEGIN), 20000);
    assert_true(SetEndOfFile(file));
    assert_int_equal(apus_map_intact(&map), 1);
    SetFilePointer(file, 9999, NULL, FILE_BEGIN);
    if (SetEndOfFile(file)) /* Windows itself refuses it while the file is mapped */
        assert_int_equal(apus_map_intact(&map), 0);
    CloseHandle(file);
    apus_map_close(&map);
    assert_null(map.data);
    apus_map_close(&map); /* once more does nothing */
    assert_int_equal(apus_map_intact(&map), 0);
    assert_true(DeleteFileW(path)); /* nothing holds it */
}

/* Longer than the 260 characters of old programs, with the prefix that lifts the limit. */
static void long_names_are_taken(void **state) {
    (void)state;
    wchar_t name[200], path[2 * MAX_PATH];
    char utf8[8 * MAX_PATH];
    for (int i = 0; i < 199; i++) name[i] = L'x';
    name[199] = 0;
    swprintf(path, 2 * MAX_PATH, L"\\\\?\\%ls%ls", folder, name);
    assert_true(CreateDirectoryW(path, NULL));
    wcscat(path, L"\\" NAME_WIDE L"-and-twenty-more-of-them");
    assert_in_range(wcslen(path), MAX_PATH, 2 * MAX_PATH);
    write_file(path, "model", 5);
    assert_true(WideCharToMultiByte(CP_UTF8, 0, path, -1, utf8, sizeof utf8, NULL, NULL));
    apus_map map;
    assert_int_equal(apus_map_open(&map, utf8), 0);
    assert_int_equal(map.size, 5);
    apus_map_close(&map);
    assert_true(DeleteFileW(path));
    *wcsrchr(path, L'\\') = 0;
    assert_true(RemoveDirectoryW(path));
}

static void what_is_no_file_is_refused(void **state) {
    (void)state;
    apus_map map, untouched;
    memset(&map, 0x3c, sizeof map);
    untouched = map;

    assert_int_equal(apus_map_open(&map, utf8_path("absent")), ENOENT);
    assert_int_equal(apus_map_open(&map, utf8_path("absent\\as well")), ENOENT);
    assert_int_equal(apus_map_open(&map, utf8_path("")), EINVAL); /* the folder */
    assert_int_equal(apus_map_open(&map, "NUL"), EINVAL);
    assert_int_equal(apus_map_open(&map, "\xff\xfe"), EILSEQ);
    assert_int_equal(apus_map_open(&map, NULL), EINVAL);
    assert_int_equal(apus_map_open(NULL, "x"), EINVAL);

    write_file(wide_path(L"empty"), "", 0);
    assert_int_equal(apus_map_open(&map, utf8_path("empty")), EINVAL);
    assert_true(DeleteFileW(wide_path(L"empty")));

    HANDLE pipe =
        CreateNamedPipeW(L"\\\\.\\pipe\\apus-port-test", PIPE_ACCESS_DUPLEX, 0, 1, 0, 0, 0, NULL);
    assert_true(pipe != INVALID_HANDLE_VALUE);
    assert_int_equal(apus_map_open(&map, "\\\\.\\pipe\\apus-port-test"), EINVAL);
    CloseHandle(pipe);
    assert_memory_equal(&map, &untouched, sizeof map);
}

static void refusals_leak_nothing(void **state) {
    (void)state;
    DWORD before = 0, after = 0;
    apus_map map;
    for (int i = 0; i < 12; i++) {
        if (i == 2) assert_true(GetProcessHandleCount(GetCurrentProcess(), &before));
        assert_int_equal(apus_map_open(&map, utf8_path("")), EINVAL);
    }
    assert_true(GetProcessHandleCount(GetCurrentProcess(), &after));
    assert_int_equal(before, after);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock_moves_forward),
        cmocka_unit_test(absent_services_are_null),
        cmocka_unit_test(threads_park_until_woken),
        cmocka_unit_test(park_returns_when_the_word_differs),
        cmocka_unit_test(threads_leave_no_handle),
        cmocka_unit_test(processors_follow_the_affinity),
        cmocka_unit_test(libraries_open_by_name),
        cmocka_unit_test(a_file_is_mapped_whole),
        cmocka_unit_test(long_names_are_taken),
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(refusals_leak_nothing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
