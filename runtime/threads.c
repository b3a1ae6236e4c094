/* The public face of hal/pool.h. */
#include "hal/pool.h"

#include "runtime/config.h"

/* The configuration with its defaults filled in, and its port. */
static apus_status read_pool(apus_pool_config *c, apus_port *port, const apus_pool_config *config) {
    apus_status status = config_read(c, sizeof *c, config);
    if (status) return status;
    if (!c->threads) c->threads = 1;
    return c->threads > HAL_THREADS_MAX ? APUS_E_ARGUMENT : port_read(port, c->port);
}

APUS_API apus_status apus_pool_measure(const apus_pool_config *config, apus_memory *memory) {
    apus_pool_config c;
    apus_port port;
    if (!memory) return APUS_E_ARGUMENT;
    apus_status status = read_pool(&c, &port, config);
    if (!status) *memory = (apus_memory){hal_pool_bytes(c.threads), 64, 0};
    return status;
}

APUS_API apus_status apus_pool_open(apus_pool **pool, const apus_pool_config *config, void *memory,
                                    size_t bytes) {
    apus_pool_config c;
    apus_port port;
    if (!pool) return APUS_E_ARGUMENT;
    apus_status status = read_pool(&c, &port, config);
    if (status) return status;
    if (!memory || (uintptr_t)memory % 64 || bytes < hal_pool_bytes(c.threads)) return APUS_E_SPACE;
    *pool = hal_pool_open(memory, &port, c.threads);
    return APUS_OK;
}

APUS_API void apus_pool_close(apus_pool *pool) {
    if (pool) hal_pool_close(pool);
}
