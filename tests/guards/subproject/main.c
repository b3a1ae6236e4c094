/* A program with functions of its own whose names Apus uses inside. */
#include <apus/apus.h>
#include <stdio.h>

int evaluate(int x);
int utf8_read(int x);
int nfc(int x);

int evaluate(int x) { return x + 1; }
int utf8_read(int x) { return x + 2; }
int nfc(int x) { return x + 4; }

int main(void) {
    apus_blob blob;
    if (apus_blob_open(&blob, "not a blob", 10, NULL) >= 0) return 1;
    printf("%u %s\n", (unsigned)apus_version(), apus_cpu_name(apus_cpu_best()));
    return evaluate(0) + utf8_read(0) + nfc(0) == 7 ? 0 : 1;
}
