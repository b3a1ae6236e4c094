/* What the kernel shows of an NPU in /sys: ids, links, and the driver's own attributes (vbnv,
 * device_type, fw_version). */
#define _GNU_SOURCE 1
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "npu/overlay.h"
#include "tests/npu/sim/sim_parts.h"
#include "tests/npu/sim/tree.h"

#define SLOT   "0000:c4:00.1"
#define DEVICE "/sys/devices/pci0000:00/0000:00:08.2/" SLOT
#define DRIVER "/sys/bus/pci/drivers/amdxdna"
#define BUS    "/sys/bus/pci/devices/" SLOT

static char folder[64];
static pid_t owner;

static void make_folders(const char *path) {
    char at[TREE_PATH];
    snprintf(at, sizeof at, "%s%s", folder, path);
    for (char *p = at + strlen(folder) + 1; *p; p++)
        if (*p == '/') {
            *p = 0;
            mkdir(at, 0755);
            *p = '/';
        }
}

static void file(const char *path, const char *text) {
    char at[TREE_PATH];
    make_folders(path);
    snprintf(at, sizeof at, "%s%s", folder, path);
    FILE *f = fopen(at, "w");
    if (!f) return;
    fputs(text, f);
    fclose(f);
}

/* Makes a relative link that goes up to the top and down again, as the kernel's links do. */
static void link_to(const char *path, const char *target) {
    char at[TREE_PATH], text[TREE_PATH] = "";
    make_folders(path);
    for (const char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/'))
        if (strchr(p + 1, '/')) strcat(text, "../");
    snprintf(text + strlen(text), sizeof text - strlen(text), "%s", target + strlen("/sys/"));
    snprintf(at, sizeof at, "%s%s", folder, path);
    if (symlink(text, at)) return;
}

static void make_tree(void) {
    char text[64];
    int xdna2 = sim.config.generation == NPU_XDNA2;
    const struct uapi_firmware *f = &sim_firmware_version;
    file(DEVICE "/vendor", "0x1022\n");
    file(DEVICE "/device", xdna2 ? "0x17f0\n" : "0x1502\n");
    file(DEVICE "/revision", xdna2 ? "0x10\n" : "0x00\n");
    file(DEVICE "/class", "0x118000\n");
    file(DEVICE "/subsystem_vendor", "0x1022\n");
    file(DEVICE "/subsystem_device", xdna2 ? "0x17f0\n" : "0x1502\n");
    file(DEVICE "/device_type", "0\n"); /* commands go through the kernel's queue */
    file(DEVICE "/vbnv", !sim.config.poses ? OVERLAY_MODEL_DESCRIPTION "\n"
                         : xdna2           ? "RyzenAI-npu4\n"
                                           : "RyzenAI-npu1\n");
    snprintf(text, sizeof text, "%u.%u.%u.%u\n", f->major, f->minor, f->patch, f->build);
    file(DEVICE "/fw_version", text);
    file(DEVICE "/uevent", "DRIVER=amdxdna\nPCI_SLOT_NAME=" SLOT "\n");
    file(DEVICE "/accel/accel0/dev", "261:0\n");
    link_to(DEVICE "/driver", DRIVER);
    link_to(DRIVER "/" SLOT, DEVICE);
    link_to(BUS, DEVICE);
    link_to("/sys/class/accel/accel0", DEVICE "/accel/accel0");
    file("/dev/accel/accel0", "");
}

static void make_once(void) {
    snprintf(folder, sizeof folder, "/tmp/apus-npu-model.XXXXXX");
    if (mkdtemp(folder)) {
        owner = getpid();
        make_tree();
    } else {
        folder[0] = 0;
    }
}

/* Whether the path has one of the model's prefixes, which must end at a slash or at the end of the
 * path. */
int tree_find(const char *path, char *out) {
    static const char *const prefixes[] = {DRIVER, DEVICE, BUS, "/sys/class/accel", "/dev/accel"};
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    for (size_t i = 0; path && i < sizeof prefixes / sizeof *prefixes; i++) {
        size_t n = strlen(prefixes[i]);
        if (strncmp(path, prefixes[i], n) != 0 || (path[n] && path[n] != '/')) continue;
        pthread_once(&once, make_once);
        if (!folder[0]) return 0;
        return snprintf(out, TREE_PATH, "%s%s", folder, path) < TREE_PATH;
    }
    return 0;
}

const char *tree_seen(const char *path) {
    size_t n = strlen(folder);
    return n && !strncmp(path, folder, n) && path[n] == '/' ? path + n : path;
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *walk) {
    (void)s, (void)kind, (void)walk;
    return remove(path);
}

void tree_remove(void) {
    if (folder[0] && owner == getpid()) nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
