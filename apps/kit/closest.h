/* The name that was meant by somebody who typed another one: "did you mean ...?" */
#ifndef KIT_CLOSEST_H
#define KIT_CLOSEST_H

/* A search begins as {.typed = text} and ends with `best`: the name that text is most likely a slip
 * of, or NULL where none is near. */
struct closest {
    const char *typed;
    const char *best;
    int distance; /* of best */
};

/* Offers a name, which has to outlive the search. Near is a wrong, missing, surplus or swapped
 * letter for every three, and a name that begins with what was typed or holds it. Dashes in front
 * and upper case do not count; of equals the first stays. */
void closest_offer(struct closest *closest, const char *name);

#endif
