/* apus chat: a conversation in which each line is a turn. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/template/chat.h"
#include "command.h"
#include "fail_status.h"
#include "input.h"
#include "kit/escape.h"
#include "kit/json.h"
#include "kit/outfile.h"
#include "kit/terminal.h"
#include "load.h"
#include "sampling.h"
#include "speculation.h"

#define AT(member) offsetof(struct settings, member)

enum { CONTEXT = 4096 }; /* positions if --ctx is not given */

static const struct option options[] = {
    OPTION_MODEL,
    {NULL, "--system", OPTION_STRING, AT(system), 0, 0, "TEXT",
     "the system message, which tells the model how to answer (default: what its template has)",
     "the system message"},
    {NULL, "--chat-template", OPTION_STRING, AT(chat_template), 0, 0, "NAME",
     "how turns are written, such as chatml, llama3 or plain (default: what the blob says)",
     "how turns are written (default: as the blob says)"},
    {"-n", "--tokens", OPTION_COUNT, AT(answer_tokens), 0, 4294967295.0, "N",
     "tokens of an answer at most (default 0: until it ends or the context is full)",
     "tokens of an answer at most"},
    {"-c", "--ctx", OPTION_COUNT, AT(context), 1, 4294967295.0, "N",
     "positions of the context; the oldest turns give way where it is full (default 4096, as far "
     "as the model goes)",
     "positions of the context (default 4096)"},
    OPTION_KV,
    OPTIONS_SAMPLING,
    OPTIONS_DRAFT,
    OPTION_LOOKUP,
    OPTION_ESCAPE,
    OPTION_RAW,
    {NULL, "--jsonl", OPTION_FLAG, AT(jsonl), 0, 0, NULL,
     "print an object a line on standard output as answers come: text and ids of each piece, at "
     "the end of each answer done and its figures",
     "answers as they come, one JSON object a piece"},
};

/* ------------------------------------------------------------------------------ interruption -- */

static apus_session *volatile answering; /* NULL: no answer is being generated */
static volatile uint32_t ticket;
static volatile sig_atomic_t interrupted, waiting; /* waiting: a line is being read */

/* A signal during an answer ends the answer. A signal while a line is read ends the program from
 * here: if it only set a flag, a read that begins just after the flag was checked would not see
 * it. */
static void on_signal(int number) {
    apus_session *session = answering; /* on Windows the answer goes on beside this */
    interrupted = number;
    if (session)
        apus_cancel_request(session, ticket);
    else if (waiting)
        _exit(128 + number);
}

static void watch_signals(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* -------------------------------------------------------------------------------- the talk -- */

/* A turn of the conversation. It owns its text and ids. */
struct turn {
    enum chat_role role;
    char *text;
    size_t bytes;
    int32_t *ids; /* of an answer, as the context has them; NULL: there is only the text */
    size_t ids_count;
};

struct talk {
    const struct settings *settings;
    struct loaded loaded;
    struct chat chat;
    apus_sampling sampling;
    apus_stop stops[APUS_STOPS_MAX];
    uint32_t context;
    struct turn *turns; /* [count] user and assistant alternate; the last may be a question without
                           an answer */
    size_t count, room;
    size_t forgotten;   /* how many of the first turns are left out, because the context is full */
    int told_forgotten; /* the user was told that turns are forgotten */
    int interactive;    /* standard input and output are both a terminal */
};

static void free_turn(struct turn *turn) {
    free(turn->text);
    free(turn->ids);
}

static void drop_turns(struct talk *talk, size_t left) {
    while (talk->count > left) free_turn(&talk->turns[--talk->count]);
    if (talk->forgotten > left) talk->forgotten = left;
}

static int add_turn(struct talk *talk, enum chat_role role, const char *text, size_t bytes) {
    if (talk->count == talk->room) {
        size_t room = 2 * talk->room + 16;
        struct turn *more = realloc(talk->turns, room * sizeof *more);
        if (!more) return fail(EXIT_FAULT, "no memory left for the conversation.");
        talk->turns = more;
        talk->room = room;
    }
    struct turn turn = {.role = role, .text = malloc(bytes + 1), .bytes = bytes};
    if (!turn.text) return fail(EXIT_FAULT, "no memory left for the conversation.");
    if (bytes) memcpy(turn.text, text, bytes);
    talk->turns[talk->count++] = turn;
    return EXIT_OK;
}

/* Adds the text and ids of a piece to the last turn. */
static int add_piece(struct talk *talk, const apus_piece *piece) {
    struct turn *turn = &talk->turns[talk->count - 1];
    char *text = realloc(turn->text, turn->bytes + piece->bytes + 1);
    if (text) turn->text = text;
    int32_t *ids = realloc(turn->ids, (turn->ids_count + piece->count + 1) * sizeof *ids);
    if (ids) turn->ids = ids;
    if (!text || !ids) return fail(EXIT_FAULT, "no memory left for the answer.");
    if (piece->bytes) memcpy(text + turn->bytes, piece->text, piece->bytes);
    if (piece->count) memcpy(ids + turn->ids_count, piece->ids, piece->count * sizeof *ids);
    turn->bytes += piece->bytes, turn->ids_count += piece->count;
    return EXIT_OK;
}

/* ---------------------------------------------------------------------------------- prompts -- */

static int make_ids(struct talk *talk, struct ids *ids) {
    struct part_list list = {0};
    size_t count = 0;
    struct chat_message *messages = calloc(talk->count - talk->forgotten + 1, sizeof *messages);
    if (!messages) return fail(EXIT_FAULT, "no memory left for the prompt.");
    const char *system = talk->settings->system;
    if (system)
        messages[count++] = (struct chat_message){CHAT_SYSTEM, system, strlen(system), NULL, 0};
    for (size_t i = talk->forgotten; i < talk->count; i++) {
        const struct turn *t = &talk->turns[i];
        messages[count++] = (struct chat_message){t->role, t->text, t->bytes, t->ids, t->ids_count};
    }
    chat_prompt(&list, &talk->chat, messages, count, true);
    int status = list.failed ? fail(EXIT_FAULT, "no memory left for the prompt.")
                             : input_tokenize(ids, &talk->loaded.blob, list.parts, list.count);
    part_list_free(&list);
    free(messages);
    return status;
}

/* Makes the ids of the whole conversation, with room for an answer behind them: the oldest
 * questions are left out, with their answers. ids->count is 0 if not even the last question
 * fits. */
static int make_prompt(struct talk *talk, struct ids *ids) {
    const uint64_t most = talk->context, asked = talk->settings->answer_tokens;
    const uint64_t answer = asked && asked < most / 4 ? asked : most / 4;
    for (;;) {
        int status = make_ids(talk, ids);
        if (status || ids->count + answer <= most) return status;
        if (talk->count - talk->forgotten < 3) break;
        free(ids->ids);
        memset(ids, 0, sizeof *ids);
        talk->forgotten += 2;
        if (!talk->told_forgotten)
            fail_note("the context of %u positions is full: the oldest turns are no longer seen by "
                      "the model (--ctx N makes it larger).",
                      talk->context);
        talk->told_forgotten = 1;
    }
    if (ids->count < most) return EXIT_OK; /* there is room for a short answer */
    fail_note("the turn has more than the %u positions of the context, and is left out.",
              talk->context);
    free(ids->ids);
    memset(ids, 0, sizeof *ids);
    drop_turns(talk, talk->count - 1);
    return EXIT_OK;
}

/* ---------------------------------------------------------------------------------- answers -- */

static int show_piece(const struct talk *talk, const apus_piece *piece) {
    const struct settings *settings = talk->settings;
    if (settings->jsonl) {
        if (!piece->count && !piece->bytes) return EXIT_OK;
        json_t *object = json_object();
        json_object_set_new(object, "text", json_bytes(piece->text, piece->bytes));
        json_object_set_new(object, "ids", json_ids(piece->ids, piece->count));
        return json_print(object);
    }
    if (settings->json || !piece->bytes) return EXIT_OK;
    terminal_print(piece->text, piece->bytes, settings->raw);
    return output_flush();
}

static int show_end(const struct talk *talk, apus_stop_reason stop, size_t prompt) {
    const struct turn *turn = &talk->turns[talk->count - 1];
    apus_stats stats = {.size = sizeof stats};
    if (!talk->settings->json) {
        putchar('\n');
        return output_flush();
    }
    if (apus_get_stats(talk->loaded.session, &stats) < 0) memset(&stats, 0, sizeof stats);
    json_t *object = json_object();
    if (talk->settings->jsonl)
        json_object_set_new(object, "done", json_true());
    else
        json_object_set_new(object, "text", json_bytes(turn->text, turn->bytes));
    json_object_set_new(object, "prompt_tokens", json_integer((json_int_t)prompt));
    json_object_set_new(object, "reused_tokens", json_integer((json_int_t)stats.reused));
    json_object_set_new(object, "evaluated_tokens", json_integer((json_int_t)stats.prompt_tokens));
    json_object_set_new(object, "new_tokens", json_integer((json_int_t)stats.new_tokens));
    json_object_set_new(object, "forgotten_turns", json_integer((json_int_t)talk->forgotten));
    json_object_set_new(object, "stop_reason", json_string(apus_stop_reason_text(stop)));
    return json_print(object);
}

/* Keeps of an answer what the next prompt takes: its ids without the token that ended it. */
static void settle(struct turn *turn, apus_stop_reason stop) {
    if (stop == APUS_STOP_EOS && turn->ids_count) turn->ids_count--;
    if (stop != APUS_STOP_TEXT && turn->ids_count) return;
    free(turn->ids);
    turn->ids = NULL, turn->ids_count = 0;
}

static int generate(struct talk *talk, const struct ids *prompt) {
    const apus_part part = {APUS_PART_IDS, 0, prompt->ids, prompt->count};
    apus_session *session = talk->loaded.session;
    apus_status done = apus_prompt(session, &part, 1, 0);
    if (done < 0) return fail_status(done, "evaluating the prompt");
    if (done == APUS_PARTIAL) {
        drop_turns(talk, talk->count - 1); /* it was stopped before an answer began */
        return EXIT_OK;
    }
    done = apus_begin(session, &talk->sampling);
    if (done < 0) return fail_status(done, "beginning the answer");
    int status = add_turn(talk, CHAT_ASSISTANT, "", 0);
    apus_stop_reason stop = APUS_RUNNING;
    while (!status && !stop) {
        apus_piece piece = {.size = sizeof piece};
        done = apus_next(session, &piece);
        if (done < 0) return fail_status(done, "generating");
        stop = piece.stop;
        status = add_piece(talk, &piece);
        if (!status) status = show_piece(talk, &piece);
    }
    if (status) return status;
    settle(&talk->turns[talk->count - 1], stop);
    return show_end(talk, stop, prompt->count);
}

static int answer(struct talk *talk, const char *question, size_t bytes) {
    struct ids prompt = {NULL, 0, 0};
    int status = add_turn(talk, CHAT_USER, question, bytes);
    if (!status) status = make_prompt(talk, &prompt);
    if (!status && prompt.count) {
        ticket = apus_request(talk->loaded.session);
        answering = talk->loaded.session;
        status = generate(talk, &prompt);
        answering = NULL;
        if (interrupted && talk->interactive && !status) putchar('\n'), fflush(stdout);
        if (interrupted == SIGINT) interrupted = 0; /* it ended the answer, not the program */
    }
    free(prompt.ids);
    return status;
}

/* --------------------------------------------------------------------------------- commands -- */

static const char HELP[] =
    "/reset forgets the conversation, /save FILE writes it as JSON, /quit ends (so does the end of "
    "the input). // begins a line with a slash. Ctrl-C stops an answer, at the prompt the program.";

static json_t *messages_array(const struct talk *talk) {
    static const char *const roles[CHAT_ROLES] = {"system", "user", "assistant"};
    json_t *array = json_array();
    const char *system = talk->settings->system;
    if (system)
        json_array_append_new(array, json_pack("{ss so}", "role", roles[CHAT_SYSTEM], "content",
                                               json_bytes(system, strlen(system))));
    for (size_t i = 0; i < talk->count; i++)
        json_array_append_new(array,
                              json_pack("{ss so}", "role", roles[talk->turns[i].role], "content",
                                        json_bytes(talk->turns[i].text, talk->turns[i].bytes)));
    return array;
}

static bool is_conversation(int fd) {
    char first = 0;
    return read(fd, &first, 1) == 1 && first == '[';
}

static void save(const struct talk *talk, const char *path) {
    static const struct outfile_kind kind = {"conversation", is_conversation};
    struct outfile out = {0};
    json_t *array = messages_array(talk);
    char *text = json_dumps(array, JSON_INDENT(2));
    json_decref(array);
    if (!*path)
        fail_note("/save expects the name of a file.");
    else if (!text)
        fail_note("no memory left to save the conversation.");
    else if (outfile_open(&out, path, &kind) && outfile_put(&out, 0, text, strlen(text)) &&
             outfile_put(&out, strlen(text), "\n", 1) && outfile_commit(&out))
        fail_note("saved %zu turns.", talk->count);
    else
        fail_note("%s.", out.why);
    outfile_abandon(&out);
    free(text);
}

/* Obeys a line that begins with one slash. Returns true if it ends the program. */
static bool run_command(struct talk *talk, const char *line) {
    if (!strcmp(line, "/quit") || !strcmp(line, "/exit")) return true;
    if (!strcmp(line, "/reset"))
        drop_turns(talk, 0), talk->told_forgotten = 0;
    else if (!strncmp(line, "/save", 5) && (!line[5] || line[5] == ' '))
        save(talk, line + 5 + (line[5] == ' '));
    else if (!strcmp(line, "/help"))
        fail_note("%s", HELP);
    else
        fail_note("'%s' is no command. %s", terminal_shown(line), HELP);
    return false;
}

/* ------------------------------------------------------------------------------------- loop -- */

/* Like getline; also -1 if a signal came before. All output is flushed before it waits. */
static ssize_t read_line(struct talk *talk, char **line, size_t *room) {
    if (talk->interactive) fputs("> ", stdout);
    fflush(stdout);
    waiting = 1;
    ssize_t got = interrupted ? -1 : getline(line, room, stdin);
    waiting = 0;
    return got;
}

static int converse(struct talk *talk) {
    char *line = NULL;
    size_t room = 0;
    int status = EXIT_OK;
    watch_signals();
    while (!status && !interrupted) {
        ssize_t got = read_line(talk, &line, &room);
        if (got < 0) break;
        while (got && (line[got - 1] == '\n' || line[got - 1] == '\r')) line[--got] = 0;
        const size_t skipped = got > 1 && line[0] == '/' && line[1] == '/';
        if (!got) continue;
        if (line[0] == '/' && !skipped) {
            if (run_command(talk, line)) break;
        } else {
            status = answer(talk, line + skipped, (size_t)got - skipped);
        }
    }
    if (talk->interactive) putchar('\n'), fflush(stdout);
    free(line);
    return !status && interrupted ? 128 + (int)interrupted : status;
}

static int list_templates(const char *wrong) {
    char names[512];
    size_t n = 0;
    for (size_t i = 0; chat_forms()[i]; i++)
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", i ? ", " : "",
                              chat_forms()[i]->name);
    return fail(EXIT_USAGE, "--chat-template expects one of %s, found '%s'.", names, wrong);
}

static int choose_template(struct talk *talk) {
    const char *what = "", *asked = talk->settings->chat_template;
    switch (chat_open(&talk->chat, &talk->loaded.blob, asked, &what)) {
    case CHAT_OK:
    case CHAT_MISPLACED:
        break;
    case CHAT_NONE:
        fail_note("the blob names no chat template, so turns are lines of User: and Assistant: "
                  "(--chat-template NAME gives another).");
        break;
    case CHAT_UNKNOWN:
        if (asked) return list_templates(what);
        fail_note("the chat template '%s' is not known here, so turns are lines of User: and "
                  "Assistant:.",
                  what);
        break;
    case CHAT_MISSING:
        return fail(EXIT_USAGE,
                    "the model has no token %s, which this chat template needs: give "
                    "another --chat-template NAME, such as plain.",
                    what);
    }
    const char *stop = talk->chat.form->stop;
    if (stop && talk->sampling.stops_count < APUS_STOPS_MAX)
        talk->stops[talk->sampling.stops_count++] = (apus_stop){stop, strlen(stop)};
    return EXIT_OK;
}

/* With -e: a copy of the system text in which escapes are the characters they stand for. The caller
 * frees it. Else NULL. */
static char *system_text(const struct settings *settings) {
    if (!settings->system || !settings->escape) return NULL;
    char *text = strdup(settings->system);
    if (text) text[escape_text(text, settings->system)] = 0;
    return text;
}

static int chat_main(const struct settings *given) {
    struct settings own = *given;
    char *system = system_text(given);
    struct talk talk = {.settings = &own};
    own.json |= own.jsonl;
    own.tokens = own.answer_tokens;
    if (system) own.system = system;
    talk.interactive = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !own.json;
    int status = sampling_seed(&own);
    if (!status) status = sampling_make(&talk.sampling, talk.stops, &own);
    if (!status) status = speculation_settings(&own);
    if (!status) status = load_blob(&talk.loaded, own.model);
    if (!status) status = choose_template(&talk);
    if (!status) status = choose_context(&talk.loaded, &own, CONTEXT, &talk.context);
    if (!status) status = load_session(&talk.loaded, &own, talk.context);
    if (!status && talk.interactive && !own.quiet) fail_note("%s", HELP);
    if (!status) status = converse(&talk);
    drop_turns(&talk, 0);
    free(talk.turns);
    free(system);
    unload(&talk.loaded);
    return status;
}

const struct command command_chat = {
    .name = "chat",
    .summary = "hold a conversation",
    .usage = "MODEL.apus [options]",
    .description =
        "Each line that is typed, or comes through a pipe, is a turn; the answer comes on standard "
        "output. Turns are written as the blob's chat template has it, what is typed is text and "
        "never a control token. Only what is new of a conversation is evaluated; where the context "
        "is full, the oldest turns give way.\n\n"
        "Lines with a slash are commands: /reset forgets the conversation, /save FILE writes it as "
        "JSON, /help, /quit. Two slashes begin a line with one. Ctrl-C stops an answer, at the "
        "prompt it ends the program.\n\n"
        "With --json an object a turn: text, prompt_tokens, reused_tokens (of them, in the context "
        "already), evaluated_tokens, new_tokens, forgotten_turns, stop_reason. With --jsonl an "
        "object with text and ids for each piece, and at the end of each answer one with done and "
        "these keys, text left out.",
    .example = "apus chat model.apus --temp 0.7 --top-p 0.9",
    .options = options,
    .options_count = COUNT_OF(options),
    .operands = {OPERAND_MODEL},
    .main = chat_main,
};
