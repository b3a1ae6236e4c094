#include "progress.h"

#include <jansson.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const double LOG_SECONDS = 10, DRAW_SECONDS = 0.25;
static const double DOUBT = 0.02; /* once this share of a phase, or of all work, is done, what was
                                     measured counts as much as what was expected */
static volatile int shown;        /* whether a line is on the terminal */

double progress_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ------------------------------------------------------------------------------- estimate -- */

/* How many seconds a unit of work takes, over all phases; 0 if nothing is known. */
static double seconds_a_unit(const struct progress *p) {
    double work = 0, done = 0, seconds = 0;
    for (int i = 0; i < p->phases; i++) {
        if (!(p->phase[i].work > 0)) continue; /* its work is not known: its time says nothing */
        work += p->phase[i].work;
        done += p->phase[i].done;
        seconds += p->phase[i].seconds;
    }
    double doubt = p->expected > 0 ? DOUBT : 0;
    return done + doubt * work > 0 ? (seconds + doubt * p->expected) / (done + doubt * work) : 0;
}

double progress_left(const struct progress *p, int *known) {
    double unit = seconds_a_unit(p), left = 0;
    for (int i = 0; i < p->phases; i++) {
        const struct progress_phase *phase = &p->phase[i];
        double doubt = DOUBT * phase->work, rest = phase->work - phase->done;
        if (rest > 0) left += rest * (phase->seconds + doubt * unit) / (phase->done + doubt);
    }
    *known = unit > 0;
    return left;
}

/* The seconds that are left, less the time that has passed in the present step. If that step takes
 * longer than was expected of all the rest, a tenth of its time counts as left. */
static double left_now(const struct progress *p, double now, int *known) {
    double left = progress_left(p, known), since = now - p->stepped, least = 0.1 * since;
    return left - since > least ? left - since : least;
}

/* ----------------------------------------------------------------------------------- lines -- */

/* "0:07", "12:05", "1:36:00" */
static const char *duration(char out[32], double seconds) {
    long s = (long)(seconds + 0.5);
    if (s >= 3600)
        snprintf(out, 32, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, 32, "%ld:%02ld", s / 60, s % 60);
    return out;
}

static void write_object(const struct progress *p, double done, double left, int known) {
    json_t *inside =
        json_pack("{s:s,s:s,s:s,s:f,s:f}", "command", p->command, "phase",
                  p->phase[p->current].name, "detail", p->detail, "done", done, "left_s", left);
    if (!known) json_object_set_new(inside, "left_s", json_null());
    json_t *object = json_pack("{s:o}", "progress", inside);
    char *line = object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(4)) : NULL;
    if (line) fprintf(stderr, "%s\n", line);
    free(line);
    json_decref(object);
}

static void write_line(struct progress *p, double now) {
    int known;
    double left = left_now(p, now, &known), passed = now - p->began,
           done = known && passed > 0 ? passed / (passed + left) : 0;
    char took[32], rest[32], text[200];
    const char *name = p->phases ? p->phase[p->current].name : "";
    p->wrote = now;
    if (p->form == PROGRESS_OBJECTS && !p->on_terminal) {
        write_object(p, done, left, known);
        return;
    }
    duration(took, passed);
    duration(rest, left);
    if (known)
        snprintf(text, sizeof text, "%2.0f %%, %s left after %s: %s%s%s", 100 * done, rest, took,
                 name, *p->detail ? ", " : "", p->detail);
    else
        snprintf(text, sizeof text, "%s: %s%s%s", took, name, *p->detail ? ", " : "", p->detail);
    if (p->on_terminal)
        fprintf(stderr, "\r%.79s\033[K", text);
    else
        fprintf(stderr, "%s: %s\n", p->program, text);
    shown = p->on_terminal;
}

/* Waits for `seconds`, or less if the work ends. The caller holds the lock. */
static void wait_for(struct progress *p, double seconds) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)seconds;
    until.tv_nsec += (long)((seconds - (double)(time_t)seconds) * 1e9);
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    if (!p->ended) pthread_cond_timedwait(&p->changed, &p->lock, &until);
}

static void *write_lines(void *argument) {
    struct progress *p = argument;
    double each = p->on_terminal ? DRAW_SECONDS : LOG_SECONDS;
    pthread_mutex_lock(&p->lock);
    while (!p->ended) {
        double wait = p->wrote + each - progress_clock();
        wait_for(p, wait > 0.01 ? wait : 0.01);
        if (!p->ended && progress_clock() - p->wrote >= each) write_line(p, progress_clock());
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---------------------------------------------------------------------------------- callers -- */

void progress_begin(struct progress *p, enum progress_form form, const char *program,
                    const char *command) {
    *p = (struct progress){
        .program = program, .command = command, .form = form, .on_terminal = isatty(STDERR_FILENO)};
    p->began = p->stepped = p->wrote = progress_clock();
    if (form == PROGRESS_NONE) return;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sigset_t all, before; /* only the thread that does the work handles signals */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    if (pthread_create(&p->thread, NULL, write_lines, p)) p->form = PROGRESS_NONE;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void lock(struct progress *p) {
    if (p->form != PROGRESS_NONE) pthread_mutex_lock(&p->lock);
}
static void unlock(struct progress *p) {
    if (p->form != PROGRESS_NONE) pthread_mutex_unlock(&p->lock);
}

int progress_phase(struct progress *p, const char *name, double work) {
    lock(p);
    int i = p->phases < PROGRESS_PHASES ? p->phases++ : PROGRESS_PHASES - 1;
    p->phase[i] = (struct progress_phase){.name = name, .work = work};
    unlock(p);
    return i;
}

void progress_expect(struct progress *p, double seconds) {
    lock(p);
    p->expected = seconds;
    unlock(p);
}

void progress_enter(struct progress *p, int phase, const char *format, ...) {
    va_list list;
    lock(p);
    p->current = phase;
    va_start(list, format);
    vsnprintf(p->detail, sizeof p->detail, format, list);
    va_end(list);
    unlock(p);
}

void progress_step(struct progress *p, int phase, double work) {
    lock(p);
    double now = progress_clock();
    p->phase[phase].done += work;
    p->phase[phase].seconds += now - p->stepped;
    p->stepped = now;
    unlock(p);
}

void progress_resize(struct progress *p, int phase, double work) {
    lock(p);
    p->phase[phase].work = work;
    unlock(p);
}

void progress_end(struct progress *p) {
    if (p->form == PROGRESS_NONE) return;
    lock(p);
    p->ended = 1;
    pthread_cond_signal(&p->changed);
    unlock(p);
    pthread_join(p->thread, NULL);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    progress_hide();
    p->form = PROGRESS_NONE;
}

void progress_hide(void) {
    if (shown) fputs("\r\033[K", stderr);
    shown = 0;
}
