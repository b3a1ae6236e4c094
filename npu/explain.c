/* Sentences that say what an NPU needs and does not have, and what to do about it. */
#include "npu/model.h"

enum {
    E_PERM = 1,
    E_NOENT = 2,
    E_NOMEM = 12,
    E_ACCES = 13,
    E_FAULT = 14,
    E_BUSY = 16,
    E_ISDIR = 21,
    E_INVAL = 22,
    E_NOTTY = 25,
    E_NOSPC = 28,
    E_OPNOTSUPP = 95
};

static void add_error(struct words *w, int error) {
    words_add(w, " (error ");
    words_number(w, (uint64_t)error);
    words_add(w, ")");
}

/* Whether the driver is loaded: then the kernel shows a folder for it. The folder cannot be opened,
 * but the error differs from that of a path that does not exist. */
static int driver_is_loaded(const apus_port *port) {
    return port->device_open &&
           port->device_open(port->user, "/sys/bus/pci/drivers/amdxdna") == -E_ISDIR;
}

static const char *explain_no_node(const apus_port *port) {
    return driver_is_loaded(port)
               ? "no NPU: the driver amdxdna is loaded and serves none: sudo dmesg | grep amdxdna "
                 "says whether its "
                 "firmware is missing or does not fit "
                 "(linux-firmware, amdnpu); some BIOSes switch the NPU, or IPU, off"
               : "no NPU: no /dev/accel/accel* belongs to the driver amdxdna, which is not loaded "
                 "(Linux has it from "
                 "6.14 on: sudo modprobe amdxdna; its "
                 "firmware is in linux-firmware; some BIOSes switch the NPU, or IPU, off)";
}

void explain_open(struct words *w, int error, const apus_port *port) {
    switch (error) {
    case E_NOENT:
        words_begin(w, explain_no_node(port));
        break;
    case E_ACCES:
    case E_PERM:
        words_begin(w, "the NPU's /dev/accel/accel* may not be opened: join the group that owns it "
                       "(sudo usermod -aG render $USER) and log in again");
        break;
    case E_INVAL:
    case E_NOTTY:
    case E_OPNOTSUPP:
        words_begin(w, "the driver does not know a request that Apus needs: take amdxdna of Linux "
                       "6.14 or newer");
        add_error(w, error);
        break;
    case E_NOMEM:
    case E_NOSPC:
        words_begin(
            w, "the NPU's driver has no memory left for this process's 64 MB of device memory");
        add_error(w, error);
        break;
    default:
        words_begin(w, "the NPU's driver refuses to open the device: sudo dmesg | grep amdxdna "
                       "says why; firmware that is missing or too old is the "
                       "usual reason (linux-firmware, amdnpu)");
        add_error(w, error);
    }
}

void explain_ready(struct words *w, const struct npu_facts *facts, const apus_port *port) {
    words_begin(w, facts->name);
    words_add(w, ", firmware ");
    for (uint32_t i = 0; i < 4; i++) {
        if (i) words_add(w, ".");
        words_number(w, facts->firmware[i]);
    }
    if (facts->model) words_add(w, " (Apus's device model, not hardware)");
    if (facts->refusal) {
        words_add(w, ": ");
        words_add(w, facts->refusal);
        return;
    }
    words_add(w, "; needs an overlay: --device overlay=FILE (docs/npu.md)");
    uint64_t lock = port->lockable_bytes ? port->lockable_bytes(port->user) : UINT64_MAX;
    if (lock >= (uint64_t)1 << 33) return;
    words_add(w, "; may lock ");
    words_number(w, lock >> 20);
    words_add(w, " MB: larger weights are copied (ulimit -l unlimited)");
}

void explain_import(struct words *w, int error, const apus_port *port, uint64_t bytes) {
    words_begin(w, "the NPU cannot use the weights in place and copies ");
    words_number(w, bytes >> 20);
    words_add(w, " MB: ");
    uint64_t lock = port->lockable_bytes ? port->lockable_bytes(port->user) : UINT64_MAX;
    if (error == E_NOMEM && lock < bytes) {
        words_add(w, "this process may lock ");
        words_number(w, lock >> 20);
        words_add(w, " MB only (ulimit -l unlimited, or memlock in /etc/security/limits.d)");
    } else if (error == E_FAULT) {
        words_add(w, "the driver takes read-only pages from a shared mapping of a file only");
    } else {
        words_add(w, "the driver refuses them");
        add_error(w, error);
    }
}

void explain_context(struct words *w, int error) {
    words_begin(w, "the NPU's driver makes no context for the overlay");
    add_error(w, error);
    if (error == E_NOSPC || error == E_BUSY || error == E_NOMEM)
        words_add(w, ": other programs hold its columns");
    else if (error == E_INVAL)
        words_add(w, ": the overlay is not for this NPU, or its firmware is older than the driver "
                     "(linux-firmware)");
    else
        words_add(w, ": sudo dmesg | grep amdxdna says why");
}
