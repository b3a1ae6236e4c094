/* How far long work is and what is left of all of it: one estimate over every phase, on standard
 * error. On a terminal a line that is drawn again, elsewhere a line every ten seconds, for logs.
 *
 * Phases count their work in one unit, whose size does not matter: what each was expected to take,
 * in proportion to the others. How long a unit takes is learned, for each phase from its own steps,
 * for one that has not begun from those that have. A thread of its own writes, so that a step of
 * minutes does not stop the lines. */
#ifndef KIT_PROGRESS_H
#define KIT_PROGRESS_H

#include <pthread.h>

enum { PROGRESS_PHASES = 6, PROGRESS_DETAIL = 64 };

enum progress_form {
    PROGRESS_NONE,
    PROGRESS_TEXT,
    PROGRESS_OBJECTS /* a JSON object a line; as text on a terminal */
};

struct progress {
    const char *program; /* "apus-pack", "apus perplexity": in front of each line */
    const char *command; /* of objects */
    enum progress_form form;
    int on_terminal;
    struct progress_phase {
        const char *name; /* "quantizing" */
        double work, done, seconds;
    } phase[PROGRESS_PHASES];
    int phases, current;
    char detail[PROGRESS_DETAIL];
    double expected;              /* seconds for all work, where the caller knows; 0: not known */
    double begun, stepped, wrote; /* by the clock */
    int ended;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

/* Seconds, monotonic. */
double progress_clock(void);

/* Begins to count. The strings outlive the progress, of which there is one at a time, and which
 * progress_end has to follow. */
void progress_begin(struct progress *p, enum progress_form form, const char *program,
                    const char *command);

/* One more phase, of so much work; gives its number. progress_expect: what all of them will take,
 * in seconds, by what is known before. */
int progress_phase(struct progress *p, const char *name, double work);
void progress_expect(struct progress *p, double seconds);

/* What is being done from now on, without a word on how far it is. */
void progress_enter(struct progress *p, int phase, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Work of a phase is done: what has passed since the last step was its time. */
void progress_step(struct progress *p, int phase, double work);

/* A phase turned out to have another amount of work. */
void progress_resize(struct progress *p, int phase, double work);

/* Seconds that all the rest will take, and whether anything is known of them. */
double progress_left(const struct progress *p, int *known);

/* Takes the line off the terminal. Also for one that never began but is zeroed, and twice. */
void progress_end(struct progress *p);

/* Takes it off for a sentence on standard error, until it is drawn the next time. */
void progress_hide(void);

#endif
