/* Elementary functions in double, computed only by additions, multiplications and divisions, so
 * that the same source gives the same blob with every C library. Relative errors stay below 4e-16
 * (absolute errors for sine and cosine). */
#ifndef PACK_EXACT_H
#define PACK_EXACT_H

double exact_log(double x);                                /* x normal and > 0 */
double exact_exp(double x);                                /* |x| <= 700 */
void exact_sincos(double x, double *sine, double *cosine); /* |x| <= 1e6 */

#endif
