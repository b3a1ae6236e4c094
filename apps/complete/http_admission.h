/* Decides who may use the server, only by the headers of a request. */
#ifndef COMPLETE_HTTP_ADMISSION_H
#define COMPLETE_HTTP_ADMISSION_H

#include "http_door.h"

/* host: the value of the header Host, a name or an address, with or without a port. A web page can
 * make its own name point to this machine (DNS rebinding), so only the names of the loopback, of
 * --host and of --allow-host are accepted. */
int admits_host(const struct door_config *config, const char *host);

/* origin: the value of the header Origin, which browsers send for pages. */
int admits_origin(const struct door_config *config, const char *origin);

/* The values of the headers Authorization and X-Api-Key, each NULL if it is not there. If the keys
 * have the same length, the time does not depend on their bytes. */
int admits_key(const struct door_config *config, const char *authorization, const char *api_key);

#endif
