/* Who may use the server, judged by values of a request's headers alone. */
#ifndef COMPLETE_HTTP_ADMISSION_H
#define COMPLETE_HTTP_ADMISSION_H

#include "http_door.h"

/* host: of the header Host, a name or an address, with or without a port. A page of the web can let
 * its own name lead to this machine (DNS rebinding), so only the names of the loopback, of --host
 * and of --allow-host are good. */
int admits_host(const struct door_config *config, const char *host);

/* origin: of the header Origin, which browsers send for pages. */
int admits_origin(const struct door_config *config, const char *origin);

/* The headers Authorization and X-Api-Key, each NULL where it is not there. Where keys have the
 * same length the time does not depend on their bytes. */
int admits_key(const struct door_config *config, const char *authorization, const char *api_key);

#endif
