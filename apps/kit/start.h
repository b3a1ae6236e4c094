/* What every program does first. */
#ifndef KIT_START_H
#define KIT_START_H

/* A descriptor of 0 to 2 that is closed would be given to the next file that is opened: a model
 * would be read as the prompt, or a sentence be written into it. Such a one is taken by a
 * descriptor that can be neither read nor written in its direction, so that its use fails in words.
 * A file that becomes too large (SIGXFSZ) is a failed write, as a full disk is. */
void program_start(void);

#endif
