#include "weights/pack/header.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/kit/json.h"
#include "apps/kit/outfile.h"
#include "apps/kit/terminal.h"
#include "apus/apus.h"

#define MARK "/* Made by apus-pack --header "

/* Names begin with the header's; of 63 characters of a name C compilers take all. */
enum { PREFIX = 32 };

/* A blob of the header, opened as the image will open it. */
struct image_model {
    apus_map map;
    apus_blob blob;
    void *memory;
    apus_model *model;
    uint64_t bytes; /* of memory */
    char *path;     /* from the root */
};

struct image {
    struct image_model target, draft;
    apus_memory session;
    uint32_t context, threads, alignment;
    char name[PREFIX + 1], upper[PREFIX + 1];
};

static void first_sentence(void *user, int level, const char *text) {
    if (level == APUS_LOG_ERROR) diag_fail(user, "%s", text);
}

static void model_close(struct image_model *m) {
    if (m->model) apus_model_close(m->model);
    free(m->memory);
    apus_map_close(&m->map);
    free(m->path);
}

/* The library's own sentence is the reason, where it had one. */
static bool refused(const char *path, apus_status status, struct diag *d) {
    struct diag why = *d;
    diag_clear(d);
    return diag_fail(d, "%s: %s", path, why.text[0] ? why.text : apus_status_text(status));
}

static bool model_open(struct image_model *m, const char *path, const apus_port *port,
                       struct diag *d) {
    const int error = apus_map_open(&m->map, path);
    if (error) return diag_fail(d, "%s cannot be read: %s", path, strerror(error));
    m->path = realpath(path, NULL);
    if (!m->path) return diag_fail(d, "%s has no path from the root", path);
    for (const char *c = m->path; *c; c++)
        if (iscntrl((unsigned char)*c))
            return diag_fail(d, "%s: a path with control characters cannot stand in a header",
                             path);
    apus_memory need = {.size = sizeof need};
    apus_status status = apus_blob_open(&m->blob, m->map.data, m->map.size, port);
    const apus_model_config config = {.size = sizeof config, .blob = &m->blob, .port = port};
    if (!status) status = apus_model_measure(&config, &need);
    if (status) return refused(path, status, d);
    m->bytes = need.bytes;
    m->memory = aligned_alloc(need.alignment, (size_t)((need.bytes + need.alignment - 1) /
                                                       need.alignment * need.alignment));
    if (!m->memory) return diag_fail(d, "no memory for the model of %s", path);
    status = apus_model_open(&m->model, &config, m->memory, (size_t)need.bytes);
    return status ? refused(path, status, d) : true;
}

/* "build/My model.h" -> "my_model" and "MY_MODEL". */
static bool make_names(struct image *image, const char *path, struct diag *d) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    const size_t count = dot ? (size_t)(dot - name) : strlen(name);
    if (!count || count > PREFIX || (unsigned char)name[0] >= 128 || !isalpha((unsigned char)*name))
        return diag_fail(d,
                         "--header %s: the names in it begin with the file's, which is expected to "
                         "have 1 to %d characters and to begin with a letter",
                         path, PREFIX);
    for (size_t i = 0; i < count; i++) {
        const unsigned char c = (unsigned char)name[i];
        image->name[i] = (char)(c < 128 && isalnum(c) ? tolower(c) : '_');
        image->upper[i] = (char)toupper((unsigned char)image->name[i]);
    }
    if (!strncmp(image->name, "apus", 4) && (!image->name[4] || image->name[4] == '_'))
        return diag_fail(d,
                         "--header %s: the names of Apus' own headers begin with apus, and one of "
                         "them would hide the other; call the file otherwise",
                         path);
    return true;
}

static bool measure(struct image *image, const struct settings *settings, struct diag *d) {
    const apus_config config = {.size = sizeof config,
                                .model = image->target.model,
                                .draft = image->draft.model,
                                .context = (uint32_t)settings->positions,
                                .threads = (uint32_t)settings->threads};
    apus_info info = {.size = sizeof info};
    image->session.size = sizeof image->session;
    apus_status status = apus_blob_describe(&image->target.blob, &info);
    if (!status) status = apus_measure(&config, &image->session);
    if (status) return refused(settings->source, status, d);
    image->context =
        config.context ? config.context : (info.max_positions < 4096 ? info.max_positions : 4096);
    image->threads = config.threads ? config.threads : 1;
    image->alignment = image->session.alignment;
    return true;
}

/* ---------------------------------------------------------------------------------- the text -- */

static uint64_t rounded(const struct image *image, uint64_t bytes) {
    return (bytes + image->alignment - 1) / image->alignment * image->alignment;
}

static uint64_t arena_bytes(const struct image *image) {
    return rounded(image, image->target.bytes) + rounded(image, image->draft.bytes) +
           image->session.bytes;
}

static void put_sizes(FILE *f, const struct image *image) {
    const char *u = image->upper;
    fprintf(f, "#define %s_CONTEXT %u\n#define %s_THREADS %u\n", u, image->context, u,
            image->threads);
    fprintf(f, "#define %s_BLOB_BYTES %zu\n", u, image->target.map.size);
    fprintf(f, "#define %s_MODEL_BYTES %llu\n", u, (unsigned long long)image->target.bytes);
    if (image->draft.model) {
        fprintf(f, "#define %s_DRAFT_BLOB_BYTES %zu\n", u, image->draft.map.size);
        fprintf(f, "#define %s_DRAFT_MODEL_BYTES %llu\n", u,
                (unsigned long long)image->draft.bytes);
    }
    fprintf(f, "#define %s_SESSION_BYTES %llu\n", u, (unsigned long long)image->session.bytes);
    fprintf(f, "#define %s_ARENA_BYTES %llu\n#define %s_ALIGNMENT %u\n\n", u,
            (unsigned long long)arena_bytes(image), u, image->alignment);
}

static void put_array(FILE *f, const struct image_model *m, const char *name) {
    const unsigned char *data = m->map.data;
    fprintf(f, "const unsigned char %s[%zu] __attribute__((aligned(4096))) = {", name, m->map.size);
    for (size_t i = 0; i < m->map.size; i++) {
        if (i % 24 == 0) fputc('\n', f);
        fprintf(f, "%u,", data[i]);
    }
    fputs("\n};\n", f);
}

/* As a string of the assembler inside a string of C, which has no trigraphs then. */
static void put_path(FILE *f, const char *path) {
    for (; *path; path++) {
        if (*path == '"' || *path == '\\') fputs("\\\\\\", f);
        if (*path == '?') fputc('\\', f);
        fputc(*path, f);
    }
}

static void put_incbin(FILE *f, const struct image_model *m, const char *name) {
    fprintf(f,
            "__asm__(\".pushsection .rodata\\n.balign 4096\\n.globl %s\\n%s:\\n\"\n"
            "        \".incbin \\\"",
            name, name);
    put_path(f, m->path);
    fputs("\\\"\\n.popsection\\n\");\n", f);
}

static void put_text(FILE *f, const struct image *image, const struct settings *settings) {
    const char *u = image->upper;
    char names[2][PREFIX + 16];
    const struct image_model *models[2] = {&image->target, &image->draft};
    snprintf(names[0], sizeof names[0], "%s_blob", image->name);
    snprintf(names[1], sizeof names[1], "%s_draft_blob", image->name);
    fprintf(f,
            MARK "of Apus %d.%d.%d.\n"
                 " * Memory for one session of %u positions on %u threads of the CPU, where "
                 "addresses have 64\n"
                 " * bits. Opened in this order, each at a multiple of %s_ALIGNMENT, the model, "
                 "the\n"
                 " * draft if there is one, and the session take %s_ARENA_BYTES in all.\n"
                 " * Exactly one file of the image defines %s_DATA before it includes this. */\n",
            APUS_VERSION_MAJOR, APUS_VERSION_MINOR, APUS_VERSION_PATCH, image->context,
            image->threads, u, u, u);
    fprintf(f, "#ifndef %s_H\n#define %s_H\n\n", u, u);
    fprintf(f, "typedef char %s_addresses_have_64_bits[sizeof(void *) == 8 ? 1 : -1];\n\n",
            image->name);
    put_sizes(f, image);
    for (int i = 0; i < 2; i++)
        if (models[i]->model)
            fprintf(f, "extern const unsigned char %s[%zu];\n", names[i], models[i]->map.size);
    fprintf(f, "\n#ifdef %s_DATA\n", u);
    for (int i = 0; i < 2; i++)
        if (models[i]->model) (settings->array ? put_array : put_incbin)(f, models[i], names[i]);
    fputs("#endif\n#endif\n", f);
}

static bool is_header(int fd) {
    char begin[sizeof MARK - 1];
    return read(fd, begin, sizeof begin) == (ssize_t)sizeof begin &&
           memcmp(begin, MARK, sizeof begin) == 0;
}

static bool write_file(const struct image *image, const struct settings *settings, struct diag *d) {
    static const struct outfile_kind kind = {"header of apus-pack", is_header};
    struct outfile out = {0};
    char *text = NULL;
    size_t bytes = 0;
    FILE *f = open_memstream(&text, &bytes);
    if (f) put_text(f, image, settings);
    bool good = f && !fclose(f);
    if (!good) {
        diag_fail(d, "no memory for the text of %s", settings->header);
    } else {
        good = outfile_open(&out, settings->header, &kind) && outfile_put(&out, 0, text, bytes) &&
               outfile_commit(&out);
        if (!good) diag_fail(d, "%s", out.why);
        outfile_abandon(&out);
    }
    free(text);
    return good;
}

static void say(const struct image *image, const struct settings *settings) {
    const size_t blobs = image->target.map.size + image->draft.map.size;
    if (settings->json) {
        json_t *object = json_object();
        json_object_set_new(object, "output",
                            json_bytes(settings->header, strlen(settings->header)));
        json_object_set_new(object, "context", json_integer(image->context));
        json_object_set_new(object, "threads", json_integer(image->threads));
        json_object_set_new(object, "blob_bytes", json_integer((json_int_t)blobs));
        json_object_set_new(object, "arena_bytes", json_integer((json_int_t)arena_bytes(image)));
        json_object_set_new(object, "alignment", json_integer(image->alignment));
        json_put(object);
    } else if (!settings->quiet) {
        printf("%s: %u positions, %u threads, %.1f MB of blobs and %.1f MB of arena\n",
               terminal_shown(settings->header), image->context, image->threads,
               (double)blobs / 1e6, (double)arena_bytes(image) / 1e6);
    }
}

bool header_write(const struct settings *settings, struct diag *d) {
    apus_port port = {.size = sizeof port, .user = d, .log = first_sentence};
    struct image image = {0};
    bool good = make_names(&image, settings->header, d) &&
                model_open(&image.target, settings->source, &port, d) &&
                (!settings->draft || model_open(&image.draft, settings->draft, &port, d)) &&
                measure(&image, settings, d) && write_file(&image, settings, d);
    if (good) say(&image, settings);
    model_close(&image.draft);
    model_close(&image.target);
    return good;
}
