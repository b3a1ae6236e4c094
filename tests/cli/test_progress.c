/* What is left of work in phases, and the lines that say so. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "apps/kit/progress.h"

static struct progress three_phases(double a, double b, double c) {
    struct progress p;
    progress_begin(&p, PROGRESS_NONE, "test", "test");
    progress_phase(&p, "first", a);
    progress_phase(&p, "second", b);
    progress_phase(&p, "third", c);
    return p;
}

static void is_near(double found, double expected, double tolerance) {
    if (!(fabs(found - expected) <= tolerance * expected))
        fail_msg("%g where %g is expected", found, expected);
}

static void nothing_is_known_before_anything_is_done(void **state) {
    (void)state;
    int known = 1;
    struct progress p = three_phases(10, 20, 30);
    progress_left(&p, &known);
    assert_int_equal(known, 0);
    progress_expect(&p, 120);
    is_near(progress_left(&p, &known), 120, 1e-9);
    assert_int_equal(known, 1);
}

/* The first phase takes 4 seconds a unit, the second 1, the third is not known yet. */
static void each_phase_has_a_speed_of_its_own(void **state) {
    (void)state;
    int known;
    struct progress p = three_phases(10, 20, 30);
    p.phase[0].done = 5, p.phase[0].seconds = 20;
    is_near(progress_left(&p, &known), 4 * 55, 1e-6);
    p.phase[0].done = 10, p.phase[0].seconds = 40, p.phase[1].done = 10, p.phase[1].seconds = 10;
    is_near(progress_left(&p, &known), 10 * 1 + 30 * (50.0 / 20), 0.07);
    p.phase[1].done = 20, p.phase[1].seconds = 20, p.phase[2].done = 15, p.phase[2].seconds = 3;
    is_near(progress_left(&p, &known), 15 * 0.2, 0.4);
    p.phase[2].done = 30;
    is_near(progress_left(&p, &known) + 1, 1, 1e-9);
}

/* Expectations weigh little once something is measured. */
static void measurements_replace_expectations(void **state) {
    (void)state;
    int known;
    struct progress p = three_phases(100, 0, 0);
    progress_expect(&p, 1);
    p.phase[0].done = 30, p.phase[0].seconds = 300;
    is_near(progress_left(&p, &known), 700, 0.15);
}

static void steps_take_the_time_between_them(void **state) {
    (void)state;
    struct progress p = three_phases(1, 1, 1);
    p.stepped -= 5;
    progress_step(&p, 1, 0.5);
    is_near(p.phase[1].seconds, 5, 0.2);
    assert_true(p.phase[0].seconds == 0 && p.phase[1].done == 0.5);
    progress_step(&p, 0, 1);
    assert_true(p.phase[0].seconds < 2);
}

/* What is written when a line is due; *bytes of it. */
static size_t line_of(enum progress_form form, char *line, size_t capacity) {
    int ends[2], before = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    struct progress p;
    progress_begin(&p, form, "apus test", "test");
    progress_phase(&p, "working", 4);
    progress_enter(&p, 0, "part %d of %d", 2, 4);
    if (form != PROGRESS_NONE) pthread_mutex_lock(&p.lock);
    p.phase[0].done = 1, p.phase[0].seconds = 20, p.began -= 20, p.wrote -= 11;
    if (form != PROGRESS_NONE) {
        pthread_cond_signal(&p.changed);
        pthread_mutex_unlock(&p.lock);
        for (int i = 0; i < 200 && p.wrote < p.stepped; i++) usleep(10000);
    }
    progress_end(&p);
    dup2(before, STDERR_FILENO);
    close(before), close(ends[1]);
    ssize_t bytes = read(ends[0], line, capacity - 1);
    close(ends[0]);
    line[bytes < 0 ? 0 : bytes] = 0;
    return bytes < 0 ? 0 : (size_t)bytes;
}

static void lines_say_it(void **state) {
    (void)state;
    char line[512];
    line_of(PROGRESS_TEXT, line, sizeof line);
    assert_string_equal(line, "apus test: 25 %, 1:00 left after 0:20: working, part 2 of 4\n");
    assert_int_equal(line_of(PROGRESS_NONE, line, sizeof line), 0);
    line_of(PROGRESS_OBJECTS, line, sizeof line);
    json_t *object = json_loads(line, 0, NULL), *inside = json_object_get(object, "progress");
    assert_string_equal(json_string_value(json_object_get(inside, "phase")), "working");
    assert_string_equal(json_string_value(json_object_get(inside, "command")), "test");
    is_near(json_number_value(json_object_get(inside, "left_s")), 60, 0.02);
    is_near(json_number_value(json_object_get(inside, "done")), 0.25, 0.02);
    json_decref(object);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_known_before_anything_is_done),
        cmocka_unit_test(each_phase_has_a_speed_of_its_own),
        cmocka_unit_test(measurements_replace_expectations),
        cmocka_unit_test(steps_take_the_time_between_them),
        cmocka_unit_test(lines_say_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
