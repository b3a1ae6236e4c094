/* The tables of a program's commands and options. From them its command line is read (options.h),
 * its help and manual page are made (help.h), and mistakes are recognised (hints.h). */
#ifndef KIT_COMMAND_LINE_H
#define KIT_COMMAND_LINE_H

#include <stddef.h>
#include <stdint.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Everything that the options of a program can set. Each program defines its own struct; kit knows
 * only offsets in it. */
struct settings;

enum option_kind {
    OPTION_FLAG,   /* an int, which is set to 1 */
    OPTION_STRING, /* const char * */
    OPTION_COUNT,  /* a uint64_t in low .. high; where low is -1, the value -1 is stored as 0, which
                      means no limit */
    OPTION_REAL,   /* a double in low .. high */
    OPTION_OWN,    /* the program's own function `store` takes the value */
    OPTION_SEVERAL /* like OPTION_OWN, but it can be given several times */
};

struct option {
    const char *letter; /* "-m", or NULL */
    const char *name;   /* "--model" */
    enum option_kind kind;
    size_t offset;     /* in struct settings; it identifies the option */
    double low, high;  /* the range; high 0: no upper limit */
    const char *value; /* "FILE" in the help; NULL for a flag */
    const char *help;  /* a phrase without a period, or several */
    const char *brief; /* the same in 54 characters, for the help on one screen; NULL: the option is
                          not in that help */
};

/* An argument without a dash. The first arguments become the values of the first operands that no
 * option has set. */
struct operand {
    const char *name; /* "MODEL.apus" */
    size_t offset;    /* of a const char * in struct settings */
    size_t input; /* of the setting that gets "-", which is standard input; 0: "-" is a name like
                     others */
};
enum { OPERANDS_MAX = 3 };

struct command {
    const char *name;        /* "" for the only command of a program without any */
    const char *summary;     /* a phrase without a period, lower case */
    const char *usage;       /* what follows the name */
    const char *description; /* paragraphs, separated by empty lines */
    const char *example;     /* lines of shell */
    const char *surplus;     /* the hint if there are too many arguments; NULL: it says where the
                                help is */
    const struct option *options;
    size_t options_count;
    struct operand operands[OPERANDS_MAX];        /* they end with the first that has no name */
    int (*main)(const struct settings *settings); /* returns the exit status */
};

/* An option of other programs that has another name here, and words of other programs that have no
 * counterpart. */
struct synonym {
    const char *name, *here; /* "--temperature" is "--temp" here */
};
struct strange {
    const char *words, *sentence; /* the words, with spaces around each, and what to say about
                                     them */
};

/* A string such as "0.1.0" made of three numbers, or of macros that are numbers. */
#define PROGRAM_TEXT(word) #word
#define PROGRAM_VERSION(major, minor, patch)                                                       \
    PROGRAM_TEXT(major) "." PROGRAM_TEXT(minor) "." PROGRAM_TEXT(patch)

struct program {
    const char *name, *version;
    const char *summary;                   /* a phrase without a period, lower case */
    const char *closing;                   /* lines behind the list of commands */
    const struct command *const *commands; /* in the order of the help */
    size_t commands_count;
    const struct command *usual;  /* the command that is probably meant by options without a
                                     command; NULL: not known */
    const struct option *options; /* options that every command takes; NULL if the only command has
                                     no name */
    size_t options_count;
    size_t json, quiet, help; /* offsets of these flags in the settings, which are ints */
    /* Takes the value of an option of the kinds OPTION_OWN and OPTION_SEVERAL. Returns EXIT_OK, or
     * EXIT_USAGE after a sentence. */
    int (*store)(const struct option *option, struct settings *settings, const char *value);
    /* Whether an OPTION_SEVERAL may be given with both values. */
    int (*apart)(const struct option *option, const char *before, const char *value);
    /* Turns names into values before a command runs, and checks them. Returns an exit status. */
    int (*resolve)(struct settings *settings);
    const struct synonym *synonyms; /* of options; the last one has no name */
    const struct strange *strange_options, *strange_commands; /* the last one has no words */
    /* For the manual page: the command that makes it, what the program is for, its exit statuses as
     * pairs of strings with NULL at the end, what to know about failures, and another page. */
    const char *made_by, *about, *const *statuses, *failures, *see_also;
};

/* The main function of a program: reads the command line into settings, which hold the defaults
 * before, and runs the command. Returns the exit status. */
int command_line_run(const struct program *program, struct settings *settings, int argc,
                     char **argv);

/* The command with that name, or NULL. */
const struct command *program_command(const struct program *program, const char *name);

/* Whether the program has only one command, which has no name. */
int program_is_plain(const struct program *program);

/* The command as it is typed, such as "apus run". The string is valid until the next call. */
const char *program_words(const struct program *program, const struct command *command);

/* How to call the help of a command (NULL: of all commands), such as "apus help run" or "apus-pack
 * --help". The string is valid until the next call. */
const char *program_help(const struct program *program, const struct command *command);

#endif
