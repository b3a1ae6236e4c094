/* The device model answers wrong requests as the driver does: errors, limits, packets' states,
 * hangs, and a device that is reset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/npu/sim/sim_parts.h"

enum { HEAP_BYTES = 64 << 20, PAGE = PAGE_BYTES, AS_IT_IS = 999 };

/* 0 or an errno value. */
static int ask(int fd, unsigned long request, void *argument) {
    return ioctl(fd, request, argument) ? errno : 0;
}
#define ASK(fd, number, argument) ask(fd, UAPI_REQUEST(UAPI_BOTH, number, *(argument)), argument)

static int open_device(const struct sim_config *config) {
    if (config) sim_reset(config);
    int fd = open("/dev/accel/accel0", O_RDWR);
    assert_true(fd >= 0);
    return fd;
}

static int create(int fd, uint32_t kind, uint64_t bytes, uint32_t *handle) {
    struct uapi_create_buffer c = {.bytes = bytes, .kind = kind};
    int e = ASK(fd, UAPI_CREATE_BUFFER, &c);
    if (handle) *handle = c.handle;
    return e;
}

static int import(int fd, const void *at, uint64_t bytes) {
    const struct uapi_ranges ranges = {-1, 1, {{(uintptr_t)at, bytes}}};
    struct uapi_create_buffer c = {.ranges = (uintptr_t)&ranges, .kind = UAPI_BUFFER_SHARE};
    return ASK(fd, UAPI_CREATE_BUFFER, &c);
}

static int create_context(int fd, uint32_t columns, uint32_t *handle) {
    const struct uapi_qos qos = {0};
    struct uapi_create_context c = {.qos = (uintptr_t)&qos, .tiles = columns * CORE_ROWS};
    int e = ASK(fd, UAPI_CREATE_CONTEXT, &c);
    *handle = c.handle;
    return e;
}

static struct uapi_buffer_info info_of(int fd, uint32_t handle) {
    struct uapi_buffer_info i = {.handle = handle};
    assert_int_equal(ASK(fd, UAPI_BUFFER_INFO, &i), 0);
    return i;
}

/* A context with its overlay, and two command buffers; a packet that has a code address of no
 * buffer's. */
struct session {
    int fd;
    uint32_t context, heap, image, data, command[2];
    uint32_t *packet[2];
};

static uint32_t *map(int fd, uint32_t handle, uint64_t bytes) {
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                    (off_t)info_of(fd, handle).map_offset);
    assert_true(at != MAP_FAILED);
    return at;
}

static void fill_run(uint32_t *packet) {
    memset(packet, 0, PAGE);
    packet[1 + START_MASK] = 1, packet[1 + START_OPCODE] = START_TRANSACTION;
    packet[1 + START_CODE] = 0xdead000, packet[1 + START_CODE_WORDS] = 4;
    packet[0] = uapi_header(UAPI_OP_START, START_BUFFERS + 2);
}

static int configure(const struct session *s) {
    const struct uapi_units units = {.count = 1, .unit = {{.buffer = s->image}}};
    struct uapi_config_context c = {
        .handle = s->context, .value = (uintptr_t)&units, .value_bytes = sizeof units};
    return ASK(s->fd, UAPI_CONFIG_CONTEXT, &c);
}

static void open_session(struct session *s, const struct sim_config *config) {
    struct sim_image image;
    s->fd = open_device(config);
    assert_int_equal(create(s->fd, UAPI_BUFFER_HEAP, HEAP_BYTES, &s->heap), 0);
    assert_int_equal(create(s->fd, UAPI_BUFFER_DEVICE, sizeof image, &s->image), 0);
    assert_int_equal(create(s->fd, UAPI_BUFFER_SHARE, PAGE, &s->data), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(create(s->fd, UAPI_BUFFER_COMMAND, PAGE, &s->command[i]), 0);
        fill_run(s->packet[i] = map(s->fd, s->command[i], PAGE));
    }
    uint32_t *heap = map(s->fd, s->heap, HEAP_BYTES);
    sim_image(&image, config->generation);
    memcpy((uint8_t *)heap + (info_of(s->fd, s->image).address - info_of(s->fd, s->heap).address),
           &image, sizeof image);
    munmap(heap, HEAP_BYTES);
    assert_int_equal(create_context(s->fd, array_columns(config->generation), &s->context), 0);
}

static void close_session(struct session *s) {
    for (int i = 0; i < 2; i++) munmap(s->packet[i], PAGE);
    close(s->fd);
}

static int sync_image(const struct session *s) {
    struct uapi_sync_buffer sync = {s->image, UAPI_TO_DEVICE, 0, sizeof(struct sim_image)};
    return ASK(s->fd, UAPI_SYNC_BUFFER, &sync);
}

static int execute(const struct session *s, uint32_t command, uint64_t *sequence) {
    const uint32_t list[] = {s->data};
    struct uapi_execute x = {.context = s->context,
                             .commands = command,
                             .commands_count = 1,
                             .buffers = (uintptr_t)list,
                             .buffers_count = 1};
    int e = ASK(s->fd, UAPI_EXECUTE, &x);
    *sequence = x.sequence;
    return e;
}

static int drop(const struct session *s, uint32_t handle) {
    struct uapi_gem_close close = {handle, 0};
    return ask(s->fd, UAPI_REQUEST(UAPI_WRITE, UAPI_GEM_CLOSE, close), &close);
}

static int wait_for(const struct session *s, uint64_t sequence) {
    struct uapi_wait w = {s->context, 10, sequence};
    return ask(s->fd, UAPI_REQUEST(UAPI_WRITE, UAPI_WAIT, w), &w);
}

static void buffers_have_limits(void **state) {
    (void)state;
    char name[] = "/tmp/apus-strict-XXXXXX";
    uint32_t context, handle;
    int fd = open_device(&(struct sim_config){.generation = 2, .lockable = 2 * PAGE}),
        file = mkstemp(name);
    assert_true(file >= 0 && !ftruncate(file, PAGE) && !unlink(name));
    assert_int_equal(create_context(fd, 8, &context), ENOENT); /* the heap comes first */
    assert_int_equal(create(fd, UAPI_BUFFER_DEVICE, PAGE, NULL), EINVAL);
    assert_int_equal(create(fd, UAPI_BUFFER_HEAP, HEAP_BYTES + PAGE, NULL), EINVAL);
    assert_int_equal(create(fd, UAPI_BUFFER_HEAP, HEAP_BYTES, NULL), 0);
    assert_int_equal(create(fd, UAPI_BUFFER_HEAP, HEAP_BYTES, NULL), EBUSY);
    assert_int_equal(create(fd, UAPI_BUFFER_DEVICE, HEAP_BYTES - PAGE, NULL), 0);
    assert_int_equal(create(fd, UAPI_BUFFER_DEVICE, 2 * PAGE, NULL), EAGAIN);
    assert_int_equal(create(fd, UAPI_BUFFER_SHARE, 0, NULL), EINVAL);
    assert_int_equal(create(fd, UAPI_BUFFER_COMMAND + 1, PAGE, NULL), EINVAL);

    uint8_t *own = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint8_t *shared = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, 0),
            *private = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, file, 0);
    assert_true(own != MAP_FAILED && shared != MAP_FAILED && private != MAP_FAILED);
    assert_int_equal(import(fd, own + 64, PAGE), EINVAL);
    assert_int_equal(import(fd, own, PAGE + 64), EINVAL);
    assert_int_equal(import(fd, own, 3 * PAGE), ENOMEM);
    assert_int_equal(import(fd, private, PAGE), EFAULT);
    assert_int_equal(import(fd, shared, PAGE), 0);
    assert_int_equal(import(fd, own, 2 * PAGE), ENOMEM); /* one page is locked already */
    assert_int_equal(import(fd, own, PAGE), 0);

    assert_int_equal(create(fd, UAPI_BUFFER_SHARE, PAGE, &handle), 0);
    struct uapi_sync_buffer past = {handle, UAPI_TO_DEVICE, PAGE / 2, PAGE},
                            sideways = {handle, 2, 0, PAGE}, none = {0, UAPI_TO_DEVICE, 0, PAGE};
    assert_int_equal(ASK(fd, UAPI_SYNC_BUFFER, &past), EINVAL);
    assert_int_equal(ASK(fd, UAPI_SYNC_BUFFER, &sideways), EINVAL);
    assert_int_equal(ASK(fd, UAPI_SYNC_BUFFER, &none), EINVAL);
    assert_int_equal(ASK(fd, 0x5f, &none), EINVAL);
    assert_int_equal(sim_figures().unknown, 1);
    uint64_t address = info_of(fd, handle).address;
    assert_int_equal(create(fd, UAPI_BUFFER_SHARE, PAGE, &handle), 0);
    assert_true(info_of(fd, handle).address > address + PAGE); /* buffers lie apart */
    munmap(own, 3 * PAGE), munmap(shared, PAGE), munmap(private, PAGE);
    close(file);
    close(fd);
}

static void contexts_have_limits(void **state) {
    (void)state;
    for (uint32_t generation = NPU_XDNA1; generation <= NPU_XDNA2; generation++) {
        struct session s;
        uint32_t context;
        uint64_t sequence;
        open_session(&s, &(struct sim_config){.generation = generation});
        assert_int_equal(execute(&s, s.command[0], &sequence), EINVAL); /* no overlay yet */
        /* which the device has not seen yet */
        assert_int_equal(configure(&s), EINVAL);
        assert_string_equal(sim_complaint(), "the overlay is not the device model's");
        assert_int_equal(sync_image(&s), 0);
        assert_int_equal(configure(&s), 0);
        assert_int_equal(configure(&s), EINVAL);
        assert_int_equal(create_context(s.fd, array_columns(generation) + 1, &context), EINVAL);
        for (uint32_t i = 1; i < CLIENT_CONTEXTS; i++)
            assert_int_equal(create_context(s.fd, 1, &context), 0);
        assert_int_equal(create_context(s.fd, 1, &context), ENOSPC);
        close_session(&s);
    }
}

static void open_ready(struct session *s) {
    open_session(s, &(struct sim_config){.generation = 2});
    assert_int_equal(sync_image(s), 0);
    assert_int_equal(configure(s), 0);
}

/* A packet must end in the right state, and the model must say why. Its context cannot be used
 * after that. */
static void packets_are_checked(void **state) {
    (void)state;
    static const struct {
        uint32_t word, value, chained; /* the word of the packet that is changed */
        const char *says;
    } cases[] = {{AS_IT_IS, 0, 0, "the control code is in no device buffer"},
                 {1 + START_MASK, 2, 0, "for another unit or of another opcode"},
                 {1 + START_OPCODE, 2, 0, "for another unit or of another opcode"},
                 {0, UAPI_STATE_NEW | 7 << 12, 0, "a command that is none"},
                 {1 + CHAIN_COUNT, 0, 1, "a chain of 0 commands"},
                 {1 + CHAIN_COUNT, UAPI_CHAIN_MAX + 1, 1, "a chain of 25 commands"},
                 {1 + CHAIN_HANDLES, 99, 1, "a chain's command is none"},
                 {AS_IT_IS, 0, 1, "the control code is in no device buffer"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct session s;
        uint64_t sequence;
        open_ready(&s);
        uint32_t *packet = s.packet[cases[i].chained];
        if (cases[i].chained) {
            packet[1 + CHAIN_COUNT] = 1, packet[1 + CHAIN_HANDLES] = s.command[0],
                       packet[2 + CHAIN_HANDLES] = 0;
            packet[0] = uapi_header(UAPI_OP_CHAIN, CHAIN_HANDLES + 2 * UAPI_CHAIN_MAX);
        }
        if (cases[i].word != AS_IT_IS) packet[cases[i].word] = cases[i].value;
        assert_int_equal(execute(&s, s.command[cases[i].chained], &sequence), 0);
        assert_int_equal(uapi_state(packet[0]), UAPI_STATE_NEW); /* nothing has run yet */
        assert_int_equal(wait_for(&s, sequence), 0);
        assert_int_equal(uapi_state(packet[0]), UAPI_STATE_ERROR);
        if (!strstr(sim_complaint(), cases[i].says)) fail_msg("packet %zu: %s", i, sim_complaint());
        /* its state is no longer "new" */
        assert_int_equal(execute(&s, s.command[cases[i].chained], &sequence), EINVAL);
        close_session(&s);
    }
}

static void submissions_have_limits(void **state) {
    (void)state;
    struct session s;
    uint64_t sequence;
    open_ready(&s);
    assert_int_equal(execute(&s, s.data, &sequence), EINVAL); /* no command buffer */
    assert_int_equal(wait_for(&s, 0), EINVAL);                /* nothing has been submitted */
    for (int i = 0; i < 16; i++) assert_int_equal(execute(&s, s.command[0], &sequence), 0);
    assert_int_equal(execute(&s, s.command[0], &sequence), EAGAIN);
    assert_int_equal(drop(&s, s.data), 0);
    assert_int_equal(wait_for(&s, 0), 0);
    assert_string_equal(sim_complaint(),
                        "a buffer is closed before the command that uses it has run");
    close_session(&s);
}

/* Things that are closed in the wrong order, or not at all. */
static void closing_has_an_order(void **state) {
    (void)state;
    struct session s;
    uint64_t sequence;
    open_ready(&s);
    assert_int_equal(execute(&s, s.command[0], &sequence), 0);
    assert_int_equal(drop(&s, s.command[0]), 0);
    assert_int_equal(drop(&s, s.command[0]), EINVAL);
    assert_int_equal(wait_for(&s, sequence), 0);
    assert_string_equal(sim_complaint(), "a command is closed before it has run");
    close_session(&s);

    open_ready(&s);
    assert_int_equal(drop(&s, s.heap), 0);
    assert_string_equal(sim_complaint(), "the heap is closed before what was cut from it");
    close_session(&s);

    open_ready(&s);
    struct uapi_destroy_context destroy = {s.context, 0};
    assert_int_equal(ASK(s.fd, UAPI_DESTROY_CONTEXT, &destroy), 0);
    assert_int_equal(ASK(s.fd, UAPI_DESTROY_CONTEXT, &destroy), EINVAL);
    assert_string_equal(sim_complaint(), "");
    close_session(&s);
    assert_string_equal(sim_complaint(), "a context's timeline is left behind");
}

/* Each kind of failure that can be chosen, as a program sees it. */
static void failures_on_demand(void **state) {
    (void)state;
    static const struct {
        enum sim_end end;
        int executes, waits;
        uint32_t state;
    } cases[] = {{SIM_REFUSED, EIO, 0, 0},
                 {SIM_ERROR, 0, 0, UAPI_STATE_ERROR},
                 {SIM_TIMEOUT, 0, 0, UAPI_STATE_TIMEOUT},
                 {SIM_SILENT, 0, ETIME, UAPI_STATE_NEW},
                 {SIM_ABORT, 0, 0, UAPI_STATE_ABORT},
                 {SIM_GONE, ENODEV, 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct session s;
        uint64_t sequence;
        open_ready(&s);
        sim_fail(0, 1, cases[i].end);
        assert_int_equal(execute(&s, s.command[0], &sequence), cases[i].executes);
        if (!cases[i].executes) {
            assert_int_equal(wait_for(&s, sequence), cases[i].waits);
            assert_int_equal(uapi_state(s.packet[0][0]), cases[i].state);
        }
        const struct uapi_health *health =
            (const struct uapi_health *)(const void *)(s.packet[0] + 1);
        if (cases[i].end == SIM_TIMEOUT)
            assert_true(health->version == 1 && health->generation == NPU_XDNA2);
        if (cases[i].end == SIM_GONE) assert_int_equal(sync_image(&s), ENODEV);
        assert_string_equal(sim_complaint(), "");
        if (cases[i].state > UAPI_STATE_COMPLETED) { /* what comes after it in the context is
                                                        aborted */
            assert_int_equal(execute(&s, s.command[1], &sequence), 0);
            assert_int_equal(wait_for(&s, sequence), 0);
            assert_int_equal(uapi_state(s.packet[1][0]), UAPI_STATE_ABORT);
        }
        close_session(&s);
    }
}

/* What was open before a reset cannot be used any more, and what is opened after it can. */
static void a_reset_ends_what_was_open(void **state) {
    (void)state;
    struct session s, later;
    uint64_t sequence;
    open_ready(&s);
    open_session(&later, &(struct sim_config){.generation = 2}); /* resets */
    assert_int_equal(execute(&s, s.command[0], &sequence), ENODEV);
    assert_int_equal(sync_image(&s), ENODEV);
    assert_int_equal(sync_image(&later), 0);
    assert_int_equal(configure(&later), 0);
    close_session(&s);
    close_session(&later);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffers_have_limits),       cmocka_unit_test(contexts_have_limits),
        cmocka_unit_test(packets_are_checked),       cmocka_unit_test(submissions_have_limits),
        cmocka_unit_test(closing_has_an_order),      cmocka_unit_test(failures_on_demand),
        cmocka_unit_test(a_reset_ends_what_was_open)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
