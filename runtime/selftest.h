/* Whether this build rounds on this machine as docs/numerics.md needs. */
#ifndef RUNTIME_SELFTEST_H
#define RUNTIME_SELFTEST_H

/* Returns NULL, or a sentence that says what is wrong. */
const char *selftest_rounding(void);

#endif
