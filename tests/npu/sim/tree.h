/* The files by which programs find an NPU: the driver's and the device's folders in /sys, as the
 * kernel lays them out, and a name in /dev/accel. They are made in a folder of this process when
 * the first of them is asked for, and removed when the process ends. */
#ifndef NPU_SIM_TREE_H
#define NPU_SIM_TREE_H

#include <stddef.h>

enum { TREE_PATH = 512 };

/* Whether the model has the path: then out[TREE_PATH] gets the file's real path. Relative paths do
 * not belong to the model. */
int tree_find(const char *path, char *out);
/* A path inside the folder, as the program must see it: without the folder in front. */
const char *tree_seen(const char *path);
void tree_remove(void);

#endif
