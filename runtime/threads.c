/* The public functions for hal/pool.h. */
#include "hal/pool.h"

#include "runtime/config.h"
#include "weights/refuse.h"

/* The configuration with its defaults filled in, and its port. */
static apus_status read_pool(apus_pool_config *c, apus_port *port, const apus_pool_config *config) {
    config_ahead(c, config, sizeof *c, _Alignof(apus_pool_config));
    config_ahead(port, c->port, sizeof *port, _Alignof(apus_port));
    apus_status status = config_read(c, config, STRUCT(apus_pool_config), port);
    if (!status) status = port_read(port, c->port);
    if (!status)
        status =
            refuse_outside(port, "apus_pool_config", "threads", c->threads, 0, HAL_THREADS_MAX);
    if (!status && !c->threads) c->threads = 1;
    return status;
}

APUS_API apus_status apus_pool_measure(const apus_pool_config *config, apus_memory *memory) {
    apus_pool_config c;
    apus_port port;
    apus_status status = read_pool(&c, &port, config);
    if (!status) status = config_check(memory, STRUCT(apus_memory), &port);
    if (status) return status;
    const apus_memory need = {sizeof need, 64, hal_pool_bytes(c.threads), 0};
    config_write(memory, &need, sizeof need);
    return APUS_OK;
}

APUS_API apus_status apus_pool_open(apus_pool **pool, const apus_pool_config *config, void *memory,
                                    size_t bytes) {
    apus_pool_config c;
    apus_port port;
    apus_status status = read_pool(&c, &port, config);
    if (!status) status = refuse_null(&port, "apus_pool_open", "pool", pool);
    if (status) return status;
    const apus_memory need = {sizeof need, 64, hal_pool_bytes(c.threads), 0};
    status = refuse_memory(&port, "apus_pool_open", memory, bytes, &need);
    if (status) return status;
    *pool = hal_pool_open(memory, &port, c.threads);
    return APUS_OK;
}

APUS_API void apus_pool_close(apus_pool *pool) {
    if (pool) hal_pool_close(pool);
}
