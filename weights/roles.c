#include "weights/roles.h"

const struct layer_role layer_roles[LT_COUNT] = {
#define ROLE(role, field, name, rows, cols, bias, input, output)                                   \
    [LT_##role] = {"tensor " field, name, rows, cols, bias, input, output},
    LAYER_ROLES(ROLE)
#undef ROLE
};
