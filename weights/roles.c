#include "weights/roles.h"

const struct layer_role layer_roles[LT_COUNT] = {
#define ROLE(role, field, name, rows, cols, runs, input, output)                                   \
    [LT_##role] = {"tensor " field, name, rows, cols, runs, input, output},
    LAYER_ROLES(ROLE)
#undef ROLE
};

const char *const row_run_names[ROW_RUNS] = {
#define ROW_RUN(run, name) [RUN_##run] = name,
    ROW_RUN_ROWS(ROW_RUN)
#undef ROW_RUN
};
