/* Exit statuses of every program. */
#ifndef KIT_EXIT_H
#define KIT_EXIT_H

/* Others script them. */
enum {
    EXIT_OK = 0,
    EXIT_FAULT = 1,      /* a file is at fault, or something failed */
    EXIT_USAGE = 2,      /* the command line is wrong */
    EXIT_UNAVAILABLE = 3 /* an instruction set or engine that is not here */
};

#endif
