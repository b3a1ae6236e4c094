/* What the processor's packages have taken, from Linux's powercap tree: the zones
 * <root>/intel-rapl:N that are called "package-..." (AMD's processors have them under the same
 * name). Not counted: zones inside those (intel-rapl:N:M, a part of the same energy, or the
 * memory's), "psys" (the whole board, the packages among it) and the second way to the same
 * counters (intel-rapl-mmio:N).
 *
 * root is POSIX_ENERGY_ROOT, except in tests. The two functions are apus_port's energy_start and
 * energy_read: they return 0 or an errno value; storage is APUS_ENERGY_BYTES, 16-aligned. */
#ifndef PORT_POSIX_ENERGY_H
#define PORT_POSIX_ENERGY_H

#include <stdint.h>

#define POSIX_ENERGY_ROOT "/sys/class/powercap"

int posix_energy_start(const char *root, void *storage);
int posix_energy_read(const char *root, void *storage, uint64_t *microjoules);

#endif
