#include "checker.h"
int attend_tests(void) { return 0; }
void attend_bench(void) {}
