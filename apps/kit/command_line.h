/* What a program says of itself: its commands and options, of which its command line is read
 * (options.h), its help and manual page are made (help.h), and slips are understood (hints.h). */
#ifndef KIT_COMMAND_LINE_H
#define KIT_COMMAND_LINE_H

#include <stddef.h>
#include <stdint.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Everything that the options of a program can say. Each program defines its own; nothing in kit
 * knows more of it than offsets. */
struct settings;

enum option_kind {
    OPTION_FLAG,   /* int, set to 1 */
    OPTION_STRING, /* const char * */
    OPTION_COUNT,  /* uint64_t in low .. high; a low of -1 is stored as 0: no limit */
    OPTION_REAL,   /* double in low .. high */
    OPTION_OWN,    /* the program's own `store` takes the value */
    OPTION_SEVERAL /* so too, and it can be given several times */
};

struct option {
    const char *letter; /* "-m", or NULL */
    const char *name;   /* "--model" */
    enum option_kind kind;
    size_t offset;     /* in struct settings; what an option is known by */
    double low, high;  /* high 0: any */
    const char *value; /* "FILE" in the help; NULL for a flag */
    const char *help;  /* a phrase without a period, or more */
    const char *brief; /* the same in 54 characters, for the help of one screen; NULL: not in it */
};

/* An argument without a dash. The first ones go where no option has put something. */
struct operand {
    const char *name; /* "MODEL.apus" */
    size_t offset;    /* of a const char * in struct settings */
    size_t input; /* of the one that "-", standard input, goes to; 0: it is a name like others */
};
enum { OPERANDS_MAX = 3 };

struct command {
    const char *name;        /* "" for the only command of a program without any */
    const char *summary;     /* a phrase without a period, lower case */
    const char *usage;       /* what follows the name */
    const char *description; /* paragraphs, separated by empty lines */
    const char *example;     /* lines of shell */
    const char *surplus;     /* a sentence for an argument too many; NULL: where the help is */
    const struct option *options;
    size_t options_count;
    struct operand operands[OPERANDS_MAX];        /* up to the first without a name */
    int (*main)(const struct settings *settings); /* gives the exit status */
};

/* A name or words of other programs. */
struct synonym {
    const char *name, *here; /* "--temperature" is "--temp" here */
};
struct strange {
    const char *words, *sentence; /* words with spaces around each; what to say of them */
};

/* "0.1.0", of three numbers or macros that are numbers. */
#define PROGRAM_TEXT(word) #word
#define PROGRAM_VERSION(major, minor, patch)                                                       \
    PROGRAM_TEXT(major) "." PROGRAM_TEXT(minor) "." PROGRAM_TEXT(patch)

struct program {
    const char *name, *version;
    const char *summary;                   /* a phrase without a period, lower case */
    const char *closing;                   /* lines behind the list of commands */
    const struct command *const *commands; /* in the order of the help */
    size_t commands_count;
    const struct command *usual;  /* what is meant by options without a command; NULL: unknown */
    const struct option *options; /* of every command; NULL where there is one without a name */
    size_t options_count;
    size_t json, quiet, help; /* where in the settings these flags are, ints */
    /* Takes the value of an option of its own kind; EXIT_OK, or EXIT_USAGE after a sentence. */
    int (*store)(const struct option *option, struct settings *settings, const char *value);
    /* Whether an OPTION_SEVERAL with another value has something else to say. */
    int (*apart)(const struct option *option, const char *before, const char *value);
    /* Turns names into values before a command runs, and checks them; an exit status. */
    int (*resolve)(struct settings *settings);
    const struct synonym *synonyms; /* options; the last one has no name */
    const struct strange *strange_options, *strange_commands; /* the last one has no words */
    /* Of the manual page: how it is made, what the program is for, its exit statuses in pairs up
     * to NULL, and what there is to say of failures. */
    const char *made_by, *about, *const *statuses, *failures, *see_also;
};

/* main of a program: reads the command line into settings, which hold the defaults, and runs the
 * command. The exit status. */
int command_line_run(const struct program *program, struct settings *settings, int argc,
                     char **argv);

/* NULL if there is none of that name. */
const struct command *program_command(const struct program *program, const char *name);

/* Whether it has one command, and that without a name. */
int program_is_plain(const struct program *program);

/* As it is typed, "apus run"; until the next call. */
const char *program_words(const struct program *program, const struct command *command);

/* How the help of a command, or of all where it is NULL, is called: "apus help run", "apus-pack
 * --help"; until the next call. */
const char *program_help(const struct program *program, const struct command *command);

#endif
