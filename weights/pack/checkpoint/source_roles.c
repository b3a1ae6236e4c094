#include "weights/pack/checkpoint/source_roles.h"

#include <stddef.h>

const struct source_role_row source_roles[SOURCE_ROLES] = {
#define ROLE(role, per, when, rows, cols, order, gguf, hugging_face)                               \
    [SOURCE_##role] = {per, when, rows, cols, order, {gguf, hugging_face}},
    SOURCE_ROLE_ROWS(ROLE)
#undef ROLE
};

/* source.c finds a role's tensors by the role's place in this order. */
#define ROLE(role, per, ...)                                                                       \
    _Static_assert((per != PER_MODEL) == (SOURCE_##role >= SOURCE_LAYER_ROLES), #role);
SOURCE_ROLE_ROWS(ROLE)
#undef ROLE
