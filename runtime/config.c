#include "runtime/config.h"

#include "weights/refuse.h"

static apus_status read_size(const void *in, size_t alignment, const char *type,
                             const apus_port *port, uint32_t *given) {
    apus_status status = refuse_null(port, type, "the struct", in);
    if (status) return status;
    memcpy(given, in, sizeof *given);
    if (*given >= sizeof *given && *given <= STRUCT_BYTES_MAX && *given % alignment == 0)
        return APUS_OK;
    return refuse(port, APUS_E_ARGUMENT, type,
                  "size is #, must be sizeof the struct: a multiple of # up to #",
                  CHECK_NUMBERS(*given, alignment, STRUCT_BYTES_MAX));
}

apus_status config_read(void *out, const void *in, size_t known, size_t alignment, const char *type,
                        const apus_port *port) {
    uint32_t given;
    apus_status status = read_size(in, alignment, type, port, &given);
    if (status) return status;
    for (size_t i = known; i < given; i++)
        if (((const uint8_t *)in)[i])
            return refuse(port, APUS_E_ARGUMENT, type,
                          "byte # of # is not zero: a member of a newer apus.h is set, and this "
                          "library knows # bytes",
                          CHECK_NUMBERS(i, given, known));
    memset(out, 0, known);
    memcpy(out, in, given < known ? given : known);
    return APUS_OK;
}

apus_status config_check(const void *out, size_t known, size_t alignment, const char *type,
                         const apus_port *port) {
    uint32_t given;
    (void)known;
    return read_size(out, alignment, type, port, &given);
}

void config_write(void *out, const void *made, size_t known) {
    uint32_t given;
    memcpy(&given, out, sizeof given);
    memcpy(out, made, given < known ? given : known);
    memcpy(out, &given, sizeof given);
    if (given > known) memset((uint8_t *)out + known, 0, given - known);
}

void config_ahead(void *out, const void *in, size_t known, size_t alignment) {
    uint32_t given = 0;
    memset(out, 0, known);
    if (in) memcpy(&given, in, sizeof given);
    if (given && given <= STRUCT_BYTES_MAX)
        memcpy(out, in, given < known ? given / alignment * alignment : known);
}

apus_status port_read(apus_port *out, const apus_port *in) {
    apus_port ahead;
    config_ahead(&ahead, in, sizeof ahead, _Alignof(apus_port));
    memset(out, 0, sizeof *out);
    return in ? config_read(out, in, STRUCT(apus_port), &ahead) : APUS_OK;
}
