/* From the messages of a conversation to the parts of a prompt. */
#ifndef TEMPLATE_CHAT_H
#define TEMPLATE_CHAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apps/template/chat_forms.h"
#include "apps/template/part_list.h"

/* How one model is spoken to. Prompts point into it. */
struct chat {
    const struct chat_form *form;
    int32_t eos;  /* -1: none */
    bool spelled; /* the model has not all tokens of the form, and they are written as text */
};

enum chat_status {
    CHAT_OK = 0,
    CHAT_NONE,     /* the blob names no template */
    CHAT_UNKNOWN,  /* no template is called so */
    CHAT_MISSING,  /* the model has not all tokens of the template */
    CHAT_MISPLACED /* a system message that does not begin the conversation, in a template that has
                      no place for it */
};

/* name: a template's (chat_form_named), or NULL: what the blob says. *what, which may be NULL, gets
 * the name that is unknown or the spelling of the token that is missing (the blob's, the caller's,
 * or valid until the next call). Except for CHAT_OK *chat is "plain": lines that begin with "User:"
 * and "Assistant:", which any model of text goes on with. */
enum chat_status chat_open(struct chat *chat, const apus_blob *blob, const char *name,
                           const char **what);

struct chat_message {
    enum chat_role role;
    const char *text; /* bytes of text, not zero-terminated */
    size_t bytes;
    /* Of an answer that was generated: its ids, without the end token, in the place of its text,
     * so that the next prompt has what the context has. NULL: the text. */
    const int32_t *ids;
    size_t ids_count;
};

/* Adds the conversation to the list, from its beginning-of-text token on; with `ask` up to where
 * the assistant's next turn begins. The parts point into *chat, into the messages' texts and ids,
 * and to constants. Texts are parts of kind TEXT, in which no control token can be. Where no
 * memory is left, list->failed says so. */
enum chat_status chat_prompt(struct part_list *list, const struct chat *chat,
                             const struct chat_message *messages, size_t count, bool ask);

#endif
