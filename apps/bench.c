/* apus bench: how fast a model runs on this machine, compared with what the machine can do at most,
 * measured in the same run.
 *
 * All measurements take turns (roof of reading, decode, verify, roof of multiply-adds, prefill),
 * and their medians are compared. So a machine that slows down for a while slows all of them. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "apus/port.h"
#include "bench/roof.h"
#include "bench_pair.h"
#include "command.h"
#include "energy.h"
#include "fail_status.h"
#include "kit/json.h"
#include "kit/progress.h"
#include "kit/terminal.h"
#include "load.h"

enum {
    SAMPLES_MAX = 41,
    CONTEXT_MOST = 1024,
    PREFILL_MOST = 512,
    BASE_MOST = 128,
    DECODE_TOKENS = 8,
    VERIFY_MOST = 16,
    ROOM = 32
};
/* In a longer time the counters of energy may have overflowed more than once. */
enum { ENERGY_SECONDS_MOST = 300 };
static const uint32_t verify_columns[] = {1, 2, 4, 8, 16};
enum { VERIFIES = COUNT_OF(verify_columns) };

struct samples {
    double values[SAMPLES_MAX];
    size_t count;
};

struct bench {
    struct loaded *loaded;
    struct roof_team *team;
    void *region; /* the memory that the roof of reading reads */
    size_t region_bytes;
    unsigned repeats; /* how often it is read in a turn */
    unsigned prefetch;
    int32_t *ids; /* [context] */
    float *logits;
    uint32_t context, base, prefill_tokens, decode_tokens;
    /* --at was given: the cache is filled once, by a prefill of `base` tokens */
    int deep;
    /* read in bytes/s, dot in multiply-adds/s, the others in seconds */
    struct samples read, dot, decode, verify[VERIFIES], prefill;
    struct energy energy;
    struct spent {
        double joules, tokens; /* of all turns together, because the counters are coarse */
    } decode_spent, prefill_spent;
};

static void add_sample(struct samples *s, double value) {
    if (s->count < SAMPLES_MAX) s->values[s->count++] = value;
}

static double median(const struct samples *samples) {
    struct samples s = *samples;
    return s.count ? roof_median(s.values, s.count) : 0;
}

static double seconds_since(uint64_t begin) { return (double)(now_ns() - begin) * 1e-9; }

/* Evaluates ids [at, at + count) at their own positions, and measures the time. */
static apus_status evaluate(struct bench *b, uint32_t at, uint32_t count, float *logits,
                            double *seconds) {
    apus_status status = apus_rewind(b->loaded->session, at);
    uint64_t begin = now_ns();
    if (status >= 0) status = apus_eval(b->loaded->session, b->ids + at, count, logits, NULL);
    *seconds = seconds_since(begin);
    return status;
}

/* The largest power of two, at least 16, that is at most `most` and takes at most `budget`
 * seconds. */
static uint32_t affordable(uint32_t most, double seconds_each, double budget) {
    uint32_t count = 16;
    while (2 * count <= most && 2 * count * seconds_each <= budget) count *= 2;
    return count;
}

static void add_spent(struct spent *spent, double joules, double tokens) {
    spent->joules += joules;
    spent->tokens += tokens;
}

static apus_status measure_prefill(struct bench *b, uint32_t tokens) {
    double seconds = 0, joules = energy_joules(&b->energy);
    apus_status status = evaluate(b, 0, tokens, NULL, &seconds);
    joules = energy_joules(&b->energy) - joules;
    if (seconds < ENERGY_SECONDS_MOST) add_spent(&b->prefill_spent, joules, tokens);
    add_sample(&b->prefill, seconds);
    return status;
}

/* Fills the cache up to the position of --at, which is the only prefill of such a run. */
static apus_status plan_deep(struct bench *b) {
    double seconds = 0;
    apus_status status = evaluate(b, 0, 16, b->logits, &seconds);
    b->prefill_tokens = b->base;
    b->decode_tokens = DECODE_TOKENS;
    return status >= 0 ? measure_prefill(b, b->base) : status;
}

/* Chooses sizes that fit into the budget, by the time of 16 columns after a warm-up. */
static apus_status plan(struct bench *b, double budget) {
    double seconds = 0;
    if (b->deep) return plan_deep(b);
    apus_status status = evaluate(b, 0, 16, b->logits, &seconds);
    if (status >= 0) status = evaluate(b, 0, 16, b->logits, &seconds);
    if (status < 0) return status;
    b->prefill_tokens =
        affordable(b->context < PREFILL_MOST ? b->context : PREFILL_MOST, seconds / 16, budget / 6);
    b->base = affordable(b->context / 2 < BASE_MOST ? b->context / 2 : BASE_MOST, seconds / 16,
                         budget / 10);
    status = evaluate(b, 16, 1, b->logits, &seconds);
    b->decode_tokens = seconds * DECODE_TOKENS > budget / 10 ? 1 : DECODE_TOKENS;
    return status;
}

/* Decodes as for a user: tokens are chosen and turned into text. The first one only needs the
 * prompt's logits and is not counted. */
static apus_status measure_decode(struct bench *b) {
    apus_session *session = b->loaded->session;
    const apus_part part = {APUS_PART_IDS, 0, b->ids, b->base};
    const apus_sampling sampling = {
        .size = sizeof sampling, .max_tokens = b->decode_tokens + 1, .ignore_end = 1};
    apus_piece piece = {.size = sizeof piece};
    apus_status status = apus_prompt(session, &part, 1, 0);
    if (status >= 0) status = apus_begin(session, &sampling);
    if (status >= 0) status = apus_next(session, &piece);
    const double joules = energy_joules(&b->energy);
    uint64_t begin = now_ns();
    uint32_t tokens = 0;
    while (status >= 0 && !piece.stop) {
        status = apus_next(session, &piece);
        if (status >= 0) tokens += (uint32_t)piece.count;
    }
    if (status >= 0 && tokens) {
        add_sample(&b->decode, seconds_since(begin) / tokens);
        add_spent(&b->decode_spent, energy_joules(&b->energy) - joules, tokens);
    }
    return status;
}

static apus_status measure_once(struct bench *b) {
    double seconds = 0, rate;
    /* The roofs are measured by the time that passes, like everything that is compared with
     * them. */
    rate = roof_read(b->team, b->region, b->region_bytes, b->repeats, b->prefetch);
    add_sample(&b->read, rate * roof_share(b->team));
    apus_status status = measure_decode(b);
    for (size_t i = 0; i < VERIFIES && status >= 0; i++) {
        status = evaluate(b, b->base, verify_columns[i], b->logits, &seconds);
        add_sample(&b->verify[i], seconds);
    }
    rate = roof_dot(b->team);
    add_sample(&b->dot, rate * roof_share(b->team));
    return b->deep || status < 0 ? status : measure_prefill(b, b->prefill_tokens);
}

static double planned_turns(double each, double budget) {
    double turns = floor(budget / each), few = floor(2 * budget / each);
    if (turns < 3) turns = few < 3 ? few : 3;
    return turns < 1 ? 1 : turns > SAMPLES_MAX ? SAMPLES_MAX : turns;
}

/* Takes turns until the budget is used up: at least three if they take no more than twice the
 * budget, and one in any case. */
static apus_status measure(struct bench *b, double budget, struct progress *progress) {
    int phase = progress_phase(progress, "measuring", 1);
    progress_expect(progress, budget);
    if (b->deep) progress_enter(progress, phase, "filling %u positions", b->base);
    apus_status status = plan(b, budget);
    uint64_t begin = now_ns();
    for (size_t turn = 0; turn < SAMPLES_MAX && status >= 0; turn++) {
        double used = seconds_since(begin), each = turn ? used / (double)turn : 0;
        if (turn >= 1 && used + each > (turn < 3 ? 2 * budget : budget)) break;
        if (turn) progress_resize(progress, phase, planned_turns(each, budget));
        progress_enter(progress, phase, "turn %zu", turn + 1);
        if (!turn) progress_step(progress, phase, 0); /* the time of planning belongs to no turn */
        status = measure_once(b);
        progress_step(progress, phase, 1);
    }
    return status;
}

/* ------------------------------------------------------------------------------------ report -- */

struct report {
    double read, dot; /* per second */
    double decode_tps, decode_bytes, decode_read, prefill_tps, prefill_macs;
    double verify_ms[VERIFIES];
};

/* Multiply-adds of one token in the layers' weights. Prefill evaluates the head only for the last
 * token. */
static double layer_macs(const struct loaded *loaded) {
    double macs = 0;
    apus_tensor_info t = {.size = sizeof t};
    for (uint32_t i = 0;
         i < loaded->info.tensors && apus_blob_tensor(&loaded->blob, i, &t) == APUS_OK; i++)
        if (!strncmp(t.name, "layer.", 6)) macs += (double)t.rows * t.cols;
    return macs;
}

/* Bytes of keys and values, with their scales, that attention reads for a token at `position`. */
static double kv_bytes(const struct loaded *loaded, uint32_t position) {
    double bytes = 0;
    apus_layer_info layer = {.size = sizeof layer};
    for (uint32_t i = 0;
         i < loaded->info.layers && apus_blob_layer(&loaded->blob, i, &layer) == APUS_OK; i++)
        if (layer.heads) bytes += 2.0 * layer.kv_heads * (layer.head_dim + sizeof(float));
    return bytes * position;
}

static void make_report(struct report *r, const struct bench *b) {
    double decode = median(&b->decode), prefill = median(&b->prefill);
    r->read = median(&b->read);
    r->dot = median(&b->dot);
    r->decode_tps = decode > 0 ? 1 / decode : 0;
    r->decode_bytes = r->decode_tps * (double)b->loaded->info.weight_bytes;
    r->decode_read =
        r->decode_bytes + r->decode_tps * kv_bytes(b->loaded, b->base + b->decode_tokens / 2);
    r->prefill_tps = prefill > 0 ? b->prefill_tokens / prefill : 0;
    r->prefill_macs = r->prefill_tps * layer_macs(b->loaded);
    for (size_t i = 0; i < VERIFIES; i++) r->verify_ms[i] = median(&b->verify[i]) * 1e3;
}

static double ratio(double a, double b) { return b > 0 ? a / b : 0; }

/* The "model name" of the first processor; "unknown" if the system does not say. */
static void processor_name(char *name, size_t capacity) {
    char line[512];
    snprintf(name, capacity, "unknown");
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f)) {
        char *colon = strncmp(line, "model name", 10) ? NULL : strchr(line, ':');
        if (!colon) continue;
        line[strcspn(line, "\n")] = 0;
        snprintf(name, capacity, "%s", colon + 1 + strspn(colon + 1, " "));
        break;
    }
    if (f) fclose(f);
}

static json_t *machine_object(void) {
    char name[128];
    struct utsname u;
    json_t *machine = json_object();
    processor_name(name, sizeof name);
    json_object_set_new(machine, "processor", json_bytes(name, strlen(name)));
    json_object_set_new(machine, "processors", json_integer(apus_port_processors()));
    if (uname(&u) == 0)
        json_object_set_new(machine, "kernel", json_sprintf("%s %s", u.sysname, u.release));
    return machine;
}

static int print_object(const struct report *r, const struct bench *b, const apus_stats *stats) {
    const apus_info *info = &b->loaded->info;
    json_t *object = json_object(), *decode = json_object(), *verify = json_array(),
           *prefill = json_object();
    json_object_set_new(decode, "tps", json_number(r->decode_tps));
    json_object_set_new(decode, "weight_gb_per_s", json_number(r->decode_bytes * 1e-9));
    json_object_set_new(decode, "of_roof", json_number(ratio(r->decode_bytes, r->read)));
    json_object_set_new(decode, "gb_per_s", json_number(r->decode_read * 1e-9));
    json_object_set_new(decode, "with_kv_of_roof", json_number(ratio(r->decode_read, r->read)));
    json_object_set_new(
        decode, "joules_per_token",
        energy_per_token(&b->energy, b->decode_spent.joules, b->decode_spent.tokens));
    for (size_t i = 0; i < VERIFIES; i++) {
        json_t *entry = json_object();
        json_object_set_new(entry, "columns", json_integer(verify_columns[i]));
        json_object_set_new(entry, "ms", json_number(r->verify_ms[i]));
        json_object_set_new(entry, "ratio", json_number(ratio(r->verify_ms[i], r->verify_ms[0])));
        json_array_append_new(verify, entry);
    }
    json_object_set_new(prefill, "tokens", json_integer(b->prefill_tokens));
    json_object_set_new(prefill, "tps", json_number(r->prefill_tps));
    json_object_set_new(prefill, "gmac_per_s", json_number(r->prefill_macs * 1e-9));
    json_object_set_new(prefill, "of_peak", json_number(ratio(r->prefill_macs, r->dot)));
    json_object_set_new(
        prefill, "joules_per_token",
        energy_per_token(&b->energy, b->prefill_spent.joules, b->prefill_spent.tokens));
    json_object_set_new(object, "model", json_bytes(info->name, strlen(info->name)));
    json_object_set_new(object, "bytes", json_integer((json_int_t)info->bytes));
    json_object_set_new(object, "weight_bytes", json_integer((json_int_t)info->weight_bytes));
    json_object_set_new(object, "bits_per_weight", json_number(info->bits_per_weight));
    json_object_set_new(object, "machine", machine_object());
    json_object_set_new(object, "engine", json_string(stats->engine ? stats->engine : ""));
    json_object_set_new(object, "cpu", json_string(stats->cpu ? stats->cpu : ""));
    json_object_set_new(object, "threads", json_integer(stats->threads));
    json_object_set_new(object, "arena_bytes", json_integer((json_int_t)stats->arena_bytes));
    json_object_set_new(object, "position", json_integer(b->base));
    json_object_set_new(object, "repetitions", json_integer((json_int_t)b->decode.count));
    json_object_set_new(object, "read_gb_per_s", json_number(r->read * 1e-9));
    json_object_set_new(object, "vpdpbusd_gmac_per_s", json_number(r->dot * 1e-9));
    json_object_set_new(object, "decode", decode);
    json_object_set_new(object, "verify", verify);
    json_object_set_new(object, "prefill", prefill);
    json_object_set_new(object, "energy", energy_source(&b->energy));
    return json_print(object);
}

static int print_text(const struct report *r, const struct bench *b, const apus_stats *stats) {
    char name[128];
    processor_name(name, sizeof name);
    printf("%s, %.1f MB read for a token, %.2f bits a weight\n",
           terminal_shown(*b->loaded->info.name ? b->loaded->info.name : b->loaded->path),
           (double)b->loaded->info.weight_bytes * 1e-6, b->loaded->info.bits_per_weight);
    printf("%s, %u threads, %s %s; medians of %zu turns\n\n", name, stats->threads,
           stats->engine ? stats->engine : "", stats->cpu ? stats->cpu : "", b->decode.count);
    printf("machine   reads %.2f GB/s, multiplies and adds %.1f G int8/s in registers\n",
           r->read * 1e-9, r->dot * 1e-9);
    printf("decode    %.2f tokens/s, %.2f GB/s of weights, %.0f %% of reading (%.0f %% with keys "
           "and values); at position %u\n",
           r->decode_tps, r->decode_bytes * 1e-9, 100 * ratio(r->decode_bytes, r->read),
           100 * ratio(r->decode_read, r->read), b->base);
    for (size_t i = 0; i < VERIFIES; i++)
        printf("verify    %2u columns %9.3f ms, %.2f times one column\n", verify_columns[i],
               r->verify_ms[i], ratio(r->verify_ms[i], r->verify_ms[0]));
    printf("prefill   %.1f tokens/s over %u tokens, %.0f %% of the multiply-adds\n", r->prefill_tps,
           b->prefill_tokens, 100 * ratio(r->prefill_macs, r->dot));
    if (*b->energy.reason)
        printf("energy    not known: %s\n", b->energy.reason);
    else
        printf("energy    %.4g J a decoded token, %.4g J a token of the prompt, with all else that "
               "ran on the processor\n",
               ratio(b->decode_spent.joules, b->decode_spent.tokens),
               ratio(b->prefill_spent.joules, b->prefill_spent.tokens));
    return output_flush();
}

/* -------------------------------------------------------------------------------------- main -- */

/* As many bytes as a pass reads, so that for a model that fits into a cache the roof is that of the
 * cache. At most 1 GiB, which no cache holds, and at most a quarter of the free memory. */
static size_t choose_region(uint64_t weight_bytes) {
    double available = (double)sysconf(_SC_AVPHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    size_t bytes = (size_t)1 << 30, least = (size_t)1 << 20;
    while (bytes > ((size_t)64 << 20) && (double)bytes * 4 > available) bytes /= 2;
    return weight_bytes >= bytes  ? bytes
           : weight_bytes < least ? least
                                  : (size_t)weight_bytes / 4096 * 4096;
}

static int open_roofs(struct bench *b, const struct settings *settings) {
    b->team = roof_open((unsigned)settings->threads);
    b->region_bytes = choose_region(b->loaded->info.weight_bytes);
    b->repeats = (unsigned)(((size_t)1 << 29) / b->region_bytes) + 1;
    b->region = roof_alloc(b->region_bytes);
    b->logits = malloc((size_t)VERIFY_MOST * b->loaded->info.vocab * sizeof *b->logits);
    b->ids = malloc(b->context * sizeof *b->ids);
    if (!b->team) return fail(EXIT_FAULT, "cannot start %" PRIu64 " threads.", settings->threads);
    if (!b->region || !b->logits || !b->ids)
        return fail(EXIT_FAULT, "no memory left: measuring the memory takes %zu MiB.",
                    b->region_bytes >> 20);
    b->prefetch = roof_read_prefetch(b->team, b->region, b->region_bytes);
    return EXIT_OK;
}

static void close_roofs(struct bench *b) {
    if (b->team) roof_close(b->team);
    if (b->region) roof_free(b->region, b->region_bytes);
    free(b->logits);
    free(b->ids);
}

/* Fills in pseudo-random ids, so that no cache can predict them. The work does not depend on which
 * ids they are. */
static void fill_ids(struct bench *b) {
    uint64_t state = 1;
    for (size_t i = 0; i < b->context; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        b->ids[i] = (int32_t)((state >> 33) % b->loaded->info.vocab);
    }
}

static int bench_loaded(struct bench *b, const struct settings *settings) {
    struct report report;
    apus_stats stats = {.size = sizeof stats};
    uint32_t most = b->loaded->info.max_positions;
    if (most < 2 * VERIFY_MOST)
        return fail(EXIT_FAULT, "this model holds %u positions, too few to measure: it takes %d.",
                    most, 2 * VERIFY_MOST);
    b->context = most < CONTEXT_MOST ? most : CONTEXT_MOST;
    b->deep = settings->at > 0;
    if (b->deep) {
        if (settings->at + ROOM > most)
            return fail(
                EXIT_USAGE,
                "--at %" PRIu64
                " leaves no room: this model holds %u positions, and %d are measured behind it.",
                settings->at, most, ROOM);
        b->base = (uint32_t)settings->at;
        b->context = b->base + ROOM;
    }
    int status = load_session(b->loaded, settings, b->context);
    if (!status) status = open_roofs(b, settings);
    if (status) return status;
    fill_ids(b);
    energy_open(&b->energy);
    struct progress progress;
    command_progress(&progress, settings, "bench");
    apus_status done = measure(b, (double)settings->seconds, &progress);
    progress_end(&progress);
    if (done >= 0) done = apus_get_stats(b->loaded->session, &stats);
    if (done < 0) return fail_status(done, "measuring");
    make_report(&report, b);
    return settings->json ? print_object(&report, b, &stats) : print_text(&report, b, &stats);
}

static int bench_main(const struct settings *settings) {
    int speculation = settings->pair + settings->agreement + (settings->replay > 0);
    if (speculation > 1) return fail(EXIT_USAGE, "use one of --pair, --agreement and --replay.");
    if (speculation && !settings->draft)
        return fail(EXIT_USAGE, "--pair, --agreement and --replay need a draft: -d FILE.");
    if (!speculation && settings->draft)
        return fail(EXIT_USAGE,
                    "with -d say what to measure: --pair, --agreement or --replay ALPHA.");
    if (settings->agreement) return bench_agreement(settings);
    if (speculation) return settings->pair ? bench_pair(settings) : bench_replay(settings);
    struct loaded loaded;
    struct bench *b = calloc(1, sizeof *b);
    if (!b) return fail(EXIT_FAULT, "no memory left.");
    int status = load_blob(&loaded, settings->model);
    if (!status) {
        b->loaded = &loaded;
        status = bench_loaded(b, settings);
        close_roofs(b);
        unload(&loaded);
    }
    free(b);
    return status;
}

static const struct option options[] = {
    OPTION_MODEL,
    {NULL, "--seconds", OPTION_COUNT, offsetof(struct settings, seconds), 1, 3600, "N",
     "about how long to measure (default 30); large models take longer",
     "about how long to measure (default 30)"},
    {NULL, "--at", OPTION_COUNT, offsetof(struct settings, at), 1, 131072, "N",
     "without a draft: decode and verify behind N tokens, which are evaluated first (default: at "
     "most 128)",
     "measure behind N tokens (default: at most 128)"},
    OPTION_KV,
    {"-d", "--draft", OPTION_STRING, offsetof(struct settings, draft), 0, 0, "FILE",
     "a smaller model's blob, for --pair, --agreement and --replay",
     "a smaller model's blob, for the three below"},
    OPTION_DRAFT_ENGINE,
    {NULL, "--pair", OPTION_FLAG, offsetof(struct settings, pair), 0, 0, NULL,
     "decode a few prompts plainly and with every number of proposals, greedy and sampled",
     "what the draft gains on a few prompts"},
    {NULL, "--agreement", OPTION_FLAG, offsetof(struct settings, agreement), 0, 0, NULL,
     "how often both models choose the same token, with shared noise and by other ways of drawing",
     "how often both choose the same token"},
    {NULL, "--replay", OPTION_REAL, offsetof(struct settings, replay), 0.1, 0.85, "ALPHA",
     "time rounds of both models as if this share of 5 proposals were accepted, 0.1 to 0.85; the "
     "two need not share a tokenizer",
     "times of rounds under this share of acceptance"},
};

const struct command command_bench = {
    .name = "bench",
    .summary = "measure the speed beside the machine's limits",
    .usage = "MODEL.apus [-d DRAFT.apus (--pair | --agreement | --replay A)]",
    .description =
        "Measures decoding, the evaluation of 1, 2, 4, 8 and 16 tokens in one pass, and a prompt "
        "(of 512 tokens, or as many as the time "
        "allows), in turns with two limits of the machine: reading as many bytes as the model has "
        "(at most 1 GiB), and int8 multiply-adds "
        "in registers (vpdpbusd, or what the "
        "processor has). Prints medians. Ratios hold within one run only.\n\n"
        "With --json: read_gb_per_s, vpdpbusd_gmac_per_s, decode (tps, weight_gb_per_s, of_roof: "
        "its share of read_gb_per_s; gb_per_s and "
        "with_kv_of_roof: keys and values included), verify "
        "(columns, ms, ratio to one column), prefill (tokens, tps, gmac_per_s, of_peak: the "
        "layers' multiply-adds over the limit), "
        "joules_per_token of decode and prefill (null where not known: energy says what they are "
        "of, or why there are none; on Linux what "
        "the "
        "processor's packages take, whatever runs on them, which root may read), "
        "position (of decode and verify), repetitions, model, bytes, weight_bytes, "
        "bits_per_weight, machine (processor, processors, "
        "kernel), "
        "engine, cpu, threads, arena_bytes.\n\n"
        "--pair compares plain and speculative decoding of the same text: tokens per second, "
        "speed-up, share of proposals accepted, tokens "
        "per "
        "round, and the share of time outside model passes; the sweep repeats in turns, 25 at "
        "most, as long as --seconds allow, and "
        "medians are "
        "given. --agreement goes along the target's own text and gives, by temperature, how "
        "often the "
        "draft chooses the same token with the same random numbers, and what rejection sampling "
        "and independent draws would reach. "
        "--replay imposes the acceptance, in bursts as real acceptance comes, and "
        "beside it "
        "independent from token to token, and gives for each the ceiling that the measured costs "
        "allow.",
    .example = "apus bench model.apus\n"
               "apus bench large.apus -d small.apus --pair\n"
               "apus bench large.apus -d small.apus --agreement\n"
               "apus bench large.apus -d small.apus --replay 0.73",
    .options = options,
    .options_count = COUNT_OF(options),
    .operands = {OPERAND_MODEL},
    .main = bench_main,
};
