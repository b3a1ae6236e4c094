/* For images without libc: an assertion that does not hold stops the processor. */
#undef assert
#ifdef NDEBUG
#define assert(holds) ((void)0)
#else
#define assert(holds) ((holds) ? (void)0 : __builtin_trap())
#endif
