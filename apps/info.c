/* apus info: what a blob says about itself. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "fail_status.h"
#include "kit/json.h"
#include "kit/progress.h"
#include "kit/terminal.h"
#include "load.h"

/* The sums over all tensors of one weight type. */
struct type_sum {
    const char *type;
    uint32_t tensors;
    uint64_t weights, bytes;
};
enum { TYPES_MAX = 8 };

static size_t sum_types(const struct loaded *loaded, struct type_sum *sums) {
    size_t count = 0;
    for (uint32_t i = 0; i < loaded->info.tensors; i++) {
        apus_tensor_info t = {.size = sizeof t};
        if (apus_blob_tensor(&loaded->blob, i, &t) != APUS_OK) continue;
        size_t k = 0;
        while (k < count && strcmp(sums[k].type, t.type) != 0) k++;
        if (k == TYPES_MAX) continue;
        if (k == count) sums[count++] = (struct type_sum){.type = t.type};
        sums[k].tensors++;
        sums[k].weights += (uint64_t)t.rows * t.cols;
        sums[k].bytes += t.bytes;
    }
    return count;
}

static bool is_alike(const apus_layer_info *a, const apus_layer_info *b) {
    return a->heads == b->heads && a->kv_heads == b->kv_heads && a->head_dim == b->head_dim &&
           a->ffn == b->ffn && a->experts == b->experts && a->active == b->active &&
           a->window == b->window;
}

static void print_layers(const struct loaded *loaded) {
    apus_layer_info first = {.size = sizeof first}, next = {.size = sizeof next};
    for (uint32_t i = 0; i < loaded->info.layers;) {
        uint32_t end = i + 1;
        if (apus_blob_layer(&loaded->blob, i, &first) != APUS_OK) return;
        while (end < loaded->info.layers && apus_blob_layer(&loaded->blob, end, &next) == APUS_OK &&
               is_alike(&first, &next))
            end++;
        printf(end == i + 1 ? "  layer %u" : "  layers %u to %u", i, end - 1);
        if (first.heads)
            printf(": %u heads, %u of keys and values, %u wide", first.heads, first.kv_heads,
                   first.head_dim);
        else
            printf(": no attention");
        if (first.window) printf(", window %u", first.window);
        if (first.ffn)
            printf("; feed-forward %u", first.ffn);
        else
            printf("; no feed-forward");
        if (first.experts) printf(", %u of %u experts", first.active, first.experts);
        putchar('\n');
        i = end;
    }
}

static apus_templates templates_of(const struct loaded *loaded) {
    apus_templates templates = {.size = sizeof templates};
    if (apus_blob_templates(&loaded->blob, &templates) != APUS_OK)
        templates = (apus_templates){.chat = "", .fim = ""};
    return templates;
}

static void print_templates(const struct loaded *loaded) {
    const apus_templates t = templates_of(loaded);
    printf("templates     chat: %s; fill in the middle: %s\n", *t.chat ? t.chat : "none known",
           *t.fim ? t.fim : "none known");
}

static int print_text(const struct loaded *loaded, const struct settings *settings) {
    const apus_info *info = &loaded->info;
    struct type_sum sums[TYPES_MAX];
    size_t types = sum_types(loaded, sums);
    printf("name          %s\n", *info->name ? terminal_shown(info->name) : "(none)");
    printf("architecture  %s, %u layers, %u wide, %u tokens, up to %u positions\n",
           terminal_shown(info->architecture), info->layers, info->dim, info->vocab,
           info->max_positions);
    print_layers(loaded);
    printf("parameters    %.1f M\n", (double)info->parameters * 1e-6);
    printf("weights       %.2f bits each; %.1f MB are read for a token\n", info->bits_per_weight,
           (double)info->weight_bytes * 1e-6);
    for (size_t i = 0; i < types; i++)
        printf("  %s: %u tensors, %.1f M weights, %.1f MB\n", sums[i].type, sums[i].tensors,
               (double)sums[i].weights * 1e-6, (double)sums[i].bytes * 1e-6);
    printf("tokenizer     %s, %s; bos %d, eos %d, %u tokens end a text\n", info->tokenizer,
           info->add_bos ? "bos in front" : "nothing in front", (int)info->bos, (int)info->eos,
           info->end_tokens);
    print_templates(loaded);
    printf("bytes         %" PRIu64 "\n", info->bytes);
    printf("hash          %016" PRIx64 "%s\n", info->model_hash,
           settings->verify ? ", every section verified" : "");
    if (*info->provenance) printf("provenance    %s\n", terminal_shown(info->provenance));
    return output_flush();
}

static json_t *layers_array(const struct loaded *loaded) {
    json_t *array = json_array();
    apus_layer_info layer = {.size = sizeof layer};
    for (uint32_t i = 0;
         i < loaded->info.layers && apus_blob_layer(&loaded->blob, i, &layer) == APUS_OK; i++)
        json_array_append_new(array, json_pack("{si si si si si si si}", "heads", (int)layer.heads,
                                               "kv_heads", (int)layer.kv_heads, "head_dim",
                                               (int)layer.head_dim, "ffn", (int)layer.ffn,
                                               "experts", (int)layer.experts, "active",
                                               (int)layer.active, "window", (int)layer.window));
    return array;
}

static json_t *tensors_array(const struct loaded *loaded) {
    json_t *array = json_array();
    apus_tensor_info t = {.size = sizeof t};
    for (uint32_t i = 0;
         i < loaded->info.tensors && apus_blob_tensor(&loaded->blob, i, &t) == APUS_OK; i++) {
        json_t *object = json_object();
        json_object_set_new(object, "name", json_bytes(t.name, strlen(t.name)));
        json_object_set_new(object, "type", json_string(t.type));
        json_object_set_new(object, "rows", json_integer(t.rows));
        json_object_set_new(object, "cols", json_integer(t.cols));
        json_object_set_new(object, "bytes", json_integer((json_int_t)t.bytes));
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *specials_array(const struct loaded *loaded) {
    json_t *array = json_array();
    apus_special s = {.size = sizeof s};
    for (uint32_t i = 0;
         i < loaded->info.specials && apus_blob_special(&loaded->blob, i, &s) == APUS_OK; i++) {
        json_t *object = json_object();
        json_object_set_new(object, "id", json_integer(s.id));
        json_object_set_new(object, "text", json_bytes(s.text, s.bytes));
        json_object_set_new(object, "control", json_boolean(s.control));
        json_object_set_new(object, "ends", json_boolean(s.ends));
        json_array_append_new(array, object);
    }
    return array;
}

/* Adds the templates' keys; they are null if they are not known. */
static void put_templates(json_t *object, const struct loaded *loaded) {
    static const char *const names[APUS_MARKERS] = {"prefix", "suffix",     "middle", "end",
                                                    "pad",    "repository", "file"};
    const apus_templates t = templates_of(loaded);
    json_t *markers = *t.fim ? json_object() : json_null();
    for (int m = 0; *t.fim && m < APUS_MARKERS; m++)
        if (t.markers[m] >= 0) json_object_set_new(markers, names[m], json_integer(t.markers[m]));
    json_object_set_new(object, "chat_template", *t.chat ? json_string(t.chat) : json_null());
    json_object_set_new(object, "fim", *t.fim ? json_string(t.fim) : json_null());
    json_object_set_new(object, "fim_markers", markers);
}

static int print_object(const struct loaded *loaded, const struct settings *settings) {
    const apus_info *info = &loaded->info;
    json_t *object = json_object();
    json_t *ends = json_array();
    for (uint32_t i = 0; i < info->end_tokens; i++) {
        int32_t id = -1;
        if (apus_blob_end_token(&loaded->blob, i, &id) == APUS_OK)
            json_array_append_new(ends, json_integer(id));
    }
    json_object_set_new(object, "name", json_bytes(info->name, strlen(info->name)));
    json_object_set_new(object, "architecture",
                        json_bytes(info->architecture, strlen(info->architecture)));
    json_object_set_new(object, "provenance",
                        json_bytes(info->provenance, strlen(info->provenance)));
    json_object_set_new(object, "bytes", json_integer((json_int_t)info->bytes));
    json_object_set_new(object, "parameters", json_integer((json_int_t)info->parameters));
    json_object_set_new(object, "weight_bytes", json_integer((json_int_t)info->weight_bytes));
    json_object_set_new(object, "bits_per_weight", json_number(info->bits_per_weight));
    json_object_set_new(object, "hash", json_hash(info->model_hash));
    json_object_set_new(object, "dim", json_integer(info->dim));
    json_object_set_new(object, "vocab", json_integer(info->vocab));
    json_object_set_new(object, "max_positions", json_integer(info->max_positions));
    json_object_set_new(object, "tokenizer", json_string(info->tokenizer));
    json_object_set_new(object, "add_bos", json_boolean(info->add_bos));
    json_object_set_new(object, "bos", json_integer(info->bos));
    json_object_set_new(object, "eos", json_integer(info->eos));
    json_object_set_new(object, "end_tokens", ends);
    json_object_set_new(object, "specials", specials_array(loaded));
    put_templates(object, loaded);
    json_object_set_new(object, "layers", layers_array(loaded));
    json_object_set_new(object, "tensors", tensors_array(loaded));
    if (settings->verify) json_object_set_new(object, "verified", json_true());
    return json_print(object);
}

/* Reads the file into memory and shows the progress. This is the slow part if the file is on a
 * disk; hashing it afterwards is quick. */
static void read_ahead(const struct loaded *loaded, struct progress *progress) {
    enum { PIECE = 16 << 20, PAGE = 4096 };
    const volatile char *at = loaded->map.data;
    const size_t size = loaded->map.size;
    for (size_t piece = 0; piece < size; piece += PIECE) {
        size_t end = size - piece < PIECE ? size : piece + PIECE;
        progress_enter(progress, 0, "%zu of %zu MB", piece >> 20, size >> 20);
        for (size_t page = piece; page < end; page += PAGE) (void)at[page];
        progress_step(progress, 0, (double)(end - piece));
    }
}

static int verify(const struct loaded *loaded, const struct settings *settings) {
    enum { HASHED = 4 }; /* hashing is taken to be so many times as fast as reading a fast disk */
    const char *section = NULL;
    const double bytes = (double)loaded->map.size;
    struct progress progress;
    command_progress(&progress, settings, "info");
    progress_phase(&progress, "reading", bytes);
    progress_phase(&progress, "hashing", bytes / HASHED);
    read_ahead(loaded, &progress);
    progress_enter(&progress, 1, "%.0f MB", bytes * 1e-6);
    apus_status done = apus_blob_verify(&loaded->blob, &section);
    progress_end(&progress);
    if (done == APUS_OK) return EXIT_OK;
    if (section)
        return fail(EXIT_FAULT,
                    "'%s' is damaged: the hash of its section %s is not what the header says. Copy "
                    "or pack it again.",
                    loaded->path, section);
    return fail_status(done, "verifying");
}

static int info_main(const struct settings *settings) {
    struct loaded loaded;
    int status = load_blob(&loaded, settings->model);
    if (status) return status;
    if (settings->verify) status = verify(&loaded, settings);
    if (!status)
        status = settings->json ? print_object(&loaded, settings) : print_text(&loaded, settings);
    unload(&loaded);
    return status;
}

static const struct option options[] = {
    OPTION_MODEL,
    {NULL, "--verify", OPTION_FLAG, offsetof(struct settings, verify), 0, 0, NULL,
     "check the hash of every section; reads the whole file",
     "check the hash of every section; reads all of it"},
};

const struct command command_info = {
    .name = "info",
    .summary = "say what a blob holds",
    .usage = "MODEL.apus [--verify]",
    .description =
        "Prints the architecture, the shapes of the layers, the types of the weights, "
        "the tokenizer, the names of its templates and the hash of a blob.\n\n"
        "With --json: name, architecture, provenance, bytes, parameters, weight_bytes, "
        "bits_per_weight, hash, dim, vocab, max_positions, "
        "tokenizer, add_bos, bos, eos, end_tokens, specials (of each token that a prompt "
        "can name: id, text, control, which text never makes, and ends, which ends a "
        "text), chat_template and fim (names of how prompts are written, null where not known), "
        "fim_markers (ids of its tokens), layers (heads, kv_heads, head_dim, ffn, experts, active "
        "and window of each, 0 where there are none), tensors (name, type, rows, cols, bytes of "
        "each), and verified after --verify.",
    .example = "apus info model.apus --verify",
    .options = options,
    .options_count = COUNT_OF(options),
    .operands = {OPERAND_MODEL},
    .main = info_main,
};
