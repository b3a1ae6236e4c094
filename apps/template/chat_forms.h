/* Chat templates, each by its name: what stands around a turn. Templates of checkpoints are
 * programs and are never run: the packer recognises the common ones by their text, programs make
 * their prompts (chat.h). */
#ifndef TEMPLATE_CHAT_FORMS_H
#define TEMPLATE_CHAT_FORMS_H

#include <stdbool.h>
#include <stddef.h>

enum chat_role { CHAT_SYSTEM, CHAT_USER, CHAT_ASSISTANT };
enum { CHAT_ROLES = 3 };

enum chat_system_place {
    CHAT_SYSTEM_TURN,       /* a turn of its own */
    CHAT_SYSTEM_FIRST_USER, /* inside the first turn of the user */
    CHAT_SYSTEM_LAST_USER   /* inside the last one */
};

/* Strings are text in which {<|im_end|>} is the control token of that spelling, {bos} the token
 * that the model puts in front, {eos} its end token. */
struct chat_form {
    const char *name; /* at most 23 of a-z, 0-9, '-' and '.' */
    struct chat_turn {
        const char *before, *after;
    } turn[CHAT_ROLES];
    const char *ask;              /* behind the last turn: the assistant's begins */
    enum chat_system_place place; /* of a system message that begins a conversation */
    const char *system;           /* the message where none is given; NULL: none */
    const char *stop;             /* text that ends an answer where no token does; NULL: none */
    const char *behind;           /* of the assistant's earlier turns only what follows the last of
                                     these texts is shown to the model; NULL: all */
    bool trim;                    /* white space around messages is dropped */
    bool trim_answers;            /* around the assistant's */
    bool spaced;                  /* the strings have the spaces of SentencePiece themselves */
    bool spelled;                 /* a model may have the tokens as ordinary text */
    bool own_bos;                 /* {bos} is in the strings, and none stands before them */
    /* What a template's text has, and has not, to be this one. A line end there is one, or \n. */
    const char *has[4], *lacks[2];
};

/* All, in the order in which they are tried; NULL behind the last. */
const struct chat_form *const *chat_forms(void);

/* NULL where none has this name. */
const struct chat_form *chat_form_named(const char *name);

/* The form of a template's text; NULL where it is none of them. */
const struct chat_form *chat_recognise(const char *text, size_t bytes);

#endif
