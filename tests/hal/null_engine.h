/* The engine that computes nothing, in no list of engines that a user can ask for. */
#ifndef TESTS_HAL_NULL_ENGINE_H
#define TESTS_HAL_NULL_ENGINE_H

#include "hal/hal.h"

extern const struct hal_engine null_engine;

#endif
