/* The shaders' SPIR-V, as the build compiled it from igpu/shaders. */
#include <assert.h>

#include "igpu/device_model.h"

static const uint32_t embed[] = {
#include "spirv/embed.inc"
};
static const uint32_t norm[] = {
#include "spirv/norm.inc"
};
static const uint32_t heads[] = {
#include "spirv/heads.inc"
};
static const uint32_t attend_max[] = {
#include "spirv/attend_max.inc"
};
static const uint32_t attend_max_dot[] = {
#include "spirv/attend_max_dot.inc"
};
static const uint32_t attend_sum[] = {
#include "spirv/attend_sum.inc"
};
static const uint32_t attend_sum_dot[] = {
#include "spirv/attend_sum_dot.inc"
};
static const uint32_t attend_out[] = {
#include "spirv/attend_out.inc"
};
static const uint32_t quantize[] = {
#include "spirv/quantize.inc"
};
static const uint32_t activation[] = {
#include "spirv/activation.inc"
};
static const uint32_t route[] = {
#include "spirv/route.inc"
};
static const uint32_t pairs[] = {
#include "spirv/pairs.inc"
};
static const uint32_t spread[] = {
#include "spirv/spread.inc"
};
static const uint32_t mix[] = {
#include "spirv/mix.inc"
};
static const uint32_t selftest[] = {
#include "spirv/selftest.inc"
};
static const uint32_t selftest_dot[] = {
#include "spirv/selftest_dot.inc"
};
static const uint32_t gemv[] = {
#include "spirv/gemv.inc"
};
static const uint32_t gemv_dot[] = {
#include "spirv/gemv_dot.inc"
};
static const uint32_t gemv_experts[] = {
#include "spirv/gemv_experts.inc"
};
static const uint32_t gemv_experts_dot[] = {
#include "spirv/gemv_experts_dot.inc"
};

static const uint32_t gemv_matrix[] = {
#include "spirv/gemv_matrix.inc"
};

struct code {
    const uint32_t *words;
    size_t bytes;
};
#define CODE(name)                                                                                 \
    { name, sizeof name }

static const struct code codes[SHADERS][2] = {
    [SHADER_EMBED] = {CODE(embed), CODE(embed)},
    [SHADER_NORM] = {CODE(norm), CODE(norm)},
    [SHADER_HEADS] = {CODE(heads), CODE(heads)},
    [SHADER_ATTEND_MAX] = {CODE(attend_max), CODE(attend_max_dot)},
    [SHADER_ATTEND_SUM] = {CODE(attend_sum), CODE(attend_sum_dot)},
    [SHADER_ATTEND_OUT] = {CODE(attend_out), CODE(attend_out)},
    [SHADER_QUANTIZE] = {CODE(quantize), CODE(quantize)},
    [SHADER_ACTIVATION] = {CODE(activation), CODE(activation)},
    [SHADER_ROUTE] = {CODE(route), CODE(route)},
    [SHADER_PAIRS] = {CODE(pairs), CODE(pairs)},
    [SHADER_SPREAD] = {CODE(spread), CODE(spread)},
    [SHADER_MIX] = {CODE(mix), CODE(mix)},
    [SHADER_SELFTEST] = {CODE(selftest), CODE(selftest_dot)},
    [SHADER_GEMV] = {CODE(gemv), CODE(gemv_dot)},
    [SHADER_GEMV_MATRIX] = {CODE(gemv_matrix), CODE(gemv_matrix)},
    [SHADER_GEMV_EXPERTS] = {CODE(gemv_experts), CODE(gemv_experts_dot)},
};

const uint32_t *shader_code(enum shader shader, int dot, size_t *bytes) {
    assert((uint32_t)shader < SHADERS);
    *bytes = codes[shader][dot != 0].bytes;
    return codes[shader][dot != 0].words;
}
