/* What the files behind windows_posix.h share. */
#ifndef KIT_WINDOWS_INSIDE_H
#define KIT_WINDOWS_INSIDE_H

#include "windows_posix.h"

#include <stdbool.h>
#include <windows.h>

/* The handle of a descriptor. */
static inline HANDLE handle_of(int fd) { return (HANDLE)_get_osfhandle(fd); }

/* -1, with errno as the last error of this thread says. */
int windows_failed(void);

#endif
