#include "middle_prompt.h"

#include <stdlib.h>
#include <string.h>

enum {
    MARKERS = 16,    /* the most ids around the texts */
    TOKEN_BYTES = 64 /* more bytes than most ids have */
};

/* The prompt that is being made. */
struct middle {
    const apus_blob *blob;
    struct fim_request parts;
    struct fim_file *files;
    int truncated, failed;
};

int middle_wanted(const struct request *request) {
    for (size_t i = 0; i < request->texts_count; i++)
        if (request->texts[i].role != REQUEST_PART) return 1;
    return 0;
}

/* Joins all texts of a role. The caller frees the text's bytes. */
static struct fim_text join(struct middle *middle, const struct request *request,
                            enum request_role role) {
    size_t bytes = 0, at = 0;
    for (size_t i = 0; i < request->texts_count; i++)
        if (request->texts[i].role == role) bytes += request->texts[i].count;
    char *all = malloc(bytes + 1);
    if (!all) {
        middle->failed = 1;
        return (struct fim_text){NULL, 0};
    }
    for (size_t i = 0; i < request->texts_count; i++) {
        const struct request_text *text = &request->texts[i];
        if (text->role != role || !text->count) continue;
        memcpy(all + at, request_data(request, text), text->count);
        at += text->count;
    }
    return (struct fim_text){all, bytes};
}

static void list_files(struct middle *middle, const struct request *request) {
    struct fim_text name = {NULL, 0};
    middle->files = malloc((request->texts_count + 1) * sizeof *middle->files);
    if (!middle->files) middle->failed = 1;
    middle->parts.files = middle->files;
    for (size_t i = 0; !middle->failed && i < request->texts_count; i++) {
        const struct request_text *text = &request->texts[i];
        const struct fim_text data = {request_data(request, text), text->count};
        if (text->role == REQUEST_FILE) name = data;
        if (text->role != REQUEST_EXTRA) continue;
        middle->files[middle->parts.files_count++] = (struct fim_file){name, data};
        name = (struct fim_text){NULL, 0};
    }
}

/* How many ids a text takes by itself. */
static size_t count_ids(struct middle *middle, struct fim_text text) {
    const apus_part part = {.kind = APUS_PART_TEXT, .data = text.bytes, .count = text.count};
    int32_t *ids;
    size_t count;
    if (!text.count) return 0;
    if (prompt_tokenize(middle->blob, &part, 1, &ids, &count) < 0) {
        middle->failed = 1;
        return 0;
    }
    free(ids);
    return count;
}

/* The text without its first `bytes` bytes and the rest of the line where these end. */
static struct fim_text drop_front(struct fim_text text, size_t bytes) {
    if (bytes > text.count) bytes = text.count;
    const char *end = bytes ? memchr(text.bytes + bytes - 1, '\n', text.count - bytes + 1) : NULL;
    if (end) bytes = (size_t)(end - text.bytes) + 1;
    return (struct fim_text){text.bytes + bytes, text.count - bytes};
}

/* The first `bytes` bytes of the text, without a last line that is not whole. */
static struct fim_text keep_front(struct fim_text text, size_t bytes) {
    if (bytes >= text.count) return text;
    size_t end = bytes;
    while (end && text.bytes[end - 1] != '\n') end--;
    return (struct fim_text){text.bytes, end ? end : bytes};
}

/* Cuts the prefix to `most` ids, by the smallest number of steps that is enough. For a text that
 * has grown a little, this is mostly the same number of steps. */
static void cut_prefix(struct middle *middle, size_t most) {
    const struct fim_text all = middle->parts.prefix;
    const size_t step = most / 8 * 4 + 1; /* an eighth of `most`, with about four bytes an id */
    size_t steps =
        all.count > most * TOKEN_BYTES ? (all.count - most * TOKEN_BYTES + step - 1) / step : 0;
    struct fim_text kept = drop_front(all, steps * step);
    size_t ids = count_ids(middle, kept), least = steps;
    if (ids > most) { /* guess the number of steps, then correct it one by one */
        steps += (kept.count - kept.count / ids * most) / step;
        while (steps > least && count_ids(middle, drop_front(all, steps * step)) <= most) steps--;
        while (kept.count && count_ids(middle, kept = drop_front(all, steps * step)) > most)
            steps++;
    }
    middle->parts.prefix = kept;
    if (steps) middle->truncated = 1;
}

static void cut_suffix(struct middle *middle, size_t most) {
    struct fim_text all = middle->parts.suffix, *suffix = &middle->parts.suffix;
    *suffix = keep_front(all, most * TOKEN_BYTES);
    for (size_t ids = count_ids(middle, *suffix); ids > most && suffix->count;
         ids = count_ids(middle, *suffix))
        *suffix = keep_front(*suffix, suffix->count * most / (ids + 1));
    if (suffix->count < all.count) middle->truncated = 1;
}

/* Keeps the last files that fit into `most` ids. */
static void cut_files(struct middle *middle, size_t most) {
    size_t first = middle->parts.files_count;
    while (first) {
        const struct fim_file *file = &middle->files[first - 1];
        size_t ids = 2; /* markers */
        if (file->text.count > most * TOKEN_BYTES) break;
        ids += count_ids(middle, file->text) + count_ids(middle, file->name);
        if (ids > most) break;
        most -= ids;
        first--;
    }
    if (first) middle->truncated = 1;
    middle->parts.files += first;
    middle->parts.files_count -= first;
}

/* How many ids the prompt may have. */
static size_t most_ids(const struct request *request, uint32_t context) {
    size_t room = context / 4;
    int64_t wanted = request->reserve ? (int64_t)request->reserve : request->max_tokens;
    if (wanted >= 0 && (uint64_t)wanted < room) room = (size_t)wanted;
    return context - room > 2 * MARKERS ? context - room - MARKERS : context / 2;
}

/* Makes ids of the whole prompt, if it fits. Most prompts fit, so that ids are made only once. */
static int take_whole(struct middle *middle, struct prompt_ids *prompt, const struct fim *fim,
                      struct part_list *list, size_t most) {
    size_t bytes = middle->parts.prefix.count + middle->parts.suffix.count;
    for (size_t i = 0; i < middle->parts.files_count; i++) bytes += middle->files[i].text.count;
    if (bytes > most * TOKEN_BYTES || !fim_prompt(list, fim, &middle->parts)) return 0;
    if (prompt_tokenize(middle->blob, list->parts, list->count, &prompt->ids, &prompt->count) < 0)
        return 0;
    if (prompt->count && prompt->count <= most) return 1;
    free(prompt->ids);
    prompt->ids = NULL, prompt->count = 0;
    return 0;
}

static void cut(struct middle *middle, const struct fim *fim, size_t most) {
    if (fim_takes_suffix(fim))
        cut_suffix(middle, most / 4);
    else
        middle->parts.suffix.count = 0;
    size_t suffix = count_ids(middle, middle->parts.suffix);
    cut_prefix(middle, most - most / 4);
    size_t prefix = count_ids(middle, middle->parts.prefix);
    cut_files(middle, most > prefix + suffix ? most - prefix - suffix : 0);
}

/* Takes from the end of the prefix the bytes that may get other ids when the last word is whole.
 * Nothing is taken if nothing would be left. */
static void heal(struct middle *middle, struct prompt_ids *prompt) {
    struct fim_text *prefix = &middle->parts.prefix;
    size_t keep = prefix->count, scratch_bytes = apus_tokenize_scratch(middle->blob, 256);
    void *scratch = malloc(scratch_bytes);
    if (!scratch ||
        apus_heal(middle->blob, prefix->bytes, prefix->count, 0, &keep, scratch, scratch_bytes) < 0)
        middle->failed = 1;
    free(scratch);
    if (middle->failed || !keep || prefix->count - keep > sizeof prompt->bind) return;
    prompt->bind_bytes = (uint32_t)(prefix->count - keep);
    memcpy(prompt->bind, prefix->bytes + keep, prompt->bind_bytes);
    prefix->count = keep;
}

enum request_status middle_make(struct prompt_ids *prompt, const apus_blob *blob,
                                const struct fim *fim, const struct request *request,
                                uint32_t context, char why[REQUEST_WHY]) {
    struct middle middle = {.blob = blob};
    struct part_list list = {0};
    enum request_status status = REQUEST_FAILED;
    struct fim_text prefix = middle.parts.prefix = join(&middle, request, REQUEST_PREFIX);
    struct fim_text suffix = middle.parts.suffix = join(&middle, request, REQUEST_SUFFIX);
    list_files(&middle, request);
    if (!middle.failed && request->heal) heal(&middle, prompt);
    size_t most = most_ids(request, context);
    int is_whole = !middle.failed && take_whole(&middle, prompt, fim, &list, most);
    part_list_clear(&list);
    if (!middle.failed && !is_whole) cut(&middle, fim, most);
    if (is_whole) {
        status = REQUEST_DONE;
    } else if (!middle.failed && fim_prompt(&list, fim, &middle.parts)) {
        status = prompt_of_parts(prompt, blob, list.parts, list.count, context, why);
        prompt->truncated = middle.truncated;
    } else {
        strcpy(why, "no memory is left for the prompt");
    }
    part_list_free(&list);
    free((char *)prefix.bytes);
    free((char *)suffix.bytes);
    free(middle.files);
    return status;
}
