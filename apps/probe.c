/* apus probe: says in words whether each engine can be used here, or what it needs. */
#include <stdio.h>
#include <string.h>

#include "apus/port.h"
#include "command.h"
#include "kit/json.h"

/* Collects what is said about each engine, in the order in which it is said. */
static void say_object(void *user, const char *engine, int available, const char *text) {
    json_t *engines = user, *last = NULL;
    size_t count = json_array_size(engines);
    if (count) last = json_array_get(engines, count - 1);
    if (!last || strcmp(json_string_value(json_object_get(last, "engine")), engine) != 0) {
        last = json_object();
        json_object_set_new(last, "engine", json_string(engine));
        json_object_set_new(last, "says", json_array());
        json_array_append_new(engines, last);
    }
    available |= json_is_true(json_object_get(last, "available")); /* one device is enough */
    json_object_set_new(last, "available", json_boolean(available));
    json_array_append_new(json_object_get(last, "says"), json_bytes(text, strlen(text)));
}

static void say_text(void *user, const char *engine, int available, const char *text) {
    (void)user;
    printf("%-5s %-13s %s\n", engine, available ? "available" : "not available", text);
}

static int probe_main(const struct settings *settings) {
    if (!settings->json) {
        apus_probe(apus_port_host(), say_text, NULL);
        printf("The strongest instruction set here is %s; %u processors may be used.\n",
               apus_cpu_name(apus_cpu_best()), apus_port_processors());
        return output_flush();
    }
    json_t *object = json_object(), *engines = json_array();
    apus_probe(apus_port_host(), say_object, engines);
    json_object_set_new(object, "engines", engines);
    json_object_set_new(object, "cpu", json_string(apus_cpu_name(apus_cpu_best())));
    json_object_set_new(object, "processors", json_integer(apus_port_processors()));
    return json_print(object);
}

const struct command command_probe = {
    .name = "probe",
    .summary = "say what each engine would need here",
    .usage = "",
    .description = "Prints, for every engine of this build, whether it can be used on this machine "
                   "and what is missing if not.\n\n"
                   "With --json: engines (engine, available, says), cpu (the strongest instruction "
                   "set), processors.",
    .example = "apus probe",
    .main = probe_main,
};
