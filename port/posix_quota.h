/* How many processors the quotas of this process's control groups allow. Containers, systemd
 * (CPUQuota=) and batch systems set such quotas. They are read from the groups that
 * /proc/self/cgroup names, where /proc/self/mountinfo says that these are mounted: `cpu.max` of
 * version 2, `cpu.cfs_quota_us` and `cpu.cfs_period_us` of version 1. A group's quota also holds
 * for the groups inside it, so the least of them counts. */
#ifndef PORT_POSIX_QUOTA_H
#define PORT_POSIX_QUOTA_H

#include <stdint.h>

/* The number is rounded up and at least 1; UINT32_MAX where there is no quota or it cannot be read.
 * root is put before every path; it is "" except in tests. */
uint32_t posix_quota_processors(const char *root);

#endif
