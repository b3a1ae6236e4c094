/* apus serve: completion over HTTP. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "http_door.h"
#include "kit/fail.h"
#include "kit/options.h"
#include "room.h"
#include "sampling.h"
#include "speculation.h"

#define AT(member) offsetof(struct settings, member)

static const struct option options[] = {
    OPTION_MODEL,
    {NULL, "--host", OPTION_STRING, AT(host), 0, 0, "NAME",
     "name or address to listen on (default 127.0.0.1: this machine alone)",
     "where to listen (default 127.0.0.1)"},
    {NULL, "--port", OPTION_COUNT, AT(port), 0, 65535, "N",
     "port to listen on (default 8012); 0 takes one that is free, which standard output tells",
     "port (default 8012; 0: any)"},
    {NULL, "--slots", OPTION_COUNT, AT(slots), 1, 16, "N",
     "contexts that are kept, each for the requests that continue it (default 3)",
     "contexts to keep (default 3)"},
    {"-c", "--ctx", OPTION_COUNT, AT(context), 1, 4294967295.0, "N",
     "positions of each context (default: 8192, as far as the model goes)",
     "positions of a context (default 8192)"},
    OPTION_KV,
    OPTIONS_DRAFT,
    OPTION_NO_LOOKUP,
    {NULL, "--fim", OPTION_STRING, AT(fim), 0, 0, "NAME",
     "family of the markers for filling in (default: what the blob says)", NULL},
    {NULL, "--chat-template", OPTION_STRING, AT(chat_template), 0, 0, "NAME",
     "template of conversations (default: what the blob says)", NULL},
    {NULL, "--special", OPTION_FLAG, AT(special), 0, 0, NULL,
     "take control tokens spelled out in raw prompts as such (trusted clients only)", NULL},
    {NULL, "--api-key", OPTION_STRING, AT(key), 0, 0, "KEY",
     "let in only those who give it; others on this machine can see it in the list of processes",
     NULL},
    {NULL, "--api-key-file", OPTION_STRING, AT(key_file), 0, 0, "FILE",
     "the same, the first line of a file; without either the environment's APUS_API_KEY",
     "let in only who gives the key in this file"},
    {NULL, "--allow-origin", OPTION_SEVERAL, AT(origins), 0, 0, "ORIGIN",
     "let pages of this origin in, such as https://example.org, or * for all (default: none); can "
     "be given 16 times",
     NULL},
    {NULL, "--allow-host", OPTION_SEVERAL, AT(hosts), 0, 0, "NAME",
     "a name by which clients may call this machine, beside localhost; can be given 16 times",
     NULL},
    {NULL, "--queue", OPTION_COUNT, AT(queue), 1, 4096, "N",
     "requests that may wait; one more gets 503 (default 64)", NULL},
    {NULL, "--connections", OPTION_COUNT, AT(connections), 1, 1024, "N",
     "connections at once; one more gets 503 (default 128)", NULL},
    {NULL, "--body", OPTION_COUNT, AT(body), 1024, 16777216, "BYTES",
     "longest body of a request; a longer one gets 413 (default 4194304)", NULL},
    {NULL, "--log-requests", OPTION_FLAG, AT(log_requests), 0, 0, NULL,
     "write what clients send to standard error; without it nothing of it is kept", NULL},
};

enum { PORT_USUAL = 8012, SLOTS_USUAL = 3, CONNECTIONS_USUAL = 128, BODY_USUAL = 4 << 20 };
enum { HEAD_BYTES = 16384, IDLE_S = 15, REQUEST_S = 30, KEY_BYTES = 256 };

/* Reads the key. It may come from a file or the environment, so that no list of processes shows
 * it. */
static int read_key(const struct settings *settings, char key[KEY_BYTES]) {
    const char *of_environment = getenv("APUS_API_KEY");
    if (settings->key && settings->key_file)
        return fail(EXIT_USAGE, "both --api-key and --api-key-file were given: use one of them.");
    const char *given = settings->key ? settings->key : settings->key_file ? NULL : of_environment;
    if (given) snprintf(key, KEY_BYTES, "%s", given);
    if (settings->key_file) {
        FILE *file = fopen(settings->key_file, "r");
        if (!file || !fgets(key, KEY_BYTES, file)) *key = 0;
        if (file) fclose(file);
        key[strcspn(key, "\r\n")] = 0;
    }
    if ((given || settings->key_file) && !*key)
        return fail(EXIT_USAGE, "the key is empty, or '%s' cannot be read.",
                    settings->key_file ? settings->key_file : "--api-key");
    if (given && strlen(given) >= KEY_BYTES)
        return fail(EXIT_USAGE, "the key has more than %d bytes.", KEY_BYTES - 1);
    return EXIT_OK;
}

static void make_config(struct door_config *config, const struct settings *settings,
                        const char *key) {
    *config = (struct door_config){
        .host = settings->host ? settings->host : "127.0.0.1",
        .port = (uint16_t)settings->port,
        .limits = {.head_bytes = HEAD_BYTES,
                   .body_bytes = settings->body ? (size_t)settings->body : BODY_USUAL,
                   .connections =
                       settings->connections ? (uint32_t)settings->connections : CONNECTIONS_USUAL,
                   .idle_s = IDLE_S,
                   .request_s = REQUEST_S},
        .key = *key ? key : NULL,
        .origins_count = settings->origins_count,
        .hosts_count = settings->hosts_count,
        .log_requests = settings->log_requests,
        .special = settings->special};
    memcpy(config->origins, settings->origins, sizeof config->origins);
    memcpy(config->hosts, settings->hosts, sizeof config->hosts);
}

/* Prints the address. Programs wait for this line, because it says that requests are now taken. */
static int announce(const struct door *door, const struct door_config *config,
                    const struct settings *settings, struct room *room) {
    const struct room_model *model = room_model(room);
    int is_v6 = strchr(config->host, ':') != NULL;
    if (!settings->quiet)
        fprintf(stderr, "apus serve: %s, %u slots of %u positions, markers '%s', chat '%s'%s\n",
                model->name, model->slots, model->context, model->fim.form->name,
                model->chat.form->name, config->key ? ", with a key" : "");
    printf("http://%s%s%s:%u\n", is_v6 ? "[" : "", config->host, is_v6 ? "]" : "", door_port(door));
    return fflush(stdout) ? fail(EXIT_FAULT, "standard output cannot be written.") : EXIT_OK;
}

static int serve(const struct door_config *config, const struct settings *settings,
                 struct room *room) {
    struct door_config with = *config;
    struct door *door = NULL;
    with.room = room;
    int status = door_open(&door, &with);
    if (!status) status = announce(door, &with, settings, room);
    if (!status) status = 128 + door_run(door);
    room_close(room);
    door_close(door);
    return status;
}

static int serve_main(const struct settings *given) {
    struct settings settings = *given;
    char key[KEY_BYTES] = "";
    struct door_config config;
    struct room *room;
    settings.lookup = !settings.no_lookup;
    int status = speculation_settings(&settings);
    if (!status) status = read_key(&settings, key);
    if (status) return status;
    make_config(&config, &settings, key);
    const struct room_config of_room = {.settings = &settings,
                                        .slots =
                                            settings.slots ? (uint32_t)settings.slots : SLOTS_USUAL,
                                        .queue = (uint32_t)settings.queue,
                                        .fim = settings.fim,
                                        .chat = settings.chat_template};
    if (room_open(&room, &of_room))
        return fail(EXIT_FAULT, "no thread could be started for the model.");
    status = room_wait(room);
    if (status) {
        room_close(room);
        return status;
    }
    return serve(&config, &settings, room);
}

const struct command command_serve = {
    .name = "serve",
    .summary = "answer completion requests of editors and other clients over HTTP",
    .usage = "MODEL.apus [options]",
    .description =
        "Listens for HTTP on this machine, port 8012, and writes what is asked for: /infill and "
        "/completion as llama.cpp's server has them (llama.vim and llama.vscode work unchanged), "
        "/v1/completions (with suffix) and /v1/chat/completions as OpenAI's clients expect, "
        "/v1/models, /tokenize, /detokenize, /props, /slots, /metrics and /health. The first line "
        "on standard output is the address; it comes when requests are taken.\n\n"
        "A request goes to the context that holds most of its prompt, and a client that hangs up "
        "stops its work. Requests that only read a prompt (n_predict 0) give way to others.\n\n"
        "Only this machine is listened to unless --host says otherwise; pages of the web are kept "
        "out, and nothing of a request is written anywhere without --log-requests. An interrupt "
        "(Ctrl-C) or SIGTERM lets the last answers go and ends the program.",
    .example = "apus serve model.apus\n"
               "apus serve model.apus -d draft.apus --slots 4 --api-key-file key.txt",
    .options = options,
    .options_count = COUNT_OF(options),
    .operands = {OPERAND_MODEL},
    .main = serve_main,
};
