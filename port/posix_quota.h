/* How many processors the quotas of this process's control groups come to: what containers, systemd
 * (CPUQuota=) and batch systems set. Read from the groups of /proc/self/cgroup, where
 * /proc/self/mountinfo says that they are mounted: `cpu.max` of version 2, `cpu.cfs_quota_us` and
 * `cpu.cfs_period_us` of version 1; a group's quota holds for the groups inside it, so that the
 * least of them counts. */
#ifndef PORT_POSIX_QUOTA_H
#define PORT_POSIX_QUOTA_H

#include <stdint.h>

/* Rounded up, at least 1; UINT32_MAX where there is no quota or it cannot be read. root is in front
 * of every path: "" but in tests. */
uint32_t posix_quota_processors(const char *root);

#endif
