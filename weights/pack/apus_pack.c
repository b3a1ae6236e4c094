/* apus-pack: a checkpoint becomes a blob. docs/man/apus-pack.1 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "apps/kit/exit.h"
#include "apps/kit/start.h"
#include "apus/apus.h"
#include "weights/pack/pack_options.h"
#include "weights/pack/pack.h"

int main(int argc, char **argv) {
    struct options options;
    struct diag d = {0};
    program_start();
    signal(SIGPIPE, SIG_IGN); /* nobody listens any more: the blob is wanted all the same */
    if (!options_read(&options, argc, argv, &d)) {
        fprintf(stderr, "apus-pack: %s\nTry apus-pack --help.\n", d.text);
        return EXIT_USAGE;
    }
    if (options.help) {
        fputs(OPTIONS_HELP, stdout);
    } else if (options.version) {
        printf("apus-pack %d.%d.%d\n", APUS_VERSION_MAJOR, APUS_VERSION_MINOR, APUS_VERSION_PATCH);
    } else if (!pack(&options, &d)) {
        fprintf(stderr, "apus-pack: %s\n", d.text);
        return EXIT_FAULT;
    }
    errno = 0;
    if ((fflush(stdout) || ferror(stdout)) && errno != EPIPE) {
        fputs("apus-pack: standard output cannot be written\n", stderr);
        return EXIT_FAULT;
    }
    return EXIT_OK;
}
