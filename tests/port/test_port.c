/* The posix port keeps what include/apus/port.h promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apus/port.h"

static void clock_moves_forward(void **state) {
    (void)state;
    const apus_port *port = apus_port_host();
    assert_int_equal(port->size, sizeof(apus_port));
    assert_null(port->log);
    uint64_t before = port->now_ns(port->user);
    usleep(2000);
    uint64_t after = port->now_ns(port->user);
    assert_true(after >= before + 2000000);
}

struct gate {
    _Alignas(16) unsigned char storage[APUS_THREAD_BYTES + 16];
    _Atomic uint32_t word, woken;
    atomic_int signals_blocked;
};

static void wait_for_gate(void *arg) {
    struct gate *gate = arg;
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    atomic_store(&gate->signals_blocked, sigismember(&now, SIGINT) && sigismember(&now, SIGALRM) &&
                                             !sigismember(&now, SIGBUS));
    const apus_port *port = apus_port_host();
    while (atomic_load(&gate->word) == 0)
        port->thread_park(port->user, (const uint32_t *)(const void *)&gate->word, 0);
    atomic_fetch_add(&gate->woken, 1);
}

static void threads_park_until_woken(void **state) {
    (void)state;
    const apus_port *port = apus_port_host();
    static struct gate gate;
    memset(gate.storage, 0x5a, sizeof gate.storage);
    assert_int_equal(port->thread_start(port->user, gate.storage, wait_for_gate, &gate), 0);
    usleep(20000);
    assert_int_equal(atomic_load(&gate.woken), 0);
    atomic_store(&gate.word, 1);
    port->thread_wake(port->user, (const uint32_t *)(const void *)&gate.word);
    port->thread_join(port->user, gate.storage);
    assert_int_equal(atomic_load(&gate.woken), 1);
    assert_true(atomic_load(&gate.signals_blocked));
    for (size_t i = APUS_THREAD_BYTES; i < sizeof gate.storage; i++)
        assert_int_equal(gate.storage[i], 0x5a);
}

static void park_returns_when_the_word_differs(void **state) {
    (void)state;
    const apus_port *port = apus_port_host();
    uint32_t word = 7;
    port->thread_park(port->user, &word, 8); /* would hang */
}

static void callers_signals_stay(void **state) {
    (void)state;
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    static struct gate gate;
    const apus_port *port = apus_port_host();
    atomic_store(&gate.word, 1);
    assert_int_equal(port->thread_start(port->user, gate.storage, wait_for_gate, &gate), 0);
    port->thread_join(port->user, gate.storage);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int s = 1; s < 32; s++) assert_int_equal(sigismember(&before, s), sigismember(&after, s));
}

static void processors_follow_the_affinity(void **state) {
    (void)state;
    cpu_set_t all, one;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    assert_int_equal(apus_port_processors(), CPU_COUNT(&all));
    int first = 0;
    while (!CPU_ISSET(first, &all)) first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    uint32_t pinned = apus_port_processors();
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    assert_int_equal(pinned, 1);
}

static char folder[] = "/tmp/apus_port_XXXXXX";

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    return rmdir(folder);
}

static const char *in_folder(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void a_file_is_mapped_whole(void **state) {
    (void)state;
    const char *path = in_folder("file");
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    for (int i = 0; i < 10000; i++) fputc(i * 7 & 255, f);
    fclose(f);

    apus_map map;
    assert_int_equal(apus_map_open(&map, path), 0);
    assert_int_equal(map.size, 10000);
    assert_int_equal((uintptr_t)map.data % 4096, 0);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(((const unsigned char *)map.data)[i], i * 7 & 255);
    assert_int_equal(apus_map_intact(&map), 1);
    assert_int_equal(truncate(path, 20000), 0);
    assert_int_equal(apus_map_intact(&map), 1);
    assert_int_equal(truncate(path, 9999), 0);
    assert_int_equal(apus_map_intact(&map), 0);
    apus_map_close(&map);
    assert_null(map.data);
    apus_map_close(&map); /* once more does nothing */
    unlink(path);
}

static void what_is_no_file_is_refused(void **state) {
    (void)state;
    apus_map map, untouched;
    memset(&map, 0x3c, sizeof map);
    untouched = map;

    assert_int_equal(apus_map_open(&map, in_folder("absent")), ENOENT);
    assert_int_equal(apus_map_open(&map, folder), EINVAL);
    assert_int_equal(apus_map_open(&map, "/dev/zero"), EINVAL);

    const char *path = in_folder("pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(apus_map_open(&map, path), EINVAL); /* nobody writes: must not wait */
    unlink(path);

    path = in_folder("empty");
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(apus_map_open(&map, path), EINVAL);
    unlink(path);

    assert_memory_equal(&map, &untouched, sizeof map);
}

/* A refused file must not cost a descriptor: a server that is asked for bad models all day would
 * run out. */
static void refusals_leak_nothing(void **state) {
    (void)state;
    int before = dup(0);
    close(before);
    apus_map map;
    for (int i = 0; i < 3; i++) assert_int_equal(apus_map_open(&map, "/dev/zero"), EINVAL);
    int after = dup(0);
    close(after);
    assert_int_equal(before, after);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock_moves_forward),
        cmocka_unit_test(threads_park_until_woken),
        cmocka_unit_test(callers_signals_stay),
        cmocka_unit_test(park_returns_when_the_word_differs),
        cmocka_unit_test(processors_follow_the_affinity),
        cmocka_unit_test(a_file_is_mapped_whole),
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(refusals_leak_nothing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
