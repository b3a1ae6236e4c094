/* Chat templates, each with a name: what is written before and after a turn. A checkpoint's
 * template is a program, and it is never run: the packer recognises the common ones by their text,
 * and chat.h makes prompts from the forms here. */
#ifndef TEMPLATE_CHAT_FORMS_H
#define TEMPLATE_CHAT_FORMS_H

#include <stdbool.h>
#include <stddef.h>

enum chat_role { CHAT_SYSTEM, CHAT_USER, CHAT_ASSISTANT };
enum { CHAT_ROLES = 3 };

enum chat_system_place {
    CHAT_SYSTEM_TURN,       /* a turn of its own */
    CHAT_SYSTEM_FIRST_USER, /* inside the first turn of the user */
    CHAT_SYSTEM_LAST_USER   /* inside the last turn of the user */
};

/* Strings are text in which {<|im_end|>} stands for the control token with that spelling, {bos} for
 * the token that the model puts before a text, and {eos} for its end token. */
struct chat_form {
    const char *name; /* at most 23 of a-z, 0-9, '-' and '.' */
    struct chat_turn {
        const char *before, *after;
    } turn[CHAT_ROLES];
    const char *ask;              /* after the last turn: begins the assistant's turn */
    enum chat_system_place place; /* the place of a system message that begins a conversation */
    const char *system;           /* the system message if none is given; NULL: none */
    const char *stop;             /* text that ends an answer if no token does; NULL: none */
    const char *behind;           /* the model is shown only what follows the last occurrence of
                                     this text in an earlier turn of the assistant; NULL: all of the
                                     turn */
    bool trim;                    /* white space around messages is dropped */
    bool trim_answers;            /* white space around the assistant's messages is dropped */
    bool spaced;                  /* the strings contain the spaces that SentencePiece would add */
    bool spelled;                 /* for a model without these tokens they are written as ordinary
                                     text */
    bool own_bos;                 /* {bos} is in the strings, so none is added before them */
    /* What the text of this template contains, and what it does not contain. A line end here
     * matches a line end, or the two characters \n. */
    const char *has[4], *lacks[2];
};

/* All forms, in the order in which they are tried; NULL comes after the last. */
const struct chat_form *const *chat_forms(void);

/* NULL: no form has this name. */
const struct chat_form *chat_form_named(const char *name);

/* The form of a template's text; NULL: it is none of them. */
const struct chat_form *chat_recognise(const char *text, size_t bytes);

#endif
