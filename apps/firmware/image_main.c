/* An image without an operating system: two models as read-only data, one static arena, a prompt
 * from the serial line, and its continuation with speculation, whose logits' hash shows that the
 * bits are those of every other build. */
#include "apps/firmware/machine.h"
#include "apps/firmware/second_core.h"
#include "apus/apus.h"
#define PAIR_DATA
#include "pair.h"

enum { TOKENS = 16, PROPOSALS = 4, LINE = 256 };

static _Alignas(PAIR_ALIGNMENT) uint8_t arena[PAIR_ARENA_BYTES];

/* ----------------------------------------------------------------------------- serial line -- */

static void put_bytes(const char *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) machine_put((uint8_t)bytes[i]);
}

static void put_text(const char *text) {
    for (; *text; text++) machine_put((uint8_t)*text);
}

static void put_number(uint64_t n, uint32_t base, uint32_t digits) {
    char text[20];
    uint32_t at = sizeof text;
    for (; n || digits; n /= base, digits -= digits ? 1 : 0)
        text[--at] = "0123456789abcdef"[n % base];
    put_bytes(text + at, sizeof text - at);
}

static void put_field(const char *name, uint64_t n) {
    put_text(name);
    put_number(n, 10, 1);
    put_text("\n");
}

/* A line, without its end, of at most LINE bytes. */
static size_t read_line(char *line) {
    size_t count = 0;
    for (;;) {
        const char c = (char)machine_get();
        if (c == '\r' || c == '\n') return count;
        if (count < LINE) line[count++] = c;
    }
}

static void log_sentence(void *user, int level, const char *text) {
    (void)user, (void)level;
    put_text("log: ");
    put_text(text);
    put_text("\n");
}

static uint64_t now_ns(void *user) {
    (void)user;
    return machine_now_ns();
}

/* ---------------------------------------------------------------------------------- models -- */

static _Noreturn void give_up(const char *what, apus_status status) {
    put_text("failed: ");
    put_text(what);
    put_text(": ");
    put_text(apus_status_text(status));
    put_text("\n");
    machine_off();
}

static size_t taken; /* of the arena */

static void *take(size_t bytes) {
    void *at = arena + taken;
    taken += (bytes + PAIR_ALIGNMENT - 1) / PAIR_ALIGNMENT * PAIR_ALIGNMENT;
    return at;
}

static apus_model *open_model(const apus_port *port, const uint8_t *data, size_t bytes,
                              size_t memory) {
    apus_blob blob;
    apus_model *model = NULL;
    const apus_model_config config = {.size = sizeof config, .blob = &blob, .port = port};
    apus_status status = apus_blob_open(&blob, data, bytes, port);
    if (!status) status = apus_model_open(&model, &config, take(memory), memory);
    if (status) give_up("a model", status);
    return model;
}

static void generate(apus_session *s, const char *line, size_t bytes) {
    const apus_part parts[] = {{.kind = APUS_PART_BOS},
                               {.kind = APUS_PART_TEXT, .data = line, .count = bytes}};
    const apus_sampling greedy = {.size = sizeof greedy, .max_tokens = TOKENS, .want_hash = 1};
    apus_piece piece = {.size = sizeof piece};
    apus_status status = apus_prompt(s, parts, 2, 0);
    if (!status) status = apus_begin(s, &greedy);
    put_text("text: ");
    while (!status && !piece.stop) {
        status = apus_next(s, &piece);
        if (!status) put_bytes(piece.text, piece.bytes);
    }
    put_text("\n:end\n");
    if (status) give_up("the generation", status);
}

static void report(const apus_session *s) {
    apus_stats stats = {.size = sizeof stats};
    const int32_t *ids;
    size_t count = 0;
    if (apus_get_stats(s, &stats) || apus_ids(s, &ids, &count)) count = 0;
    put_text("ids:");
    for (size_t i = count < stats.new_tokens ? 0 : count - stats.new_tokens; i < count; i++) {
        put_text(" ");
        put_number((uint64_t)ids[i], 10, 1);
    }
    put_text("\ncpu: ");
    put_text(stats.cpu);
    put_text("\n");
    put_field("threads: ", stats.threads);
    put_field("proposed: ", stats.proposed);
    put_field("accepted: ", stats.accepted);
    put_field("milliseconds: ", (stats.prompt_ns + stats.next_ns) / 1000000);
    put_field("arena_bytes: ", sizeof arena);
    put_text("logits_hash: ");
    put_number(stats.logits_hash, 16, 16);
    put_text("\n");
}

_Noreturn void image_main(void) {
    static char line[LINE];
    apus_port port = {.size = sizeof port, .now_ns = now_ns, .log = log_sentence};
    const uint32_t cores = second_core_lend(&port) ? 2 : 1;
    put_field("cores: ", cores);
    const apus_config config = {
        .size = sizeof config,
        .model = open_model(&port, pair_blob, PAIR_BLOB_BYTES, PAIR_MODEL_BYTES),
        .draft = open_model(&port, pair_draft_blob, PAIR_DRAFT_BLOB_BYTES, PAIR_DRAFT_MODEL_BYTES),
        .context = PAIR_CONTEXT,
        .threads = PAIR_THREADS,
        .proposals = PROPOSALS};
    apus_session *session = NULL;
    const apus_status status =
        apus_open(&session, &config, take(PAIR_SESSION_BYTES), PAIR_SESSION_BYTES);
    if (status) give_up("the session", status);
    put_text("prompt> ");
    const size_t bytes = read_line(line);
    put_text("\n");
    generate(session, line, bytes);
    report(session);
    put_text("done\n");
    machine_off();
}
