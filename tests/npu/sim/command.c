/* Commands: packets in command buffers, alone or in chains. They run when a program waits for them,
 * so nothing that a program reads before is right. */
#include <errno.h>
#include <string.h>

#include "tests/npu/sim/sim_parts.h"

enum { TDR_MS = 2000 };

static uint32_t *packet_words(const struct sim_buffer *b) { return (uint32_t *)(void *)b->host; }

static void set_state(uint32_t *packet, uint32_t state) {
    __atomic_store_n(packet, (packet[0] & ~15u) | state, __ATOMIC_RELEASE);
}

static uint64_t get64(const uint32_t *w) { return w[0] | (uint64_t)w[1] << 32; }

int sim_execute(struct sim_client *c, struct sim_context *x, struct uapi_execute *r) {
    const uint32_t *list = (const uint32_t *)(uintptr_t)r->buffers;
    uint64_t at = x->submitted % 16, number = sim.figures.submissions++;
    struct sim_buffer *packet = sim_buffer(c, r->commands);
    if (r->ext || r->ext_flags || r->type || r->commands_count != 1 || r->buffers_count > 64 ||
        (r->buffers_count && !list))
        return EINVAL;
    if (!x->configured || !packet || packet->kind != UAPI_BUFFER_COMMAND) return EINVAL;
    if (x->submitted - x->done == 16) return EAGAIN;
    for (uint32_t i = 0; i < r->buffers_count; i++)
        if (!sim_buffer(c, list[i])) return EINVAL;
    x->end[at] = number >= sim.fail_first && number - sim.fail_first < sim.fail_times ? sim.fail_end
                                                                                      : SIM_RIGHT;
    if (x->end[at] == SIM_GONE) sim.gone = 1;
    if (x->end[at] == SIM_GONE || x->end[at] == SIM_REFUSED)
        return x->end[at] == SIM_GONE ? ENODEV : EIO;
    if (uapi_state(packet_words(packet)[0]) != UAPI_STATE_NEW) return EINVAL;
    memcpy(x->listed[at], list, r->buffers_count * sizeof *list);
    x->listed_count[at] = r->buffers_count;
    x->waiting[at] = (uint32_t)r->commands;
    r->sequence = x->submitted++;
    sim.figures.dispatch_ns += SIM_DISPATCH_NS;
    return 0;
}

/* The device's view of control code that lies in a device buffer. */
static const uint32_t *find_code(const struct sim_command *k, uint64_t address, uint32_t words) {
    for (uint32_t i = 0; i < k->buffers; i++) {
        struct sim_buffer *b = k->buffer[i];
        if (address < b->address || address - b->address >= b->bytes) continue;
        if (b->kind != UAPI_BUFFER_DEVICE || address % 4) break;
        return (const uint32_t *)(const void *)sim_access(b, address - b->address,
                                                          (uint64_t)words * 4, 0);
    }
    sim_complain("the control code is in no device buffer of the command");
    return NULL;
}

static void count_time(const struct sim_array *a) {
    sim.figures.bytes_read += a->bytes_read;
    sim.figures.bytes_written += a->bytes_written;
    sim.figures.macs += a->macs;
    sim.figures.array_ns += sim_time_ns(a);
}

/* Runs a command. Returns the state that it ends in. */
static uint32_t start(struct sim_context *x, const uint32_t *packet) {
    const uint32_t *p = packet + 1;
    uint32_t words = uapi_words(packet[0]);
    uint64_t argument[8];
    if (uapi_opcode(packet[0]) != UAPI_OP_START || words < START_BUFFERS ||
        (words - START_BUFFERS) % 2 || words > START_BUFFERS + 16 || packet[0] & 0xc00) {
        sim_complain("a command that is none");
        return UAPI_STATE_ERROR;
    }
    if (p[START_MASK] != 1 || get64(p + START_OPCODE) != START_TRANSACTION) {
        sim_complain("a command for another unit or of another opcode");
        return UAPI_STATE_ERROR;
    }
    uint32_t arguments = (words - START_BUFFERS) / 2;
    for (uint32_t i = 0; i < arguments; i++) argument[i] = get64(p + START_BUFFERS + 2 * i);
    const uint32_t *code = find_code(x->array.command, get64(p + START_CODE), p[START_CODE_WORDS]);
    int e = code ? sim_firmware(&x->array, code, p[START_CODE_WORDS], argument, arguments) : -1;
    sim.figures.commands++;
    if (!e) count_time(&x->array);
    return !e ? UAPI_STATE_COMPLETED : e > 0 ? UAPI_STATE_TIMEOUT : UAPI_STATE_ERROR;
}

/* What a device that fails leaves behind: noise in the buffers that it should have written, and a
 * context that cannot be used any more. */
static void spoil(struct sim_context *x, const uint32_t *packet) {
    uint64_t sums = get64(packet + 1 + START_BUFFERS + 2 * GEMV_SUMS);
    for (uint32_t i = 0; uapi_words(packet[0]) >= START_BUFFERS + 2 * GEMV_ARGUMENTS &&
                         i < x->array.command->buffers;
         i++) {
        struct sim_buffer *b = x->array.command->buffer[i];
        if (b->imported || sums < b->address || sums - b->address >= b->bytes) continue;
        sim_noise((b->device ? b->device : b->host) + (sums - b->address),
                  b->bytes - (sums - b->address), (uint32_t)sim.figures.submissions);
    }
}

static uint32_t start_or_fail(struct sim_context *x, uint32_t *packet, enum sim_end end) {
    static const uint32_t state[SIM_ENDS] = {[SIM_ERROR] = UAPI_STATE_ERROR,
                                             [SIM_TIMEOUT] = UAPI_STATE_TIMEOUT,
                                             [SIM_ABORT] = UAPI_STATE_ABORT};
    uint32_t s = x->lost ? UAPI_STATE_ABORT : end == SIM_RIGHT ? start(x, packet) : state[end];
    if (s != UAPI_STATE_COMPLETED) {
        spoil(x, packet);
        x->lost = 1;
    }
    if (s == UAPI_STATE_TIMEOUT) {
        const struct uapi_health health = {
            .version = 1, .generation = x->array.generation, .pc = 0x1234};
        memcpy(packet + 1, &health, sizeof health);
        sim.figures.waited_ms += TDR_MS;
    }
    set_state(packet, s);
    return s;
}

/* Which command of a chain fails changes from one submission to the next. */
static void chain(struct sim_client *c, struct sim_context *x, uint32_t *packet, enum sim_end end) {
    uint32_t *p = packet + 1, count = p[CHAIN_COUNT], s = UAPI_STATE_COMPLETED;
    if (!count || count > UAPI_CHAIN_MAX || uapi_words(packet[0]) < CHAIN_HANDLES + 2 * count) {
        sim_complain("a chain of %u commands", count);
        set_state(packet, UAPI_STATE_ERROR);
        return;
    }
    for (uint32_t i = 0; i < count && s == UAPI_STATE_COMPLETED; i++) {
        const struct sim_buffer *b = sim_buffer(c, get64(p + CHAIN_HANDLES + 2 * i));
        if (!b || b->kind != UAPI_BUFFER_COMMAND ||
            uapi_state(packet_words(b)[0]) != UAPI_STATE_NEW) {
            sim_complain("a chain's command is none");
            s = UAPI_STATE_ERROR;
        } else {
            s = start_or_fail(x, packet_words(b), i == x->done % count ? end : SIM_RIGHT);
        }
        p[CHAIN_SUBMITTED] = i;
        if (s != UAPI_STATE_COMPLETED) p[CHAIN_ERROR] = i;
    }
    set_state(packet, s);
}

static void run(struct sim_client *c, struct sim_context *x, uint32_t at) {
    struct sim_command command = {{0}, 0};
    const struct sim_buffer *packet = sim_buffer(c, x->waiting[at]);
    for (uint32_t i = 0; i < x->listed_count[at]; i++) {
        struct sim_buffer *b = sim_buffer(c, x->listed[at][i]);
        if (!b)
            sim_complain("a buffer is closed before the command that uses it has run");
        else
            command.buffer[command.buffers++] = b;
    }
    if (!packet) {
        sim_complain("a command is closed before it has run");
        return;
    }
    x->array.command = &command;
    if (uapi_opcode(packet_words(packet)[0]) == UAPI_OP_CHAIN)
        chain(c, x, packet_words(packet), x->end[at]);
    else
        start_or_fail(x, packet_words(packet), x->end[at]);
    x->array.command = NULL;
}

int sim_finish(struct sim_client *c, struct sim_context *x, uint64_t sequence,
               uint64_t timeout_ms) {
    if (sequence >= x->submitted) return EINVAL;
    for (; x->done <= sequence; x->done++) {
        if (x->end[x->done % 16] == SIM_SILENT) {
            sim.figures.waited_ms += timeout_ms;
            return ETIME;
        }
        run(c, x, x->done % 16);
    }
    return 0;
}
