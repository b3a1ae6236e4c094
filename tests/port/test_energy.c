/* The energy counters of the posix port, over a tree made here: which zones count, what wraps, and
 * what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apus/port.h"
#include "port/posix_energy.h"

static char root[64];
static _Alignas(16) unsigned char storage[APUS_ENERGY_BYTES + 16];

static int make_root(void **state) {
    (void)state;
    snprintf(root, sizeof root, "/tmp/apus_energy_XXXXXX");
    memset(storage, 0x5a, sizeof storage);
    return mkdtemp(root) && !chmod(root, 0755) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where) {
    (void)st, (void)kind, (void)where;
    return remove(path);
}

static int remove_root(void **state) {
    (void)state;
    for (size_t i = APUS_ENERGY_BYTES; i < sizeof storage; i++)
        if (storage[i] != 0x5a) return -1;
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *at(const char *zone, const char *file) {
    static char path[160];
    snprintf(path, sizeof path, "%s/%s/%s", root, zone, file);
    return path;
}

static void put(const char *zone, const char *file, const char *text) {
    FILE *f = fopen(at(zone, file), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void make_zone(const char *zone, const char *name, const char *counter, const char *range) {
    assert_int_equal(mkdir(at(zone, ""), 0755), 0);
    put(zone, "name", name);
    put(zone, "energy_uj", counter);
    put(zone, "max_energy_range_uj", range);
}

static int start(void) { return posix_energy_start(root, storage); }

static uint64_t counted(void) {
    uint64_t n = UINT64_MAX;
    assert_int_equal(posix_energy_read(root, storage, &n), 0);
    return n;
}

static void no_zones(void **state) {
    (void)state;
    assert_int_equal(posix_energy_start("/nowhere at all", storage), ENODEV);
    assert_int_equal(start(), ENODEV);
    make_zone("intel-rapl:0", "psys\n", "5\n", "1000\n"); /* alone it is no package */
    assert_int_equal(mkdir(at("intel-rapl:1", ""), 0755), 0);
    assert_int_equal(start(), ENODEV);
    for (size_t i = 0; i < sizeof storage; i++) assert_int_equal(storage[i], 0x5a);
}

static void packages_alone_are_summed(void **state) {
    (void)state;
    static const char *const others[] = {"intel-rapl:0:0", "intel-rapl:0:1", "intel-rapl:1",
                                         "intel-rapl-mmio:0", "intel-rapl:12:0"};
    static const char *const names[] = {"core\n", "dram\n", "psys\n", "package-0\n", "package-9\n"};
    make_zone("intel-rapl:0", "package-0\n", "1000\n", "262143328850\n");
    make_zone("intel-rapl:12", "package-1-die-0\n", "70\n", "262143328850\n"); /* behind a gap */
    for (int i = 0; i < 5; i++) make_zone(others[i], names[i], "100\n", "262143328850\n");
    assert_int_equal(start(), 0);
    assert_int_equal(counted(), 0);
    for (int i = 0; i < 5; i++) put(others[i], "energy_uj", "900000\n");
    assert_int_equal(counted(), 0);
    put("intel-rapl:0", "energy_uj", "1500\n");
    assert_int_equal(counted(), 500);
    put("intel-rapl:12", "energy_uj", "100"); /* without its newline, too */
    assert_int_equal(counted(), 530);
    assert_int_equal(counted(), 530);
    assert_int_equal(start(), 0); /* again from nothing */
    assert_int_equal(counted(), 0);
}

static void each_counter_wraps_by_itself(void **state) {
    (void)state;
    make_zone("intel-rapl:0", "package-0\n", "900\n", "1000\n");
    make_zone("intel-rapl:1", "package-1\n", "65000\n", "65000\n");
    assert_int_equal(start(), 0);
    put("intel-rapl:0", "energy_uj", "40\n");
    assert_int_equal(counted(), 140);
    put("intel-rapl:1", "energy_uj", "0\n");
    assert_int_equal(counted(), 140);
    put("intel-rapl:1", "energy_uj", "7\n");
    assert_int_equal(counted(), 147);
    uint64_t sum = 147;
    for (int i = 0; i < 200; i++) { /* round and round, past every range */
        char text[16];
        snprintf(text, sizeof text, "%d\n", (40 + (i + 1) * 300) % 1000);
        put("intel-rapl:0", "energy_uj", text);
        sum += 300;
        assert_int_equal(counted(), sum);
    }
}

static void large_counters(void **state) {
    (void)state;
    make_zone("intel-rapl:0", "package-0\n", "18446744073709551000\n", "18446744073709551615\n");
    assert_int_equal(start(), 0);
    put("intel-rapl:0", "energy_uj", "18446744073709551615\n");
    assert_int_equal(counted(), 615);
}

static void what_is_no_number_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"",
                                        "\n",
                                        "x\n",
                                        "-5\n",
                                        "+5\n",
                                        " 5\n",
                                        "5 \n",
                                        "5\n\n",
                                        "5x\n",
                                        "0x5\n",
                                        "1.5\n",
                                        "18446744073709551616\n",
                                        "99999999999999999999999999\n",
                                        "1001\n"}; /* the last is above the range */
    enum { WRONG = sizeof wrong / sizeof *wrong };
    make_zone("intel-rapl:0", "package-0\n", "10\n", "1000\n");
    make_zone("intel-rapl:1", "package-1\n", "20\n", "1000\n");
    assert_int_equal(start(), 0);
    put("intel-rapl:0", "energy_uj", "15\n");
    for (int i = 0; i < WRONG; i++) { /* the first counter's 5 are not lost, nor counted twice */
        uint64_t n = 77;
        put("intel-rapl:1", "energy_uj", wrong[i]);
        assert_int_equal(posix_energy_read(root, storage, &n), EIO);
        assert_int_equal(n, 77);
        assert_int_equal(start(), EIO);
    }
    put("intel-rapl:1", "energy_uj", "21\n");
    assert_int_equal(counted(), 6);
    for (int i = 0; i < WRONG - 1; i++) {
        put("intel-rapl:0", "max_energy_range_uj", wrong[i]);
        assert_int_equal(start(), EIO);
    }
    assert_int_equal(counted(), 6);
}

static void what_is_no_file_is_refused(void **state) {
    (void)state;
    uint64_t n = 77;
    make_zone("intel-rapl:0", "package-0\n", "10\n", "1000\n");
    assert_int_equal(start(), 0);
    assert_int_equal(unlink(at("intel-rapl:0", "energy_uj")), 0);
    assert_int_equal(posix_energy_read(root, storage, &n), ENOENT);
    assert_int_equal(start(), ENOENT); /* a package without a counter is no machine without one */
    assert_int_equal(mkdir(at("intel-rapl:0", "energy_uj"), 0755), 0);
    assert_int_equal(posix_energy_read(root, storage, &n), EISDIR);
    assert_int_equal(rmdir(at("intel-rapl:0", "energy_uj")), 0);
    assert_int_equal(mkfifo(at("intel-rapl:0", "energy_uj"), 0600), 0);
    assert_int_equal(posix_energy_read(root, storage, &n), EIO); /* nobody writes: must not wait */
    assert_int_equal(n, 77);
}

/* The kernel shows counters to root alone. */
static void what_may_not_be_read_is_refused(void **state) {
    (void)state;
    make_zone("intel-rapl:0", "package-0\n", "10\n", "1000\n");
    make_zone("intel-rapl:1", "package-1\n", "10\n", "1000\n");
    assert_int_equal(chmod(at("intel-rapl:1", "energy_uj"), geteuid() ? 0 : 0400), 0);
    const uid_t me = geteuid();
    if (!me) assert_int_equal(seteuid(65534), 0);
    int error = start(); /* no sum of one package of two */
    if (!me) assert_int_equal(seteuid(0), 0);
    assert_int_equal(error, EACCES);
}

static void more_packages_than_fit(void **state) {
    (void)state;
    char zone[32], name[32];
    for (int i = 0; i < 17; i++) {
        if (i == 16) assert_int_equal(start(), 0);
        snprintf(zone, sizeof zone, "intel-rapl:%d", i);
        snprintf(name, sizeof name, "package-%d\n", i);
        make_zone(zone, name, "1\n", "10\n");
    }
    for (int i = 0; i < 16; i++) {
        snprintf(zone, sizeof zone, "intel-rapl:%d", i);
        put(zone, "energy_uj", "3\n");
    }
    assert_int_equal(counted(), 32);
    assert_int_equal(start(), E2BIG);
}

static void long_roots(void **state) {
    (void)state;
    char deep[400];
    memset(deep, '/', sizeof deep);
    deep[sizeof deep - 1] = 0;
    assert_int_equal(posix_energy_start(deep, storage), ENAMETOOLONG);
}

static void nothing_stays_open(void **state) {
    (void)state;
    int before = dup(0);
    close(before);
    make_zone("intel-rapl:0", "package-0\n", "10\n", "1000\n");
    make_zone("intel-rapl:1", "package-1\n", "x\n", "1000\n");
    assert_int_equal(start(), EIO);
    put("intel-rapl:1", "energy_uj", "1\n");
    assert_int_equal(start(), 0);
    counted();
    int after = dup(0);
    close(after);
    assert_int_equal(before, after);
}

/* Whatever this machine has: a count that goes up, or one of the reasons that port.h gives. */
static void the_host(void **state) {
    (void)state;
    const apus_port *port = apus_port_host();
    uint64_t before = 0, after = 0;
    int error = port->energy_start(port->user, storage);
    if (error) {
        print_message("energy_start of this machine: %s\n", strerror(error));
        assert_true(error == ENODEV || error == EACCES || error == EPERM);
        return;
    }
    assert_int_equal(port->energy_read(port->user, storage, &before), 0);
    usleep(200000);
    assert_int_equal(port->energy_read(port->user, storage, &after), 0);
    assert_true(after > before && after - before < 1000000000); /* below 5 kW */
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_root, remove_root)
    const struct CMUnitTest tests[] = {
        TEST(no_zones),
        TEST(packages_alone_are_summed),
        TEST(each_counter_wraps_by_itself),
        TEST(large_counters),
        TEST(what_is_no_number_is_refused),
        TEST(what_is_no_file_is_refused),
        TEST(what_may_not_be_read_is_refused),
        TEST(more_packages_than_fit),
        TEST(long_roots),
        TEST(nothing_stays_open),
        TEST(the_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
