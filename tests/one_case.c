/* APUS_CASE=name runs the cases of that name alone, in every test program; * and ? are wild. A
 * name that no case has runs none of them, which cmocka's last line says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

__attribute__((constructor)) static void choose_cases(void) {
    const char *name = getenv("APUS_CASE");
    if (name) cmocka_set_test_filter(name);
}
