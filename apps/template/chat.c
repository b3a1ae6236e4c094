#include "apps/template/chat.h"

#include <string.h>

/* Whether a control token has this spelling. */
static bool has_token(const apus_blob *blob, const char *text, size_t count) {
    const apus_part part = {APUS_PART_SPECIAL, 0, text, count};
    int32_t id;
    size_t ids = 0;
    return apus_tokenize(blob, &part, 1, &id, 1, &ids, NULL, 0) == APUS_OK && ids == 1;
}

/* A piece of a form's string: text, or a name in braces. */
struct piece {
    const char *text;
    size_t count;
    bool braced;
};

static bool next_piece(const char **string, struct piece *piece) {
    const char *at = *string;
    if (!*at) return false;
    const char *end;
    piece->braced = *at == '{';
    if (piece->braced)
        at++, end = strchr(at, '}');
    else
        end = at + strcspn(at, "{");
    piece->text = at;
    piece->count = (size_t)(end - at);
    *string = end + piece->braced;
    return true;
}

static bool piece_is(const struct piece *piece, const char *name) {
    return piece->braced && piece->count == strlen(name) &&
           memcmp(piece->text, name, piece->count) == 0;
}

/* Finds the first control token of a string that the model does not have. False: it has all. */
static bool lacks_token(const apus_blob *blob, const char *string, struct piece *missing) {
    while (next_piece(&string, missing))
        if (missing->braced && !piece_is(missing, "bos") && !piece_is(missing, "eos") &&
            !has_token(blob, missing->text, missing->count))
            return true;
    return false;
}

static bool form_lacks_token(const apus_blob *blob, const struct chat_form *form,
                             struct piece *missing) {
    for (int role = 0; role < CHAT_ROLES; role++)
        if (lacks_token(blob, form->turn[role].before, missing) ||
            lacks_token(blob, form->turn[role].after, missing))
            return true;
    return lacks_token(blob, form->ask, missing);
}

enum chat_status chat_open(struct chat *chat, const apus_blob *blob, const char *name,
                           const char **what) {
    static char spelling[64];
    struct piece missing;
    apus_templates known = {.size = sizeof known};
    apus_info info = {.size = sizeof info};
    if (apus_blob_templates(blob, &known) != APUS_OK) known.chat = "";
    if (apus_blob_describe(blob, &info) != APUS_OK) info.eos = -1;
    *chat = (struct chat){.form = chat_form_named("plain"), .eos = info.eos};
    if (!name) name = known.chat;
    if (what) *what = name;
    if (!*name) return CHAT_NONE;
    const struct chat_form *form = chat_form_named(name);
    if (!form) return CHAT_UNKNOWN;
    bool lacks = form_lacks_token(blob, form, &missing);
    if (lacks && !form->spelled) {
        size_t count = missing.count < sizeof spelling ? missing.count : sizeof spelling - 1;
        memcpy(spelling, missing.text, count);
        spelling[count] = 0;
        if (what) *what = spelling;
        return CHAT_MISSING;
    }
    chat->form = form;
    chat->spelled = lacks;
    return CHAT_OK;
}

/* ------------------------------------------------------------------------------------ prompt -- */

struct prompt {
    struct part_list *list;
    const struct chat *chat;
    uint32_t flags; /* flags of TEXT parts */
};

static void put_string(const struct prompt *p, const char *string) {
    struct piece piece;
    while (next_piece(&string, &piece)) {
        if (piece_is(&piece, "bos"))
            part_list_bos(p->list);
        else if (piece_is(&piece, "eos"))
            part_list_ids(p->list, &p->chat->eos, p->chat->eos >= 0);
        else if (piece.braced && !p->chat->spelled)
            part_list_special(p->list, piece.text, piece.count);
        else
            part_list_text(p->list, piece.text, piece.count, p->flags);
    }
}

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static void trim_front(struct chat_message *m) {
    while (m->bytes && is_space(*m->text)) m->text++, m->bytes--;
}

static void trim_back(struct chat_message *m) {
    while (m->bytes && is_space(m->text[m->bytes - 1])) m->bytes--;
}

/* Keeps only what follows the last `mark`, if there is one. */
static void keep_behind(struct chat_message *m, const char *mark) {
    size_t length = strlen(mark);
    for (size_t at = m->bytes; at >= length; at--) {
        if (memcmp(m->text + at - length, mark, length) != 0) continue;
        m->text += at, m->bytes -= at;
        return;
    }
}

static void put_system(const struct prompt *p, const struct chat_message *system) {
    put_string(p, p->chat->form->turn[CHAT_SYSTEM].before);
    part_list_text(p->list, system->text, system->bytes, p->flags);
    put_string(p, p->chat->form->turn[CHAT_SYSTEM].after);
}

/* Adds a turn. system: the system message that stands inside it, or NULL. */
static void put_turn(const struct prompt *p, struct chat_message m,
                     const struct chat_message *system) {
    const struct chat_form *form = p->chat->form;
    const bool answer = m.role == CHAT_ASSISTANT, made = answer && m.ids && !form->behind;
    put_string(p, made ? form->ask : form->turn[m.role].before);
    if (system) put_system(p, system);
    if (made) {
        part_list_ids(p->list, m.ids, m.ids_count);
    } else {
        const bool trim = form->trim || (answer && form->trim_answers);
        if (answer && form->behind) keep_behind(&m, form->behind);
        if (trim && !(system && form->trim && form->own_bos)) trim_front(&m);
        if (trim) trim_back(&m);
        part_list_text(p->list, m.text, m.bytes, p->flags);
    }
    put_string(p, form->turn[m.role].after);
}

/* The index of the user's turn that a system message goes into; `count` if there is none. */
static size_t host_of(enum chat_system_place place, const struct chat_message *messages,
                      size_t count) {
    size_t host = count;
    for (size_t i = 0; place != CHAT_SYSTEM_TURN && i < count; i++)
        if (messages[i].role == CHAT_USER && (host == count || place == CHAT_SYSTEM_LAST_USER))
            host = i;
    return host;
}

enum chat_status chat_prompt(struct part_list *list, const struct chat *chat,
                             const struct chat_message *messages, size_t count, bool ask) {
    const struct chat_form *form = chat->form;
    const bool inside = form->place != CHAT_SYSTEM_TURN;
    const struct prompt prompt = {list, chat, form->spaced ? APUS_TEXT_NO_PREFIX : 0};
    const struct chat_message *system = NULL;
    struct chat_message usual = {.role = CHAT_SYSTEM};
    for (size_t i = 1; inside && i < count; i++)
        if (messages[i].role == CHAT_SYSTEM) return CHAT_MISPLACED;
    if (count && messages[0].role == CHAT_SYSTEM) system = messages++, count--;
    if (!system && form->system) {
        usual.text = form->system, usual.bytes = strlen(form->system);
        system = &usual;
    }
    if (!form->own_bos) part_list_bos(list);
    if (system && !inside) put_turn(&prompt, *system, NULL);
    size_t host = system ? host_of(form->place, messages, count) : count;
    for (size_t i = 0; i < count; i++) put_turn(&prompt, messages[i], i == host ? system : NULL);
    if (ask) put_string(&prompt, form->ask);
    return CHAT_OK;
}
