/* The provider over AMD's runtime (XRT 2.18 or newer), in libapus-xrt.so. It uses the runtime's C++
 * classes, because the runtime's C functions cannot start work on an NPU. The objects are made in
 * the caller's memory; the runtime itself allocates what it needs inside them.
 *
 * Buffers are created before an overlay is known. So they are created in the memories that mlir-aie
 * numbers for the kernel's arguments, and the numbers are compared when the context is opened: with
 * another number the runtime would copy buffers without saying so. A run's buffers are bound once.
 * After that only their addresses are written. */
#include "npu/provider.h"
#include "npu/uapi.h"

#include <xrt/experimental/xrt_kernel.h>
#include <xrt/experimental/xrt_system.h>
#include <xrt/experimental/xrt_xclbin.h>
#include <xrt/xrt_bo.h>
#include <xrt/xrt_device.h>
#include <xrt/xrt_hw_context.h>
#include <xrt/xrt_kernel.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <system_error>
#include <vector>

namespace {

constexpr uint32_t page = 4096, bank_host = 0, bank_code = 1;
constexpr int argument_opcode = 0, argument_code = 1, argument_words = 2, argument_buffers = 3;

struct device {
    xrt::device xrt;
};

struct bound_run {
    xrt::run run;
    const struct npu_buffer *bound[NPU_ARGUMENTS + 1];
};

/* Runs that are submitted together belong to one list for ever: n runs have a list of their own. A
 * single run needs no list. */
struct context {
    device *of;
    uint32_t runs, count;
    bool unanswered; /* commands were started, and nothing has seen their end */
    xrt::hw_context xrt;
    xrt::kernel kernel;
    bound_run run[NPU_RUNS_MAX * (NPU_RUNS_MAX + 1) / 2];
    xrt::runlist list[NPU_RUNS_MAX + 1];

    bound_run *first(uint32_t n) { return run + n * (n - 1) / 2; }
};

static_assert(sizeof(device) <= NPU_DEVICE_BYTES && alignof(device) <= 16,
              "a device fits what provider.h promises");
static_assert(sizeof(context) <= NPU_CONTEXT_BYTES && alignof(context) <= 16, "and a context");
static_assert(sizeof(xrt::bo) <= sizeof(npu_buffer::own) && alignof(xrt::bo) <= alignof(uint64_t),
              "and a buffer");

/* Calls `call` and returns its result, or the errno value of what the runtime throws, which may
 * have either sign there. */
template <typename Call> int guarded(Call call) {
    try {
        return call();
    } catch (const std::system_error &e) {
        int code = std::abs(e.code().value());
        return code ? code : EIO;
    } catch (const std::bad_alloc &) { return ENOMEM; } catch (...) {
        return EIO;
    }
}

/* ------------------------------------------------------------------------------------ device -- */

/* The columns of an NPU's array, from what the runtime says of its platform; 0: the device is no
 * NPU. */
uint32_t columns_of(const xrt::device &d) {
    static const char key[] = "\"total_columns\": \"";
    std::string text = d.get_info<xrt::info::device::platform>();
    size_t at = text.find(key);
    return at == std::string::npos
               ? 0
               : (uint32_t)std::strtoul(text.c_str() + at + sizeof key - 1, nullptr, 10);
}

int attach(void *memory, const apus_port *, uint32_t index, struct npu_facts *facts) {
    std::memset(facts, 0, sizeof *facts);
    return guarded([&] {
        uint32_t devices = xrt::system::enumerate_devices();
        for (uint32_t n = 0; n < devices; n++) {
            xrt::device x(n);
            uint32_t columns = columns_of(x);
            if (!columns || index--) continue;
            npu_facts_fill(facts, CORE_ROWS, columns);
            facts->model = x.get_info<xrt::info::device::name>() == OVERLAY_MODEL_DESCRIPTION;
            new (memory) device{std::move(x)};
            return 0;
        }
        return ENOENT;
    });
}

void detach(void *memory) { static_cast<device *>(memory)->~device(); }

/* ----------------------------------------------------------------------------------- buffers -- */

xrt::bo &bo_of(const struct npu_buffer *b) {
    void *at = const_cast<uint64_t *>(b->own);
    return *std::launder(static_cast<xrt::bo *>(at));
}

void store_bo(struct npu_buffer *b, xrt::bo &&bo, void *host, uint64_t bytes, uint32_t kind) {
    std::memset(b, 0, sizeof *b);
    b->host = static_cast<uint8_t *>(host);
    b->bytes = bytes;
    b->address = bo.address();
    b->kind = kind;
    new (b->own) xrt::bo(std::move(bo));
}

int buffer_create(void *memory, struct npu_buffer *b, enum npu_buffer_kind kind, uint64_t bytes) {
    std::memset(b, 0, sizeof *b);
    return guarded([&] {
        uint64_t whole = (bytes + page - 1) / page * page;
        xrt::device &d = static_cast<device *>(memory)->xrt;
        xrt::bo bo = kind == NPU_CODE ? xrt::bo(d, whole, xrt::bo::flags::cacheable, bank_code)
                                      : xrt::bo(d, whole, xrt::bo::flags::host_only, bank_host);
        void *host = bo.map();
        store_bo(b, std::move(bo), host, whole, kind);
        return 0;
    });
}

int buffer_import(void *memory, struct npu_buffer *b, const void *pages, uint64_t bytes) {
    std::memset(b, 0, sizeof *b);
    return guarded([&] {
        void *host = const_cast<void *>(pages);
        xrt::bo bo(static_cast<device *>(memory)->xrt, host, bytes, xrt::bo::flags::host_only,
                   bank_host);
        store_bo(b, std::move(bo), host, bytes, NPU_DATA);
        b->imported = 1;
        return 0;
    });
}

void buffer_close(void *, struct npu_buffer *b) {
    if (!b->host) return;
    guarded([&] {
        bo_of(b).~bo();
        return 0;
    });
    std::memset(b, 0, sizeof *b);
}

int buffer_sync(void *, const struct npu_buffer *b, uint64_t offset, uint64_t bytes,
                enum npu_direction direction) {
    return guarded([&] {
        bo_of(b).sync(direction == NPU_TO_DEVICE ? XCL_BO_SYNC_BO_TO_DEVICE
                                                 : XCL_BO_SYNC_BO_FROM_DEVICE,
                      bytes, offset);
        return 0;
    });
}

/* ----------------------------------------------------------------------------------- context -- */

/* Whether the overlay has its arguments in the memories in which buffers are created. */
bool placed_as_expected(const xrt::kernel &kernel) {
    const int bank = 0xffff; /* the bits above it are the context's number */
    bool good = (uint32_t)(kernel.group_id(argument_code) & bank) == bank_code;
    for (int i = 0; i < NPU_ARGUMENTS; i++)
        good = good && (uint32_t)(kernel.group_id(argument_buffers + i) & bank) == bank_host;
    return good;
}

int context_open(void *memory, void *of, const struct overlay *overlay, uint32_t columns,
                 uint32_t runs) {
    if (!runs || runs > NPU_RUNS_MAX || overlay->columns != columns) return EINVAL;
    context *c = new (memory) context();
    int e = guarded([&] {
        c->of = static_cast<device *>(of);
        c->runs = runs;
        xrt::xclbin container(std::vector<char>(overlay->file, overlay->file + overlay->bytes));
        c->of->xrt.register_xclbin(container);
        c->xrt = xrt::hw_context(c->of->xrt, container.get_uuid());
        c->kernel = xrt::kernel(c->xrt, "MLIR_AIE");
        if (!placed_as_expected(c->kernel)) return EINVAL;
        for (uint32_t n = 1; n <= runs; n++) {
            for (uint32_t i = 0; i < n; i++) {
                c->first(n)[i].run = xrt::run(c->kernel);
                c->first(n)[i].run.set_arg(argument_opcode, (uint64_t)START_TRANSACTION);
            }
            if (n > 1) c->list[n] = xrt::runlist(c->xrt);
        }
        return 0;
    });
    if (e) c->~context();
    return e;
}

/* The runtime ends the process if a run is destroyed whose end it has not seen. Such a context is
 * not closed: it keeps its columns until the process ends. */
void context_close(void *memory) {
    context *c = static_cast<context *>(memory);
    if (c->unanswered) return;
    guarded([&] {
        c->~context();
        return 0;
    });
}

/* ---------------------------------------------------------------------------------- commands -- */

/* Fills in a run. The runtime binds a whole buffer and writes its address; then an address inside
 * the buffer replaces that one. Returns whether any binding is new. */
bool fill(bound_run *to, const struct npu_run *from) {
    bool changed = false;
    for (int i = 0; i <= NPU_ARGUMENTS; i++) {
        const struct npu_buffer *b = i ? from->buffer[i - 1] : from->code;
        int argument = i ? argument_buffers + i - 1 : argument_code;
        if (to->bound[i] != b) {
            to->run.set_arg(argument, bo_of(b));
            to->bound[i] = b;
            changed = true;
        }
        to->run.set_arg(argument, b->address + (i ? from->offset[i - 1] : from->code_offset));
    }
    to->run.set_arg(argument_words, from->code_words);
    return changed;
}

/* Adds the runs to the list again, because a list reads the bindings of a run when it is added. */
void renew(context *c, uint32_t count) {
    c->list[count].reset();
    for (uint32_t i = 0; i < count; i++) c->list[count].add(c->first(count)[i].run);
}

enum npu_result commands_start(void *memory, const struct npu_run *run, uint32_t count,
                               uint64_t *ticket) {
    context *c = static_cast<context *>(memory);
    if (!count || count > c->runs) return NPU_NO_DEVICE;
    int e = guarded([&] {
        bool changed = false;
        for (uint32_t i = 0; i < count; i++) changed |= fill(c->first(count) + i, run + i);
        c->count = count;
        if (count == 1) {
            c->first(1)->run.start();
        } else {
            if (changed) renew(c, count);
            c->list[count].execute();
        }
        return 0;
    });
    c->unanswered = !e;
    *ticket = count;
    return e ? NPU_NO_DEVICE : NPU_DONE;
}

enum npu_result ended(ert_cmd_state state) {
    return state == ERT_CMD_STATE_TIMEOUT ? NPU_TIMED_OUT
           : state == ERT_CMD_STATE_ABORT ? NPU_ABORTED
                                          : NPU_FAILED;
}

enum npu_result commands_wait(void *memory, uint64_t, uint32_t timeout_ms, uint32_t *failed) {
    context *c = static_cast<context *>(memory);
    std::chrono::milliseconds patience(timeout_ms);
    *failed = 0;
    try {
        std::cv_status s =
            c->count == 1 ? c->first(1)->run.wait2(patience) : c->list[c->count].wait(patience);
        c->unanswered = s == std::cv_status::timeout;
        return c->unanswered ? NPU_TIMED_OUT : NPU_DONE;
    } catch (const xrt::run::command_error &e) {
        c->unanswered = false;
        return ended(e.get_command_state());
    } catch (const xrt::runlist::command_error &e) {
        c->unanswered = false;
        for (uint32_t i = 0; i < c->count; i++)
            if (c->first(c->count)[i].run.get_handle() == e.get_run().get_handle()) *failed = i;
        return ended(e.get_command_state());
    } catch (...) { return NPU_NO_DEVICE; }
}

} // namespace

extern "C" __attribute__((visibility("default")))
const struct npu_provider apus_npu_provider_xrt = {sizeof(struct npu_provider),
                                                   "XRT",
                                                   attach,
                                                   detach,
                                                   buffer_create,
                                                   buffer_import,
                                                   buffer_close,
                                                   buffer_sync,
                                                   context_open,
                                                   context_close,
                                                   commands_start,
                                                   commands_wait};
