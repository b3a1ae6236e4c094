/* How many threads passes get, in made worlds: what a pass takes with each number, and by how much
 * that scatters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "cpu/pace.h"

struct world {
    double ns[65];           /* of a pass with n threads, of one column */
    double scatter;          /* up to so much more, evenly */
    double stalls;           /* share of it that the caller is parked, with more threads than one */
    double turn_ns, gone_ns; /* 0, or how long a processor is lent, and then lent to others */
};

enum { RUNS = 20 };

static uint64_t rng = 1;
static double chance(void) {
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (double)(rng >> 40) / (1 << 24);
}

/* What a pass takes on average. */
static double mean(const struct world *w, uint32_t n) {
    const double lost = w->turn_ns > 0 ? n * w->gone_ns / w->turn_ns : 0;
    return w->ns[n] * (1 + w->scatter / 2) * (1 + lost);
}

/* Runs passes for so long; the mean time of a pass over that of the best number. */
static double spend(struct pace *pace, const struct world *w, double seconds) {
    double all = 0, passes = 0, best = mean(w, 1);
    for (uint32_t n = 2; n <= pace->threads[0]; n++)
        if (w->ns[n] > 0 && mean(w, n) < best) best = mean(w, n);
    while (all < seconds * 1e9) {
        const uint32_t n = pace_threads(pace);
        assert_true(n >= 1 && n <= pace->threads[0] && w->ns[n] > 0);
        double ns = w->ns[n] * (1 + w->scatter * chance()), stall = n > 1 ? ns * w->stalls : 0;
        if (w->turn_ns > 0 && chance() < n * ns / w->turn_ns)
            ns += w->gone_ns; /* any thread's turn */
        pace_learn(pace, 1, (uint64_t)ns, (uint64_t)stall);
        all += ns, passes++;
    }
    return all / passes / best;
}

static void every_number_is_reached_by_steps(void **state) {
    (void)state;
    for (uint32_t threads = 1; threads <= 64; threads++) {
        struct pace pace;
        pace_open(&pace, threads);
        assert_int_equal(pace.threads[0], threads);
        assert_int_equal(pace.threads[pace.arms - 1], 1);
        for (uint32_t i = 1; i < pace.arms; i++) assert_true(pace.threads[i] < pace.threads[i - 1]);
        assert_int_equal(pace_threads(&pace), threads);
    }
}

/* Where all threads are best and passes are long, none is ever tried with fewer. */
static void quiet_long_passes_are_left_alone(void **state) {
    (void)state;
    struct world w = {.ns = {0, 6e6, 3e6}, .scatter = 0.1};
    struct pace pace;
    pace_open(&pace, 2);
    for (int i = 0; i < 3000; i++) {
        assert_int_equal(pace_threads(&pace), 2);
        pace_learn(&pace, 1, (uint64_t)(w.ns[2] * (1 + w.scatter * chance())), 0);
    }
}

/* Near the best number, first seconds included. */
static void near_the_best(void **state) {
    (void)state;
    static const struct world worlds[] = {
        {.ns = {0, 200e3, 120e3}, .scatter = 0.1}, /* quiet */
        {.ns = {0, 140e3, 210e3},
         .scatter = 0.1}, /* short passes: meeting costs more than it brings */
        {.ns = {0, 400e3, 2000e3}, .scatter = 1, .stalls = 0.7}, /* busy */
        {.ns = {0, 10e6, 60e6}, .scatter = 1, .stalls = 0.7},    /* busy, longer passes */
        {.ns = {0, 8e6, 5e6, 4e6, 9e6},
         .scatter = 0.5,
         .stalls = 0.3}, /* one of four processors is somebody else's */
        {.ns = {0, 140e3, 120e3}, .scatter = 0.1, .turn_ns = 4e6, .gone_ns = 30e6}, /* a crowd */
        {.ns = {0, 140e3, 60e3}, .scatter = 0.1, .turn_ns = 10e6, .gone_ns = 3e6},
    };
    static const uint32_t threads[] = {2, 2, 2, 2, 4, 2, 2};
    for (size_t i = 0; i < sizeof worlds / sizeof *worlds; i++) {
        double first = 0, later = 0;
        for (int run = 0; run < RUNS; run++) {
            struct pace pace;
            pace_open(&pace, threads[i]);
            first += spend(&pace, &worlds[i], 2) / RUNS;
            later += spend(&pace, &worlds[i], 10) / RUNS;
        }
        printf("world %zu: %.3f of the best in 2 seconds, %.3f in 10 more\n", i, first, later);
        assert_true(first < 1.15 && later < 1.09);
    }
}

/* 64 threads for two processors, had they been started. */
static void far_too_many(void **state) {
    (void)state;
    struct world w = {.scatter = 0.5, .stalls = 0.9};
    for (uint32_t n = 1; n <= 64; n++) w.ns[n] = n <= 2 ? 3e5 / n : 2e5 * n;
    struct pace pace;
    pace_open(&pace, 64);
    spend(&pace, &w, 2);
    assert_true(spend(&pace, &w, 10) < 1.06);
    assert_int_equal(pace.threads[pace.best], 2);
}

/* Others come, and go again. */
static void follows_what_comes_and_goes(void **state) {
    (void)state;
    const struct world quiet = {.ns = {0, 2e6, 1.2e6}, .scatter = 0.1},
                       busy = {.ns = {0, 4e6, 20e6}, .scatter = 1, .stalls = 0.8};
    struct pace pace;
    pace_open(&pace, 2);
    for (int i = 0; i < 3; i++) {
        spend(&pace, &quiet, 3);
        assert_int_equal(pace.threads[pace.best], 2);
        spend(&pace, &busy, 1);
        assert_int_equal(pace.threads[pace.best], 1);
        assert_true(spend(&pace, &busy, 10) < 1.11);
    }
}

/* A clock that stands still teaches nothing and breaks nothing. */
static void a_clock_that_stands_still(void **state) {
    (void)state;
    struct pace pace;
    pace_open(&pace, 8);
    for (int i = 0; i < 1000; i++) pace_learn(&pace, 512, 0, 0);
    assert_int_equal(pace_threads(&pace), 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_is_reached_by_steps),
        cmocka_unit_test(quiet_long_passes_are_left_alone),
        cmocka_unit_test(near_the_best),
        cmocka_unit_test(far_too_many),
        cmocka_unit_test(follows_what_comes_and_goes),
        cmocka_unit_test(a_clock_that_stands_still),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
