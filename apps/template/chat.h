/* Turns the messages of a conversation into the parts of a prompt. */
#ifndef TEMPLATE_CHAT_H
#define TEMPLATE_CHAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apps/template/chat_forms.h"
#include "apps/template/part_list.h"

/* The template that one model's prompts are made with. Prompts point into it. */
struct chat {
    const struct chat_form *form;
    int32_t eos;  /* -1: none */
    bool spelled; /* the model lacks tokens of the form, so all of them are written as text */
};

enum chat_status {
    CHAT_OK = 0,
    CHAT_NONE,     /* the blob names no template */
    CHAT_UNKNOWN,  /* no template has this name */
    CHAT_MISSING,  /* the model lacks a token of the template */
    CHAT_MISPLACED /* a system message comes later than at the beginning of the conversation, and
                      the template has no place for it */
};

/* name: the name of a template (chat_form_named); NULL: the one that the blob names. *what gets the
 * name of the template or, after CHAT_MISSING, the spelling of the missing token; it belongs to the
 * blob or the caller, or is valid until the next call. `what` may be NULL. If the result is not
 * CHAT_OK, *chat is "plain": lines that begin with "User:" and "Assistant:", which any language
 * model can continue. */
enum chat_status chat_open(struct chat *chat, const apus_blob *blob, const char *name,
                           const char **what);

struct chat_message {
    enum chat_role role;
    const char *text; /* bytes of text, not zero-terminated */
    size_t bytes;
    /* For an answer that was generated: its ids, without the end token. They are used instead of
     * the text, so that the next prompt has the same ids as the context. NULL: the text is used. */
    const int32_t *ids;
    size_t ids_count;
};

/* Adds the conversation to the list, from the beginning-of-text token on. ask: also adds what
 * begins the assistant's next turn. The parts point into *chat, into the messages' texts and ids,
 * and to constants. Texts become parts of kind TEXT, in which no control token is recognised. If
 * memory is short, list->failed is set. */
enum chat_status chat_prompt(struct part_list *list, const struct chat *chat,
                             const struct chat_message *messages, size_t count, bool ask);

#endif
