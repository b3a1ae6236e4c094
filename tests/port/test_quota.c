/* Quotas of control groups, over trees made here as systems and containers show them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "port/posix_quota.h"

static char root[64];

static int make_root(void **state) {
    (void)state;
    snprintf(root, sizeof root, "/tmp/apus_quota_XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where) {
    (void)st, (void)kind, (void)where;
    return remove(path);
}

static int remove_root(void **state) {
    (void)state;
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A file below the root, with the folders above it. */
static void put(const char *path, const char *text) {
    char at[512];
    snprintf(at, sizeof at, "%s%s", root, path);
    for (char *c = at + strlen(root) + 1; *c; c++)
        if (*c == '/') {
            *c = 0;
            mkdir(at, 0755);
            *c = '/';
        }
    FILE *f = fopen(at, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

#define MOUNTS_2                                                                                   \
    "22 1 0:20 / /proc rw,nosuid - proc proc rw\n"                                                 \
    "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 "                            \
    "rw,nsdelegate,memory_recursiveprot\n"
#define MOUNTS_1                                                                                   \
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"                          \
    "33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct\n"                 \
    "34 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:9 master:2 - cgroup cgroup rw,cpu\n"       \
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"

static void version_2(void **state) {
    (void)state;
    put("/proc/self/mountinfo", MOUNTS_2);
    put("/proc/self/cgroup", "0::/user.slice/app.scope\n");
    assert_int_equal(posix_quota_processors(root), UINT32_MAX); /* no such group */
    put("/sys/fs/cgroup/user.slice/app.scope/cpu.max", "max 100000\n");
    assert_int_equal(posix_quota_processors(root), UINT32_MAX);
    put("/sys/fs/cgroup/user.slice/app.scope/cpu.max", "50000 100000\n");
    assert_int_equal(posix_quota_processors(root), 1);
    put("/sys/fs/cgroup/user.slice/app.scope/cpu.max", "150000 100000\n");
    assert_int_equal(posix_quota_processors(root), 2);
    put("/sys/fs/cgroup/user.slice/app.scope/cpu.max", "400000 100000\n");
    assert_int_equal(posix_quota_processors(root), 4);
    put("/sys/fs/cgroup/user.slice/cpu.max", "300000 100000\n"); /* holds for all inside */
    assert_int_equal(posix_quota_processors(root), 3);
    put("/sys/fs/cgroup/cpu.max", "100000 50000\n"); /* a container's own group is its root */
    assert_int_equal(posix_quota_processors(root), 2);
    put("/proc/self/cgroup", "0::/\n");
    assert_int_equal(posix_quota_processors(root), 2);
}

/* A group that is outside of what the container is shown. */
static void outside_of_the_mount(void **state) {
    (void)state;
    put("/proc/self/mountinfo",
        "34 31 0:29 /docker/abc /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n");
    put("/proc/self/cgroup", "5:cpu:/elsewhere\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "250000\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    assert_int_equal(posix_quota_processors(root), 3);
    put("/proc/self/cgroup", "5:cpu:/docker/abc/inner\n");
    put("/sys/fs/cgroup/cpu/inner/cpu.cfs_quota_us", "90000\n");
    put("/sys/fs/cgroup/cpu/inner/cpu.cfs_period_us", "100000\n");
    assert_int_equal(posix_quota_processors(root), 1);
    put("/proc/self/cgroup", "5:cpu:/docker/abcdef\n"); /* another's, whose name begins so */
    assert_int_equal(posix_quota_processors(root), 3);
}

static void version_1(void **state) {
    (void)state;
    put("/proc/self/mountinfo", MOUNTS_1);
    put("/proc/self/cgroup", "9:name=systemd:/\n2:cpuacct:/other\n1:cpu:/job/step\n0::/\n");
    put("/sys/fs/cgroup/cpuacct/other/cpu.cfs_quota_us", "1\n");
    put("/sys/fs/cgroup/cpu/job/step/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu/job/step/cpu.cfs_period_us", "100000\n");
    assert_int_equal(posix_quota_processors(root), UINT32_MAX);
    put("/sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "200000\n");
    put("/sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
    assert_int_equal(posix_quota_processors(root), 2);
    put("/sys/fs/cgroup/cpu/job/step/cpu.cfs_quota_us", "1000\n");
    assert_int_equal(posix_quota_processors(root), 1);
    put("/proc/self/mountinfo",
        "34 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpuacct,cpu\n");
    put("/proc/self/cgroup", "4:cpuacct,cpu:/job\n");
    assert_int_equal(posix_quota_processors(root), 2);
}

/* What is not as it should be is no quota, and harms nobody. */
static void nonsense(void **state) {
    (void)state;
    assert_int_equal(posix_quota_processors(root), UINT32_MAX);
    put("/proc/self/mountinfo", MOUNTS_2);
    assert_int_equal(posix_quota_processors(root), UINT32_MAX);
    put("/proc/self/cgroup", "0::/g\n");
    static const char *const texts[] = {"",
                                        "\n",
                                        "0 100000\n",
                                        "100000\n",
                                        "100000 0\n",
                                        "-5 100000\n",
                                        "max\n",
                                        "what 1\n",
                                        "1 100000 \n",
                                        "18446744073709551615 1\n",
                                        "99999999999999999999999999 1\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        put("/sys/fs/cgroup/g/cpu.max", texts[i]);
        assert_int_equal(posix_quota_processors(root), i == 8 ? 1 : UINT32_MAX);
    }
    put("/sys/fs/cgroup/g/cpu.max", "100000 100000\n");
    put("/proc/self/cgroup", "no colon\n:\n::\n0::\n0:/g\n\n");
    assert_int_equal(posix_quota_processors(root), UINT32_MAX);
    char line[3000], path[900];
    memset(path, 'a', sizeof path - 1);
    path[0] = '/', path[sizeof path - 1] = 0;
    snprintf(line, sizeof line, "0::%s\n0::/g",
             path); /* cut, no group; the next line counts, even without its end */
    put("/proc/self/cgroup", line);
    assert_int_equal(posix_quota_processors(root), 1);
    snprintf(line, sizeof line, "1 2 0:3 / %s rw - cgroup2 c rw\n1\n1 2\n1 2 3 4\n1 2 3 / / -\n%s",
             path, MOUNTS_2);
    put("/proc/self/mountinfo", line);
    assert_int_equal(posix_quota_processors(root), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(version_2, make_root, remove_root),
        cmocka_unit_test_setup_teardown(version_1, make_root, remove_root),
        cmocka_unit_test_setup_teardown(outside_of_the_mount, make_root, remove_root),
        cmocka_unit_test_setup_teardown(nonsense, make_root, remove_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
