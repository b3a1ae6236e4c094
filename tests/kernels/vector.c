#include "checker.h"
int vector_tests(void) { return 0; }
void vector_bench(void) {}
