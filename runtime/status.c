/* Status codes and version in words. */
#include "apus/apus.h"

APUS_API const char *apus_status_text(apus_status status) {
    switch (status) {
    case APUS_OK:
        return "done";
    case APUS_PARTIAL:
        return "stopped early, what was done is kept";
    case APUS_E_ARGUMENT:
        return "an argument is outside its range";
    case APUS_E_SPACE:
        return "the memory given is too small or not aligned";
    case APUS_E_FORMAT:
        return "not an Apus blob or saved state, or a damaged one";
    case APUS_E_VERSION:
        return "another format version";
    case APUS_E_UNSUPPORTED:
        return "not possible with this build, engine or model";
    case APUS_E_UNAVAILABLE:
        return "not available on this machine";
    case APUS_E_CONTEXT:
        return "more positions than the context holds";
    case APUS_E_TOKEN:
        return "the vocabulary has no such token";
    case APUS_E_TEXT:
        return "more text than the session was opened for";
    case APUS_E_MISMATCH:
        return "belongs to another model";
    case APUS_E_ORDER:
        return "a call at the wrong time";
    case APUS_E_NUMERIC:
        return "a value left the range of the numeric contract";
    case APUS_E_ENGINE:
        return "an engine failed and no other could take over";
    case APUS_E_CONTRACT:
        return "this build or machine does not round as the numeric contract needs";
    default:
        return "an unknown status";
    }
}

APUS_API uint32_t apus_version(void) {
    return (uint32_t)APUS_VERSION_MAJOR << 16 | (uint32_t)APUS_VERSION_MINOR << 8 |
           (uint32_t)APUS_VERSION_PATCH;
}
