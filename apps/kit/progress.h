/* Shows on standard error how far long work has come and how much time is left, as one estimate
 * over all phases: on a terminal as one line that is redrawn, elsewhere as a new line every ten
 * seconds, for logs.
 *
 * All phases count their work in the same unit, whose size does not matter: the work of a phase
 * says how long it is expected to take in proportion to the others. How long a unit takes is
 * measured: for each phase by its own steps, and for a phase that has not began by those of the
 * others. A separate thread writes the lines, so that they continue during a step of minutes. */
#ifndef KIT_PROGRESS_H
#define KIT_PROGRESS_H

#include <pthread.h>

enum { PROGRESS_PHASES = 6, PROGRESS_DETAIL = 64 };

enum progress_form {
    PROGRESS_NONE,
    PROGRESS_TEXT,
    PROGRESS_OBJECTS /* one JSON object on each line; on a terminal like PROGRESS_TEXT */
};

struct progress {
    const char *program; /* such as "apus perplexity": in front of each line */
    const char *command; /* in objects */
    enum progress_form form;
    int on_terminal;
    struct progress_phase {
        const char *name; /* "quantizing" */
        double work, done, seconds;
    } phase[PROGRESS_PHASES];
    int phases, current;
    char detail[PROGRESS_DETAIL];
    double expected;              /* seconds for all work, if the caller knows; 0: not known */
    double began, stepped, wrote; /* times by progress_clock */
    int ended;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

/* Seconds of a monotonic clock. */
double progress_clock(void);

/* Begins to count. The strings outlive the progress, of which there is one at a time, and which
 * progress_end has to follow. */
void progress_begin(struct progress *p, enum progress_form form, const char *program,
                    const char *command);

/* progress_phase adds a phase with so much work and returns its number. progress_expect sets how
 * many seconds all phases will take, as far as it is known before. */
int progress_phase(struct progress *p, const char *name, double work);
void progress_expect(struct progress *p, double seconds);

/* Says what is being done from now on. It does not say how far the work has come. */
void progress_enter(struct progress *p, int phase, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds work of a phase that is done. The time since the last step counts as its time. */
void progress_step(struct progress *p, int phase, double work);

/* Sets a new amount of work for a phase. */
void progress_resize(struct progress *p, int phase, double work);

/* How many seconds all the rest will take. *known: whether anything is known about it. */
double progress_left(const struct progress *p, int *known);

/* Ends the progress and removes its line from the terminal. It may also be called for one that is
 * zeroed and never began, and twice. */
void progress_end(struct progress *p);

/* Removes the line before a sentence is printed on standard error; it comes back when it is drawn
 * the next time. */
void progress_hide(void);

#endif
