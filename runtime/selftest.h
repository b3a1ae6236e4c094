/* Whether this build, run here, rounds as docs/numerics.md needs. */
#ifndef RUNTIME_SELFTEST_H
#define RUNTIME_SELFTEST_H

/* NULL, or what is wrong in a sentence. */
const char *selftest_rounding(void);

#endif
