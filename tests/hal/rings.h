/* tests/hal/rings.c */
#ifndef TESTS_HAL_RINGS_H
#define TESTS_HAL_RINGS_H

void windows_in_rings(void **unused);

#endif
