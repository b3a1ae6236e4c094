/* Nothing is allocated, mapped, printed or ended by the library. The linker sends every such call
 * of this program and of libapus.a through the functions below (-Wl,--wrap), which note it while a
 * call of the API runs. What pthread_create does inside the C library is not ours and not seen;
 * that only apus_open starts threads is. */
#include "tests/api/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

static volatile int inside; /* a call of the API */
static const char *volatile noted;
static volatile int threads_started;

static void note(const char *name) {
    if (inside) noted = name;
}

#define WRAP(type, name, declared, passed)                                                         \
    type __real_##name declared;                                                                   \
    type __wrap_##name declared;                                                                   \
    type __wrap_##name declared {                                                                  \
        note(#name);                                                                               \
        return __real_##name passed;                                                               \
    }
#define WRAP_VOID(qualifier, name, declared, passed)                                               \
    qualifier void __real_##name declared;                                                         \
    qualifier void __wrap_##name declared;                                                         \
    qualifier void __wrap_##name declared {                                                        \
        note(#name);                                                                               \
        __real_##name passed;                                                                      \
    }

WRAP(void *, malloc, (size_t n), (n))
WRAP(void *, calloc, (size_t n, size_t m), (n, m))
WRAP(void *, realloc, (void *p, size_t n), (p, n))
WRAP_VOID(, free, (void *p), (p))
WRAP(void *, aligned_alloc, (size_t a, size_t n), (a, n))
WRAP(int, posix_memalign, (void **p, size_t a, size_t n), (p, a, n))
WRAP(void *, mmap, (void *p, size_t n, int a, int b, int c, off_t d), (p, n, a, b, c, d))
WRAP(void *, mmap64, (void *p, size_t n, int a, int b, int c, int64_t d), (p, n, a, b, c, d))
WRAP(int, munmap, (void *p, size_t n), (p, n))
WRAP(void *, sbrk, (intptr_t n), (n))
WRAP(char *, getenv, (const char *name), (name))
WRAP(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n))
WRAP(int, puts, (const char *text), (text))
WRAP_VOID(_Noreturn, abort, (void), ())
WRAP_VOID(_Noreturn, exit, (int status), (status))
WRAP_VOID(_Noreturn, _exit, (int status), (status))

typedef void *thread_main(void *);
int __real_pthread_create(void *thread, const void *attributes, thread_main *entry, void *arg);
int __wrap_pthread_create(void *thread, const void *attributes, thread_main *entry, void *arg);
int __wrap_pthread_create(void *thread, const void *attributes, thread_main *entry, void *arg) {
    threads_started++;
    return __real_pthread_create(thread, attributes, entry, arg);
}

/* Runs one call of the API; fails if it made a wrapped one. */
#define QUIET(call) quiet((inside = 1, noted = NULL, (call)), #call)
static apus_status quiet(apus_status status, const char *call) {
    inside = 0;
    if (noted) fail_msg("%s called %s", call, noted);
    if (status != APUS_OK) fail_msg("%s gives %d", call, status);
    return status;
}

/* The wrappers see the library's calls: the file map of the port, which is no part of generating
 * text, does map. */
static void wrapping_works(void **state) {
    (void)state;
    apus_map map;
    inside = 1, noted = NULL;
    int error = apus_map_open(&map, "README.md");
    inside = 0;
    assert_int_equal(error, 0);
    assert_non_null(noted);
    if (strcmp(noted, "mmap") != 0)
        assert_string_equal(noted, "mmap64"); /* where files may be large */
    apus_map_close(&map);
}

static void generate(apus_session *session, const apus_sampling *sampling) {
    apus_piece piece = {.size = sizeof piece};
    QUIET(apus_begin(session, sampling));
    do QUIET(apus_next(session, &piece));
    while (!piece.stop);
}

/* with_draft: the other tiny model proposes, and so does the context. */
static void run(int which, uint32_t threads, int with_draft) {
    struct api_model m, draft;
    api_model_open(&m, which, APUS_CPU_BEST);
    api_model_open(&draft, 1 - which, APUS_CPU_BEST);
    threads_started = 0;

    apus_blob blob;
    apus_info info = {.size = sizeof info};
    apus_memory need = {.size = sizeof need};
    apus_model *model;
    apus_session *session;
    const char *section;
    QUIET(apus_blob_open(&blob, m.bytes.at, m.bytes.bytes, apus_port_host()));
    QUIET(apus_blob_verify(&blob, &section));
    QUIET(apus_blob_describe(&blob, &info));
    apus_model_config mc = {.size = sizeof mc, .blob = &blob, .port = apus_port_host()};
    QUIET(apus_model_measure(&mc, &need));
    struct guarded memory = guarded_take(need.bytes, need.alignment);
    QUIET(apus_model_open(&model, &mc, memory.at, need.bytes));
    apus_config config = {
        .size = sizeof config, .model = model, .context = 96, .threads = threads, .chunk = 16};
    if (with_draft)
        config.draft = draft.model, config.lookup = 1, config.proposals = threads == 1 ? 3 : 0;
    QUIET(apus_measure(&config, &need));
    struct guarded arena = guarded_take(need.bytes, need.alignment);
    assert_int_equal(threads_started, 0);
    QUIET(apus_open(&session, &config, arena.at, need.bytes));
    assert_in_range(threads_started, threads - 1, (with_draft ? 2 : 1) * (threads - 1));
    const int started = threads_started;

    int32_t ids[24];
    api_ids(&m, 3, ids, 24);
    apus_part parts[] = {
        {.kind = APUS_PART_BOS}, api_text("def add(a, b):\n"), api_ids_part(ids, 24)};
    QUIET(apus_prompt(session, parts, 3, 0));
    const apus_stop stops[] = {{"zq", 2}, {"\xc3\xa9", 2}};
    const apus_sampling greedy = {
        .size = sizeof greedy, .max_tokens = 10, .ignore_end = 1, .want_hash = 1};
    const apus_sampling hot = {.size = sizeof hot,
                               .temperature = 0.8f,
                               .top_k = 20,
                               .top_p = 0.9f,
                               .min_p = 0.01f,
                               .repeat_penalty = 1.2f,
                               .seed = 3,
                               .max_tokens = 10,
                               .stops = stops,
                               .stops_count = 2};
    generate(session, &greedy);
    QUIET(apus_append(session, parts + 1, 1, 0));
    generate(session, &hot);

    unsigned char saved[1 << 17];
    size_t bytes = 0;
    apus_stats stats = {.size = sizeof stats};
    const int32_t *context;
    QUIET(apus_save(session, saved, sizeof saved, &bytes));
    QUIET(apus_rewind(session, 5));
    QUIET(apus_eval(session, ids, 9, NULL, NULL));
    QUIET(apus_restore(session, saved, bytes));
    QUIET(apus_get_stats(session, &stats));
    if (config.proposals) assert_true(stats.proposed > 0);
    QUIET(apus_ids(session, &context, &bytes));
    assert_int_equal(threads_started, started);
    QUIET((apus_cancel(session), apus_close(session), apus_model_close(model), APUS_OK));

    guarded_free(&arena);
    guarded_free(&memory);
    api_model_close(&draft);
    api_model_close(&m);
}

static void one_thread_allocates_nothing(void **state) {
    (void)state;
    for (int which = 0; which < API_MODELS; which++) run(which, 1, 0);
}

static void two_threads_allocate_nothing(void **state) {
    (void)state;
    for (int which = 0; which < API_MODELS; which++) run(which, 2, 0);
}

static void speculation_allocates_nothing(void **state) {
    (void)state;
    for (int which = 0; which < API_MODELS; which++) {
        run(which, 1, 1);
        run(which, 2, 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrapping_works),
        cmocka_unit_test(one_thread_allocates_nothing),
        cmocka_unit_test(two_threads_allocate_nothing),
        cmocka_unit_test(speculation_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
