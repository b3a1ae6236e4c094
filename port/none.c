/* The empty port, for images without an operating system: no clock, no threads, no files. Such an
 * image fills an apus_port of its own with what it has (docs/porting.md) and hands blobs over as
 * memory. */
#include "apus/apus.h"
#include "apus/port.h"

enum { NO_SUCH_SERVICE = 38 }; /* ENOSYS where there is an errno.h; here only "not 0" counts */

APUS_API const apus_port *apus_port_host(void) {
    static const apus_port host = {.size = sizeof(apus_port)};
    return &host;
}

APUS_API uint32_t apus_port_processors(void) { return 1; }

APUS_API int apus_map_open(apus_map *map, const char *path) {
    (void)map;
    (void)path;
    return NO_SUCH_SERVICE;
}

APUS_API void apus_map_close(apus_map *map) { (void)map; }

APUS_API int apus_map_intact(const apus_map *map) {
    (void)map;
    return 0;
}
