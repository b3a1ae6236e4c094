/* A model of a Ryzen AI NPU that answers the driver's own requests, like /dev/accel/accel0 on a
 * machine that has an NPU.
 *
 * It does not emulate timing. It is strict: mistakes that make hardware compute wrongly without an
 * error (a buffer that was not synced, an address outside the buffers of a command, a descriptor
 * that is changed while it runs, a lock that keeps a value) end the command with an error and are
 * named (sim_complaint). Memory that was not written contains noise. There are two ways to use it:
 * linked into a test with the linker's --wrap (tests/npu/sim/wrap.c), or preloaded into any program
 * (tests/npu/sim/preload.c). A process has one model; several threads may call it. */
#ifndef NPU_SIM_SIM_H
#define NPU_SIM_SIM_H

#include <stdint.h>

struct sim_config {
    uint32_t generation;       /* enum npu_generation */
    uint32_t coherent;         /* the device sees the host's caches: for software that flushes them
                                  itself, which the model cannot see */
    uint32_t shared_addresses; /* the device uses the process's own addresses, as it does with a
                                  PASID */
    uint32_t without_wait;     /* like the kernel's own driver: there is no request to wait, only a
                                  timeline */
    uint32_t poses;            /* like a real device: the driver does not say that it is a model */
    uint64_t lockable;         /* bytes that a process may pin; 0: RLIMIT_MEMLOCK */
    int open_error;            /* an errno value for every open of the device: EACCES, ENODEV ... */
    int context_error;         /* an errno value for every creation of a context: old firmware gives
                                  EINVAL */
    char report[256];          /* a file that gets the figures and the first complaint when the
                                  program ends; "": none */
};

/* How a submission ends. */
enum sim_end {
    SIM_RIGHT,
    SIM_REFUSED, /* the request fails */
    SIM_ERROR,   /* the command ends in an error */
    SIM_TIMEOUT, /* the driver gives it up after its two seconds */
    SIM_SILENT,  /* no answer comes for longer than any program waits */
    SIM_ABORT,   /* somebody else's command failed */
    SIM_GONE,    /* the device is gone, and with it every later request */
    SIM_ENDS
};

struct sim_figures {
    uint64_t requests[256];                                /* by number */
    uint64_t all_requests, submissions, commands, buffers; /* buffers: how many were made */
    uint64_t unknown;                                      /* requests that the model does not
                                                              know */
    uint64_t waited_ms;                                    /* time of the model, in waits that ended
                                                              without an answer */
    /* What the cycle model counts. */
    uint64_t bytes_read, bytes_written; /* through the shims */
    uint64_t macs;                      /* multiply-adds of the kernel: panel rows x columns of its
                                           instruction */
    uint64_t array_ns;                  /* the commands' time (tests/npu/sim/time.c) */
    uint64_t dispatch_ns;               /* the submissions' time */
};

/* Makes a fresh machine. Files that are open stay open and get ENODEV. */
void sim_reset(const struct sim_config *config);
/* Submissions first .. first + times - 1, counted from 0 since the reset, will end like this. */
void sim_fail(uint64_t first, uint64_t times, enum sim_end end);
/* The n-th sync, counted from 0, will do nothing. UINT64_MAX: no such sync. */
void sim_drop_sync(uint64_t n);
struct sim_figures sim_figures(void);
/* The first mistake that the model found, or "". */
const char *sim_complaint(void);

/* Reads settings from words with commas between: xdna1, xdna2, coherent, shared, nowait, poses,
 * lockable=BYTES, open=ERRNO, context=ERRNO, fail=N:END, drop=N (a sync), report=FILE. Returns 0 if
 * it does not understand them. */
int sim_settings(const char *text);

/* Writes the report that the settings ask for. */
void sim_report(void);

/* Writes the overlay that the model takes, as a container (npu/overlay.h). Returns its bytes, also
 * if there is not enough room. */
uint64_t sim_overlay(uint32_t generation, uint8_t *out, uint64_t room);

/* ---- The functions that a wrap or a preload calls in place of the system's. */
/* Returns -2 if it is not the model's path, -1 if it is refused (errno is set), else a file. */
int sim_open(const char *path);
int sim_owns(int fd);
int sim_ioctl(int fd, unsigned long request, void *argument); /* 0, or -1 with errno */
void sim_mapped(int fd, void *address, uint64_t bytes, uint64_t offset);
void sim_close(int fd); /* before the file is closed */

#endif
