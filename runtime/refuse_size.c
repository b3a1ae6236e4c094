#include "runtime/refuse_size.h"

#include "hal/place.h"
#include "weights/refuse.h"

apus_status refuse_size(const apus_port *port, const char *where, uint64_t bytes) {
    if (bytes >= PLACE_FULL)
        return refuse(port, APUS_E_SPACE, where, "this takes more bytes than 64 bits count", NULL);
    if (bytes <= SIZE_MAX) return APUS_OK;
    return refuse(port, APUS_E_SPACE, where,
                  "this takes # bytes, and addresses of this build end at #",
                  CHECK_NUMBERS(bytes, SIZE_MAX));
}
