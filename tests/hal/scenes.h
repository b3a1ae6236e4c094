/* A case of the conformance tests. */
#ifndef TESTS_HAL_SCENES_H
#define TESTS_HAL_SCENES_H

void ranges_and_masks(void **unused);

#endif
