/* Elementary functions in double from additions, multiplications and divisions alone, so that the
 * same source makes the same blob whatever C library packs it. Errors stay below 4e-16 relative
 * (absolute for sine and cosine). */
#ifndef PACK_EXACT_H
#define PACK_EXACT_H

double exact_log(double x);                                /* x normal and > 0 */
double exact_exp(double x);                                /* |x| <= 700 */
void exact_sincos(double x, double *sine, double *cosine); /* |x| <= 1e6 */

#endif
