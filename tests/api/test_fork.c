/* A child that is forked has the caller's thread alone. Its copy of a session goes on with that,
 * gives the same bits, and closes. */
#include <sys/wait.h>
#include <unistd.h>

#include "tests/api/fixture.h"

enum { PROMPT = 40, TOKENS = 24, SECONDS = 60 };

static uint64_t use(const struct api_session *s, const struct api_model *m, uint32_t seed) {
    int32_t ids[PROMPT];
    api_ids(m, seed, ids, PROMPT);
    assert_int_equal(API_PROMPT(s, ids, PROMPT), APUS_OK);
    return api_generate(s, TOKENS, NULL);
}

/* What fork leaves to the child while the threads wait, sleep, or have not begun. */
static void child_goes_on(uint32_t threads, int shared, int pause_ms) {
    struct api_model m;
    struct api_session s;
    apus_pool *pool = NULL;
    struct guarded memory = {0};
    apus_memory need = {.size = sizeof need};
    api_model_open(&m, 0, APUS_CPU_BEST);
    if (shared) {
        apus_pool_config pc = {.size = sizeof pc, .threads = threads, .port = api_port()};
        assert_int_equal(apus_pool_measure(&pc, &need), APUS_OK);
        memory = guarded_take(need.bytes, need.alignment);
        assert_int_equal(apus_pool_open(&pool, &pc, memory.at, need.bytes), APUS_OK);
    }
    apus_config config = {.size = sizeof config,
                          .model = m.model,
                          .context = 128,
                          .threads = threads,
                          .chunk = 16,
                          .pool = pool};
    assert_int_equal(apus_measure(&config, &need), APUS_OK);
    s.arena = guarded_take(need.bytes, need.alignment);
    assert_int_equal(apus_open(&s.session, &config, s.arena.at, need.bytes), APUS_OK);
    uint64_t want = 0;
    if (pause_ms >= 0) {
        want = use(&s, &m, 1);
        usleep((useconds_t)pause_ms * 1000);
    }
    pid_t child = fork();
    if (child == 0) {
        alarm(SECONDS); /* ends a child that hangs */
        uint64_t got = use(&s, &m, 1), again = use(&s, &m, 1);
        apus_close(s.session);
        apus_pool_close(pool);
        _exit(got == again && (pause_ms < 0 || got == want) ? 0 : 1);
    }
    assert_true(child > 0);
    want = use(&s, &m, 1); /* and the parent is none the worse */
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(use(&s, &m, 1), want);
    api_close(&s);
    if (pool) {
        apus_pool_close(pool);
        guarded_free(&memory);
    }
    api_model_close(&m);
}

static void after_open(void **state) {
    (void)state;
    for (uint32_t threads = 1; threads <= 4; threads++) child_goes_on(threads, 0, -1);
}

static void after_use(void **state) {
    (void)state;
    child_goes_on(3, 0, 0);
    child_goes_on(3, 0, 30); /* asleep by then */
}

static void on_a_pool(void **state) {
    (void)state;
    child_goes_on(3, 1, -1);
    child_goes_on(3, 1, 30);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(after_open), cmocka_unit_test(after_use),
                                       cmocka_unit_test(on_a_pool)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
