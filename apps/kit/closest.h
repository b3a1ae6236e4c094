/* Finds the name that was probably meant when another one was typed: "did you mean ...?" */
#ifndef KIT_CLOSEST_H
#define KIT_CLOSEST_H

/* A search begins as {.typed = text}. At its end `best` is the name that was most likely meant, or
 * NULL if no name is near. */
struct closest {
    const char *typed;
    const char *best;
    int distance; /* of best */
};

/* Offers a name, which must outlive the search. A name is near if it has at most one wrong,
 * missing, surplus or swapped letter for every three letters, if it contains what was typed, or if
 * what was typed begins with it. Dashes in front and upper case do not count. Of equally near names
 * the first one stays. */
void closest_offer(struct closest *closest, const char *name);

#endif
