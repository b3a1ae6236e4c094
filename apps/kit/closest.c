#include "closest.h"

#include <stddef.h>
#include <string.h>

enum { LONGEST = 40, NEAR = 3 /* a name may have one slip for so many letters */ };

/* Copies the letters that count to `out`. Returns how many there are, or 0 if there are too many
 * for a name. */
static size_t letters(const char *text, char out[LONGEST]) {
    size_t n = 0;
    while (*text == '-') text++;
    for (; *text; text++) {
        if (n + 1 == LONGEST) return 0;
        char c = *text == '_' ? '-' : *text;
        out[n++] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    }
    out[n] = 0;
    return n;
}

static int least(int a, int b) { return a < b ? a : b; }

/* How many insertions, deletions, replacements and swaps of neighbours turn one name into the other
 * (optimal string alignment). */
static int slips(const char *a, size_t a_length, const char *b, size_t b_length) {
    int rows[3][LONGEST + 1];
    int *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_length; j++) row[j] = (int)j;
    for (size_t i = 1; i <= a_length; i++) {
        int *free_row = before;
        before = above, above = row, row = free_row;
        row[0] = (int)i;
        for (size_t j = 1; j <= b_length; j++) {
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    return row[b_length];
}

void closest_offer(struct closest *closest, const char *name) {
    char typed[LONGEST], other[LONGEST];
    size_t n = letters(closest->typed, typed), m = letters(name, other);
    if (!n || !m) return;
    int distance = 2 * slips(typed, n, other, m), most = 2 * (int)((n > m ? n : m) / NEAR);
    if (n >= NEAR && strstr(other, typed)) distance = 1; /* nearer than a name with one slip */
    if (m > NEAR && !strncmp(typed, other, m)) distance = least(distance, 1);
    if (distance > 1 && distance > most) return;
    if (closest->best && distance >= closest->distance) return;
    closest->best = name, closest->distance = distance;
}
