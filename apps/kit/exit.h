/* Exit statuses of every program. */
#ifndef KIT_EXIT_H
#define KIT_EXIT_H

/* Scripts of others depend on them, so they do not change. */
enum {
    EXIT_OK = 0,
    EXIT_FAULT = 1,      /* a file is at fault, or something failed */
    EXIT_USAGE = 2,      /* the command line is wrong */
    EXIT_UNAVAILABLE = 3 /* an instruction set or engine was asked for that this machine or build
                            does not have */
};

#endif
