/* What every program does first. */
#ifndef KIT_START_H
#define KIT_START_H

/* If one of the descriptors 0 to 2 is closed, the next file that is opened would get its number: a
 * model would be read as the prompt, or a sentence be written into it. So each of them that is
 * closed is opened on /dev/null in the wrong direction, and its use fails with a message. SIGXFSZ
 * is ignored, so that a file that becomes too large is a failed write, like a full disk. */
void program_start(void);

#endif
