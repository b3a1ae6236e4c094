#include "http_admission.h"

#include <string.h>
#include <strings.h>

#include "command.h"

static int same_name(const char *name, size_t bytes, const char *other) {
    return strlen(other) == bytes && !strncasecmp(name, other, bytes);
}

int admits_host(const struct door_config *config, const char *host) {
    size_t bytes = strcspn(host, *host == '[' ? "]" : ":");
    if (*host == '[' && host[bytes] == ']') bytes++;
    static const char *const here[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < COUNT_OF(here); i++)
        if (same_name(host, bytes, here[i])) return 1;
    for (size_t i = 0; i < config->hosts_count; i++)
        if (same_name(host, bytes, config->hosts[i])) return 1;
    return same_name(host, bytes, config->host);
}

int admits_origin(const struct door_config *config, const char *origin) {
    for (size_t i = 0; i < config->origins_count; i++)
        if (!strcmp(config->origins[i], "*") || !strcmp(config->origins[i], origin)) return 1;
    return 0;
}

/* Takes the same time for all bytes. Lengths are no secret. */
static int same_secret(const char *given, const char *key) {
    size_t given_bytes = strlen(given), key_bytes = strlen(key);
    volatile unsigned char differ = given_bytes != key_bytes;
    for (size_t i = 0; i < key_bytes; i++)
        differ |= (unsigned char)(key[i] ^ (given_bytes ? given[i % given_bytes] : 1));
    return !differ;
}

int admits_key(const struct door_config *config, const char *authorization, const char *api_key) {
    if (!config->key) return 1;
    if (authorization && !strncasecmp(authorization, "Bearer ", 7))
        return same_secret(authorization + 7, config->key);
    return api_key && same_secret(api_key, config->key);
}
