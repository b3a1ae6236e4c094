/* apus run: completes a prompt, and prints the text that follows it as it comes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "energy.h"
#include "fail_status.h"
#include "input.h"
#include "interrupt.h"
#include "kit/json.h"
#include "kit/progress.h"
#include "kit/terminal.h"
#include "load.h"
#include "sampling.h"
#include "speculation.h"

#define AT(member) offsetof(struct settings, member)

/* Positions behind the prompt if neither -n nor --ctx says how many. */
enum { UNLIMITED = 4096 };

static const struct option options[] = {
    OPTION_MODEL,
    {"-p", "--prompt", OPTION_STRING, AT(text), 0, 0, "TEXT",
     "the prompt, where it does not stand behind the model", NULL},
    OPTION_ESCAPE,
    OPTION_FILE,
    {NULL, "--ids", OPTION_STRING, AT(ids), 0, 0, "LIST",
     "token ids, such as 1,2,3, taken as they are; - reads them from standard input", NULL},
    {"-n", "--tokens", OPTION_COUNT, AT(tokens), -1, 4294967295.0, "N",
     "tokens to generate at most (default 256; 0 or -1: until the text ends or the context is "
     "full)",
     "tokens at most (default 256; -1: to the end)"},
    {"-c", "--ctx", OPTION_COUNT, AT(context), 1, 4294967295.0, "N",
     "positions of the context, prompt included (default: what prompt and -n take, or 4096 more "
     "than the prompt with -n 0, as far as the "
     "model goes)",
     "positions of the context (default: as many as needed)"},
    OPTION_KV,
    OPTIONS_SAMPLING,
    OPTIONS_DRAFT,
    OPTION_LOOKUP,
    {NULL, "--deadline", OPTION_COUNT, AT(deadline_ms), 1, 1e12, "MS",
     "stop after this many milliseconds, the prompt's time included", NULL},
    {NULL, "--special", OPTION_FLAG, AT(special), 0, 0, NULL,
     "take control tokens spelled out in the prompt as such (trusted text only)", NULL},
    {NULL, "--heal", OPTION_FLAG, AT(heal), 0, 0, NULL,
     "where the prompt ends inside a word, choose the tokens of the whole word; only what follows "
     "the prompt is printed",
     NULL},
    OPTION_RAW,
    {NULL, "--jsonl", OPTION_FLAG, AT(jsonl), 0, 0, NULL,
     "print an object a line on standard output as the text comes: text and ids of each piece, at "
     "last done and the figures",
     "the text as it comes, one JSON object a piece"},
};

/* The ids that are evaluated, and with --heal the bytes of the text that are bound instead. */
struct prompt {
    struct ids ids;
    char bind[APUS_BIND_MAX];
    size_t bind_bytes;
};

/* What a generation gave. Text and ids are kept for --json only. */
struct result {
    char *text;
    size_t text_bytes, text_capacity;
    int32_t *ids;
    size_t ids_count, ids_capacity;
    apus_stop_reason stop;
    uint64_t begin_ns, first_ns, end_ns; /* first_ns: 0 until there is a token */
    struct energy energy;
    uint64_t energy_ns; /* when it was read last */
    double first_joules, end_joules;
};

/* Takes the bytes from the end of the text whose tokens depend on how its last word continues, but
 * not the whole text unless `all`. */
static int heal(struct prompt *prompt, const apus_blob *blob, struct text *text, uint32_t flags,
                int all) {
    size_t keep = text->count, scratch_bytes = apus_tokenize_scratch(blob, 256);
    void *scratch = malloc(scratch_bytes);
    if (!scratch) return fail(EXIT_FAULT, "no memory left to look for the prompt's last word.");
    apus_status status =
        apus_heal(blob, text->bytes, text->count, flags, &keep, scratch, scratch_bytes);
    free(scratch);
    if (status) return fail_status(status, "looking for the prompt's last word");
    if ((!keep && !all) || text->count - keep > sizeof prompt->bind) return EXIT_OK;
    prompt->bind_bytes = text->count - keep;
    if (prompt->bind_bytes) memcpy(prompt->bind, text->bytes + keep, prompt->bind_bytes);
    text->count = keep;
    return EXIT_OK;
}

static int make_prompt(struct prompt *prompt, const struct loaded *loaded,
                       const struct settings *settings) {
    struct ids *ids = &prompt->ids;
    if (!!settings->text + !!settings->file + !!settings->ids > 1)
        return fail(EXIT_USAGE, "more than one prompt was given: use one of -p TEXT, -f FILE (- is "
                                "standard input) or --ids LIST.");
    if (settings->ids) return input_ids(ids, settings->ids, loaded->info.vocab);
    struct text text;
    int status = input_text(
        &text, settings, "prompt",
        "Give it behind the model in quotes, with -f FILE, --ids LIST, or through a pipe.");
    const uint32_t flags = settings->special ? APUS_TEXT_SPECIALS : 0;
    if (!status && settings->heal)
        status = heal(prompt, &loaded->blob, &text, flags, loaded->info.add_bos);
    if (status) return status;
    const apus_part parts[] = {{APUS_PART_BOS, 0, NULL, 0},
                               {APUS_PART_TEXT, flags, text.bytes, text.count}};
    status = input_tokenize(ids, &loaded->blob, parts, 2);
    free(text.bytes);
    if (!status && !ids->count && ids->dropped)
        status = fail(EXIT_USAGE, "no token of this model has any byte of the prompt: give its "
                                  "ids with --ids LIST.");
    if (!status && !ids->count)
        status = fail(
            EXIT_USAGE,
            "the prompt is empty, and this model puts no token in front of one: give some text.");
    return status;
}

static int check_room(const struct loaded *loaded, const struct settings *settings, size_t prompt,
                      uint32_t context) {
    if (prompt <= context) return EXIT_OK;
    uint32_t most = loaded->info.max_positions;
    if (prompt > most)
        return fail(
            EXIT_USAGE,
            "the prompt has %zu tokens, but this model holds %u positions: give a shorter one.",
            prompt, most);
    return fail(EXIT_USAGE,
                "the prompt has %zu tokens, but the context holds %u: give a --ctx up to %u, or a "
                "shorter prompt (asked for: --ctx %" PRIu64 ").",
                prompt, context, most, settings->context);
}

static int grow(void **memory, size_t *capacity, size_t need) {
    if (*memory && need <= *capacity) return EXIT_OK;
    size_t larger = 2 * need + 256;
    void *more = realloc(*memory, larger);
    if (!more) {
        fail(EXIT_FAULT, "no memory left for the text.");
        return EXIT_FAULT;
    }
    *memory = more;
    *capacity = larger;
    return EXIT_OK;
}

/* Reads the counters when the figures begin and end, and every EVERY_S seconds between, before the
 * counters can overflow. */
static void read_energy(struct result *result, int first) {
    enum { EVERY_S = 10 };
    uint64_t now = now_ns();
    if (!first && now - result->energy_ns < EVERY_S * UINT64_C(1000000000)) return;
    result->energy_ns = now;
    double joules = energy_joules(&result->energy);
    if (first) result->first_joules = joules;
}

static int print_piece(const apus_piece *piece) {
    json_t *object = json_object();
    json_object_set_new(object, "text", json_bytes(piece->text, piece->bytes));
    json_object_set_new(object, "ids", json_ids(piece->ids, piece->count));
    return json_print(object);
}

/* Prints a piece, or keeps it for --json. */
static int take_piece(struct result *result, const apus_piece *piece,
                      const struct settings *settings) {
    const int first = piece->count && !result->first_ns;
    if (piece->count || result->first_ns) read_energy(result, first);
    if (first) result->first_ns = now_ns();
    result->ids_count += piece->count;
    if (settings->jsonl) return piece->count || piece->bytes ? print_piece(piece) : EXIT_OK;
    if (!settings->json) {
        result->text_bytes += piece->bytes;
        terminal_print(piece->text, piece->bytes, settings->raw);
        return piece->bytes ? output_flush() : EXIT_OK;
    }
    size_t ids_before = result->ids_count - piece->count;
    void *text = result->text, *ids = result->ids;
    int status = grow(&text, &result->text_capacity, result->text_bytes + piece->bytes);
    result->text = text;
    if (!status)
        status = grow(&ids, &result->ids_capacity, result->ids_count * sizeof *result->ids);
    result->ids = ids;
    if (status) return status;
    if (piece->bytes) memcpy(result->text + result->text_bytes, piece->text, piece->bytes);
    if (piece->count)
        memcpy(result->ids + ids_before, piece->ids, piece->count * sizeof *piece->ids);
    result->text_bytes += piece->bytes;
    return EXIT_OK;
}

/* After how many positions attention costs about as much as the weights do. */
static double attention_reach(const struct loaded *loaded) {
    double width = 1;
    apus_layer_info layer = {.size = sizeof layer};
    for (uint32_t i = 0; i < loaded->info.layers; i++)
        if (apus_blob_layer(&loaded->blob, i, &layer) == APUS_OK)
            width += (double)layer.heads * layer.head_dim;
    return (double)loaded->info.parameters / (6 * width); /* two products, and what is between
                                                             them */
}

/* Evaluates the prompt. A long one is evaluated in stretches of about half a second, so that the
 * progress can be shown. After a deadline or an interrupt the generation stops before the first
 * token. */
static int evaluate_prompt(struct result *result, struct loaded *loaded, const struct ids *prompt,
                           uint64_t deadline_ns, const struct settings *settings) {
    enum { SHORT = 512, PASS = 128, MOST = 4096 };
    struct progress progress = {.form = PROGRESS_NONE};
    const double reach = attention_reach(loaded), count = (double)prompt->count;
    if (prompt->count > SHORT) {
        command_progress(&progress, settings, "run");
        progress_phase(&progress, "reading the prompt", count + count * count / (2 * reach));
    }
    apus_status status = APUS_OK;
    size_t stretch = prompt->count > SHORT ? PASS : prompt->count;
    for (size_t at = 0; at < prompt->count && status == APUS_OK;) {
        size_t left = prompt->count - at, now = left < stretch ? left : stretch;
        const apus_part part = {APUS_PART_IDS, 0, prompt->ids + at, now};
        uint64_t begin = now_ns();
        if (prompt->count > SHORT)
            progress_enter(&progress, 0, "token %zu of %zu", at, prompt->count);
        status = at ? apus_append(loaded->session, &part, 1, deadline_ns)
                    : apus_prompt(loaded->session, &part, 1, deadline_ns);
        double middle = (double)at + (double)now / 2;
        if (prompt->count > SHORT) progress_step(&progress, 0, (double)now * (1 + middle / reach));
        if (now_ns() - begin < 250000000 && stretch < MOST) stretch *= 2;
        at += now;
    }
    progress_end(&progress);
    if (status < 0) return fail_status(status, "evaluating the prompt");
    if (status == APUS_PARTIAL)
        result->stop =
            deadline_ns && now_ns() >= deadline_ns ? APUS_STOP_DEADLINE : APUS_STOP_CANCELLED;
    return EXIT_OK;
}

static int generate(struct result *result, struct loaded *loaded, const struct prompt *prompt,
                    const struct settings *settings) {
    apus_stop stops[APUS_STOPS_MAX];
    apus_sampling sampling;
    int status = sampling_make(&sampling, stops, settings);
    if (status) return status;
    sampling.bind = prompt->bind;
    sampling.bind_bytes = (uint32_t)prompt->bind_bytes;
    if (settings->deadline_ms)
        sampling.deadline_ns = result->begin_ns + settings->deadline_ms * 1000000u;
    status = evaluate_prompt(result, loaded, &prompt->ids, sampling.deadline_ns, settings);
    if (status || result->stop) return status;
    apus_status done = apus_begin(loaded->session, &sampling);
    if (done < 0) return fail_status(done, "beginning the text");
    while (!status && !result->stop) {
        apus_piece piece = {.size = sizeof piece};
        done = apus_next(loaded->session, &piece);
        if (done < 0) return fail_status(done, "generating");
        result->stop = piece.stop;
        status = take_piece(result, &piece, settings);
    }
    return status;
}

/* Rates of a generation. Tokens per second count what came after the first token, because the time
 * of the first one is mostly that of the prompt, and without the time in which the draft read the
 * prompt. */
struct figures {
    double prefill_tps, decode_tps, weight_gb_per_s, first_token_ms;
    double joules, joules_tokens; /* joules, and the tokens after the first that they were counted
                                     of */
    apus_stats stats;
};

static void make_figures(struct figures *figures, const struct result *result,
                         const struct loaded *loaded) {
    memset(figures, 0, sizeof *figures);
    apus_stats *s = &figures->stats;
    s->size = sizeof *s;
    if (apus_get_stats(loaded->session, s) < 0) return;
    if (!result->ids_count) s->passes = 0; /* they belong to a prompt that was cut short */
    if (s->prompt_ns) figures->prefill_tps = (double)s->prompt_tokens * 1e9 / (double)s->prompt_ns;
    if (s->next_ns) figures->weight_gb_per_s = (double)s->read_bytes / (double)s->next_ns;
    if (result->first_ns)
        figures->first_token_ms = (double)(result->first_ns - result->begin_ns) * 1e-6;
    figures->joules = result->end_joules - result->first_joules;
    figures->joules_tokens = result->ids_count > 1 ? (double)(result->ids_count - 1) : 0;
    uint64_t decode_ns = result->end_ns - result->first_ns;
    if (result->ids_count > 1 && decode_ns)
        figures->decode_tps = (double)(result->ids_count - 1) * 1e9 / (double)decode_ns;
}

/* The engines, written as --engine takes them. */
static const char *engine_text(const apus_stats *s) {
    static char text[128];
    size_t n = 0;
    *text = 0;
    for (uint32_t i = 0; i < s->engines_count && n < sizeof text; i++)
        n += (size_t)(i + 1 < s->engines_count
                          ? snprintf(text + n, sizeof text - n, "%s:%u,", s->engines[i],
                                     s->engines_from[i + 1] - s->engines_from[i])
                          : snprintf(text + n, sizeof text - n, "%s", s->engines[i]));
    return text;
}

static int print_figures(const struct figures *f, const struct result *result, size_t prompt_tokens,
                         const struct settings *settings) {
    const apus_stats *s = &f->stats;
    int on_terminal = isatty(STDOUT_FILENO);
    if (on_terminal) putchar('\n');
    int status = output_flush();
    if (settings->quiet) return status;
    fprintf(stderr, "[prompt %zu tokens at %.1f/s, ", prompt_tokens, f->prefill_tps);
    if (result->ids_count)
        fprintf(stderr, "first token after %.0f ms; %zu tokens at %.1f/s, weights %.2f GB/s; ",
                f->first_token_ms, result->ids_count, f->decode_tps, f->weight_gb_per_s);
    else
        fputs("no token after it; ", stderr);
    if (f->joules_tokens > 0 && !*result->energy.reason)
        fprintf(stderr, "%.4g J a token; ", f->joules / f->joules_tokens);
    if (settings->temperature > 0) fprintf(stderr, "seed %" PRIu64 "; ", settings->seed);
    fprintf(stderr, "stop: %s; %s %s, %u threads, arena %.1f MB]\n",
            apus_stop_reason_text(result->stop), engine_text(s), s->cpu ? s->cpu : "", s->threads,
            (double)s->arena_bytes * 1e-6);
    if (s->rounds && (s->proposed || s->off_rounds)) speculation_print(s);
    return status;
}

static int print_object(const struct figures *f, const struct result *result,
                        const struct prompt *prompt, const struct settings *settings) {
    const apus_stats *s = &f->stats;
    json_t *object = json_object();
    if (settings->jsonl) {
        json_object_set_new(object, "done", json_true());
    } else {
        json_object_set_new(object, "text", json_bytes(result->text, result->text_bytes));
        json_object_set_new(object, "ids", json_ids(result->ids, result->ids_count));
    }
    json_object_set_new(object, "prompt_tokens", json_integer((json_int_t)prompt->ids.count));
    json_object_set_new(object, "dropped_bytes", json_integer((json_int_t)prompt->ids.dropped));
    if (settings->heal)
        json_object_set_new(object, "healed_bytes", json_integer((json_int_t)prompt->bind_bytes));
    json_object_set_new(object, "new_tokens", json_integer((json_int_t)result->ids_count));
    json_object_set_new(object, "stop_reason", json_string(apus_stop_reason_text(result->stop)));
    json_object_set_new(object, "seed",
                        settings->seed <= INT64_MAX ? json_integer((json_int_t)settings->seed)
                                                    : json_sprintf("%" PRIu64, settings->seed));
    json_object_set_new(object, "prefill_tps", json_number(f->prefill_tps));
    json_object_set_new(object, "decode_tps", json_number(f->decode_tps));
    json_object_set_new(object, "weight_gb_per_s", json_number(f->weight_gb_per_s));
    json_object_set_new(object, "first_token_ms", json_number(f->first_token_ms));
    json_object_set_new(object, "joules_per_token",
                        energy_per_token(&result->energy, f->joules, f->joules_tokens));
    json_object_set_new(object, "energy", energy_source(&result->energy));
    json_object_set_new(object, "arena_bytes", json_integer((json_int_t)s->arena_bytes));
    json_object_set_new(object, "logits_hash", json_hash(s->logits_hash));
    json_object_set_new(object, "passes", json_integer((json_int_t)s->passes));
    json_object_set_new(object, "context", json_integer(s->context));
    if (settings->draft || settings->lookup) speculation_json(object, s);
    json_object_set_new(object, "engine", json_string(engine_text(s)));
    json_object_set_new(object, "cpu", json_string(s->cpu ? s->cpu : ""));
    json_object_set_new(object, "threads", json_integer(s->threads));
    return json_print(object);
}

static int run_loaded(struct loaded *loaded, const struct settings *settings) {
    struct prompt prompt;
    struct result result;
    uint32_t context = 0;
    memset(&result, 0, sizeof result);
    memset(&prompt, 0, sizeof prompt);
    result.begin_ns = now_ns();
    int status = make_prompt(&prompt, loaded, settings);
    uint64_t tokenize_ns = now_ns() - result.begin_ns;
    if (!status)
        status = choose_context(
            loaded, settings, prompt.ids.count + (settings->tokens ? settings->tokens : UNLIMITED),
            &context);
    if (!status) status = check_room(loaded, settings, prompt.ids.count, context);
    if (!status) status = load_session(loaded, settings, context);
    if (!status) {
        energy_open(&result.energy);
        result.begin_ns = now_ns() - tokenize_ns; /* the time of opening the session does not
                                                     count */
        interrupt_watch(loaded->session, NULL);
        status = generate(&result, loaded, &prompt, settings);
        interrupt_watch(NULL, NULL);
        result.end_ns = now_ns();
        result.end_joules = energy_joules(&result.energy);
    }
    if (!status) {
        struct figures figures;
        make_figures(&figures, &result, loaded);
        status = settings->json ? print_object(&figures, &result, &prompt, settings)
                                : print_figures(&figures, &result, prompt.ids.count, settings);
        if (!status) status = interrupt_status();
    }
    free(prompt.ids.ids);
    free(result.text);
    free(result.ids);
    return status;
}

static int run_main(const struct settings *given) {
    struct settings with_proposals = *given, *settings = &with_proposals;
    apus_stop stops[APUS_STOPS_MAX];
    apus_sampling sampling;
    struct loaded loaded;
    settings->json |= settings->jsonl;
    int status = sampling_seed(settings);
    if (!status)
        status = sampling_make(&sampling, stops,
                               settings); /* a wrong option is reported before a model is opened */
    if (!status) status = speculation_settings(settings);
    if (!status) status = load_blob(&loaded, settings->model);
    if (status) return status;
    status = run_loaded(&loaded, settings);
    unload(&loaded);
    return status;
}

const struct command command_run = {
    .name = "run",
    .summary = "complete a prompt",
    .usage = "MODEL.apus [PROMPT] [options]",
    .description =
        "Prints the text that follows the prompt, as it comes, on standard output, and a line of "
        "figures on standard error. Where no prompt is "
        "given, it is what comes through a pipe. The model's "
        "beginning-of-text token is put in front where the model wants one; ids are taken as they "
        "are.\n\n"
        "The text is the same for every instruction set and number of threads. Without --temp the "
        "likeliest token is taken each time. "
        "The first interrupt (Ctrl-C) ends the text and prints the figures, the second ends the "
        "program.\n\n"
        "With --json: text, ids, prompt_tokens, dropped_bytes (of the prompt: no token has them), "
        "healed_bytes (with --heal alone: of the prompt, spelled anew by the first of ids), "
        "new_tokens, stop_reason (eos, length, stop, "
        "cancelled, deadline, context), seed, prefill_tps, "
        "decode_tps, weight_gb_per_s, first_token_ms, joules_per_token (after the first; null "
        "where not known, and energy says why), "
        "energy, "
        "arena_bytes, logits_hash, passes, context, engine, cpu, threads. With a draft or "
        "--lookup "
        "also: rounds, proposed, accepted, accepted_at (of the proposals at each place of a round, "
        "the share that was accepted), "
        "branches (proposed beside those, where a second choice is likely enough), branches_taken, "
        "tokens_per_round, draft_ms, "
        "draft_prompt_ms, verify_ms, overlap_ms (of that, the time in which the draft went on "
        "meanwhile), ahead (tokens it made so), "
        "ahead_kept (proposals that were there when their round began), overhead_ms, "
        "draft_off_rounds. With --jsonl an object with text and "
        "ids for each piece, and at last one with done and these keys, text and ids left out.",
    .example = "apus run model.apus 'def fibonacci(n):' -n 64\n"
               "apus run model.apus <notes.txt --temp 0.8 --seed -1 --stop '###'",
    .options = options,
    .options_count = COUNT_OF(options),
    .surplus = SURPLUS_TEXT,
    .operands = {OPERAND_MODEL, {"PROMPT", AT(text), AT(file)}},
    .main = run_main,
};
