/* A model of a Ryzen AI NPU behind the driver's own requests: what /dev/accel/accel0 does on a
 * machine that has one.
 *
 * It is no emulator of timing. It is strict: what hardware would do wrongly in silence (a buffer
 * that was not synced, an address outside the buffers of a command, a descriptor that is changed
 * while it runs, a lock that is left behind) ends the command in an error and is named
 * (sim_complaint). Memory that nobody wrote is noise. Two ways to use it: linked into a test with
 * the linker's --wrap (tests/npu/sim/wrap.c), or as a preload under any program
 * (tests/npu/sim/preload.c). One model a process; calls may come from several threads. */
#ifndef NPU_SIM_SIM_H
#define NPU_SIM_SIM_H

#include <stdint.h>

struct sim_config {
    uint32_t generation;       /* enum npu_generation */
    uint32_t coherent;         /* the device sees the host's caches: for software that flushes them
                                  by itself, unseen */
    uint32_t shared_addresses; /* the device uses the process's own addresses, as it does with a
                                  PASID */
    uint32_t without_wait;     /* the kernel's own driver: no request to wait, a timeline instead */
    uint32_t poses;            /* as a real device: the driver does not say that it is a model's */
    uint64_t lockable;         /* bytes that a process may pin; 0: RLIMIT_MEMLOCK */
    int open_error;            /* an errno value for every open of the device: EACCES, ENODEV ... */
    int context_error;         /* likewise for a context: EINVAL is what old firmware ends in */
    char report[256];          /* a file for figures and the first complaint, when the program ends;
                                  "": none */
};

/* How a submission ends. */
enum sim_end {
    SIM_RIGHT,
    SIM_REFUSED, /* the request fails */
    SIM_ERROR,   /* the command ends in an error */
    SIM_TIMEOUT, /* the driver gives it up after its two seconds */
    SIM_SILENT,  /* nothing is heard for longer than anyone waits */
    SIM_ABORT,   /* somebody else's command failed */
    SIM_GONE,    /* the device is gone, and with it every later request */
    SIM_ENDS
};

struct sim_figures {
    uint64_t requests[256];                                /* by number */
    uint64_t all_requests, submissions, commands, buffers; /* buffers: made */
    uint64_t unknown;                                      /* requests that the model does not
                                                              know */
    uint64_t waited_ms;                                    /* of the model's time, in waits that
                                                              ended without an answer */
    /* What the cycle model counts. */
    uint64_t bytes_read, bytes_written; /* through the shims */
    uint64_t macs;                      /* of the kernel: panel rows x columns of its step */
    uint64_t array_ns;                  /* the commands' time (tests/npu/sim/time.c) */
    uint64_t dispatch_ns;               /* the submissions' */
};

/* A fresh machine. Files that are open stay open and see ENODEV. */
void sim_reset(const struct sim_config *config);
/* The submissions number first .. first + times - 1 (from 0, since the reset) end so. */
void sim_fail(uint64_t first, uint64_t times, enum sim_end end);
/* The n-th sync (from 0) does nothing. UINT64_MAX: none. */
void sim_drop_sync(uint64_t n);
struct sim_figures sim_figures(void);
/* What the model found wrong first, or "". */
const char *sim_complaint(void);

/* Settings from words with commas between: xdna1, xdna2, coherent, shared, nowait, poses,
 * lockable=BYTES, open=ERRNO, context=ERRNO, fail=N:END, drop=N (a sync), report=FILE. 0: not
 * understood. */
int sim_settings(const char *text);

/* Writes the report that the settings ask for. */
void sim_report(void);

/* The overlay that the model takes, as a container (npu/overlay.h). Bytes, also where room is too
 * small. */
uint64_t sim_overlay(uint32_t generation, uint8_t *out, uint64_t room);

/* ---- behind the system's calls: what a wrap or a preload asks. */
/* -2: not the model's path; -1: refused, errno is set; else a file. */
int sim_open(const char *path);
int sim_owns(int fd);
int sim_ioctl(int fd, unsigned long request, void *argument); /* 0, or -1 with errno */
void sim_mapped(int fd, void *address, uint64_t bytes, uint64_t offset);
void sim_close(int fd); /* before the file is closed */

#endif
