/* Sessions that share a pool of threads: the bits of sessions that do not, whatever runs beside
 * them. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/api/fixture.h"

enum { CONTEXT = 256, PROMPT = 40, TOKENS = 24, ROUNDS = 12 };

struct shared_pool {
    apus_pool *pool;
    struct guarded memory;
};

static struct shared_pool pool_of(uint32_t threads) {
    struct shared_pool p;
    apus_pool_config config = {.size = sizeof config, .threads = threads, .port = api_port()};
    apus_memory need = {.size = sizeof need};
    assert_int_equal(apus_pool_measure(&config, &need), APUS_OK);
    assert_int_equal(need.driver_bytes, 0);
    p.memory = guarded_take(need.bytes, need.alignment);
    assert_int_equal(apus_pool_open(&p.pool, &config, p.memory.at, need.bytes), APUS_OK);
    return p;
}

static void pool_close(struct shared_pool *p) {
    apus_pool_close(p->pool);
    guarded_free(&p->memory);
}

static void open_on(struct api_session *s, const struct api_model *m, apus_pool *pool,
                    uint32_t threads) {
    apus_config config = {.size = sizeof config,
                          .model = m->model,
                          .context = CONTEXT,
                          .chunk = 32,
                          .threads = threads,
                          .pool = pool};
    apus_memory need = {.size = sizeof need};
    assert_int_equal(apus_measure(&config, &need), APUS_OK);
    s->arena = guarded_take(need.bytes, need.alignment);
    assert_int_equal(apus_open(&s->session, &config, s->arena.at, need.bytes), APUS_OK);
}

/* A hash over several prompts with what is generated behind each; of the first time where it comes
 * from. */
static uint64_t use(const struct api_session *s, const struct api_model *m, uint32_t rounds) {
    uint64_t hash = 1;
    for (uint32_t i = 0; i < rounds; i++) {
        int32_t ids[PROMPT], made[TOKENS];
        api_ids(m, i, ids, PROMPT);
        assert_int_equal(API_PROMPT(s, ids, PROMPT - i), APUS_OK);
        const uint64_t logits = api_generate(s, TOKENS, made);
        hash = api_hash(api_hash(hash, &logits, sizeof logits), made, sizeof made);
    }
    return hash;
}

static void what_is_wrong_is_refused(void **state) {
    (void)state;
    apus_pool *pool = NULL;
    apus_memory need = {.size = sizeof need};
    static _Alignas(64) unsigned char memory[64 * 1024];
    apus_pool_config config = {.size = sizeof config, .threads = 2, .port = api_port()};
    assert_int_equal(apus_pool_measure(NULL, &need), APUS_E_ARGUMENT);
    assert_int_equal(apus_pool_measure(&config, NULL), APUS_E_ARGUMENT);
    assert_int_equal(apus_pool_measure(&config, &need), APUS_OK);
    assert_true(need.bytes <= sizeof memory && need.alignment == 64);
    assert_int_equal(apus_pool_open(NULL, &config, memory, sizeof memory), APUS_E_ARGUMENT);
    assert_int_equal(apus_pool_open(&pool, NULL, memory, sizeof memory), APUS_E_ARGUMENT);
    assert_int_equal(apus_pool_open(&pool, &config, NULL, sizeof memory), APUS_E_SPACE);
    assert_int_equal(apus_pool_open(&pool, &config, memory + 32, need.bytes), APUS_E_SPACE);
    assert_int_equal(apus_pool_open(&pool, &config, memory, need.bytes - 1), APUS_E_SPACE);
    config.threads = 65;
    assert_int_equal(apus_pool_measure(&config, &need), APUS_E_ARGUMENT);
    assert_int_equal(apus_pool_open(&pool, &config, memory, sizeof memory), APUS_E_ARGUMENT);
    config.size = 0;
    assert_int_equal(apus_pool_measure(&config, &need), APUS_E_ARGUMENT);
    assert_null(pool);
    apus_pool_close(NULL);
}

/* Pools of any size, with and without threads in the port, in exactly the measured bytes. */
static void measure_is_open(void **state) {
    (void)state;
    struct api_model m;
    struct api_session s;
    api_model_open(&m, 0, APUS_CPU_BEST);
    open_on(&s, &m, NULL, 1);
    const uint64_t want = use(&s, &m, 2);
    api_close(&s);
    static const uint32_t threads[] = {0, 1, 2, 3, 64};
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        struct shared_pool p = pool_of(threads[i]);
        open_on(&s, &m, p.pool, i % 2);
        assert_int_equal(use(&s, &m, 2), want);
        api_close(&s);
        pool_close(&p);
    }
    api_model_close(&m);
}

/* A session on a pool brings no threads: its arena is smaller by a pool. */
static void the_arena_has_no_threads(void **state) {
    (void)state;
    struct api_model m;
    api_model_open(&m, 0, APUS_CPU_BEST);
    struct shared_pool p = pool_of(8);
    apus_config own = {.size = sizeof own, .model = m.model, .context = CONTEXT, .threads = 8},
                shared = own;
    apus_memory with = {.size = sizeof with}, without = {.size = sizeof without};
    shared.pool = p.pool;
    assert_int_equal(apus_measure(&own, &with), APUS_OK);
    assert_int_equal(apus_measure(&shared, &without), APUS_OK);
    assert_int_equal(with.bytes - without.bytes, p.memory.bytes);
    shared.threads = 0; /* all of the pool's */
    apus_memory all = {.size = sizeof all};
    assert_int_equal(apus_measure(&shared, &all), APUS_OK);
    assert_int_equal(all.bytes, without.bytes);
    pool_close(&p);
    api_model_close(&m);
}

struct user {
    pthread_barrier_t *start;
    const struct api_model *model;
    struct api_session session;
    uint32_t rounds;
    uint64_t hash;
};

static void *use_beside(void *arg) {
    struct user *u = arg;
    pthread_barrier_wait(u->start);
    u->hash = use(&u->session, u->model, u->rounds);
    return NULL;
}

/* Four sessions on two models, each on a caller's thread of its own, one with fewer threads than
 * the pool has. */
static void callers_at_the_same_time(void **state) {
    (void)state;
    enum { USERS = 4 };
    struct api_model m[2];
    struct user user[USERS];
    uint64_t want[2];
    pthread_t thread[USERS];
    pthread_barrier_t start;
    for (int i = 0; i < 2; i++) {
        struct api_session s;
        api_model_open(&m[i], i, APUS_CPU_BEST);
        open_on(&s, &m[i], NULL, 1);
        want[i] = use(&s, &m[i], ROUNDS);
        api_close(&s);
    }
    struct shared_pool p = pool_of(3);
    pthread_barrier_init(&start, NULL, USERS);
    for (int i = 0; i < USERS; i++) {
        user[i] = (struct user){.start = &start, .model = &m[i % 2], .rounds = ROUNDS};
        open_on(&user[i].session, user[i].model, p.pool, i == 3 ? 2 : 0);
        assert_int_equal(pthread_create(&thread[i], NULL, use_beside, &user[i]), 0);
    }
    for (int i = 0; i < USERS; i++) {
        pthread_join(thread[i], NULL);
        assert_int_equal(user[i].hash, want[i % 2]);
        api_close(&user[i].session); /* while others go on */
    }
    pthread_barrier_destroy(&start);
    pool_close(&p);
    for (int i = 0; i < 2; i++) api_model_close(&m[i]);
}

/* A session with a draft on the pool: target and draft share it, and a cancel from another thread
 * stops as always. */
static void a_pair_on_a_pool(void **state) {
    (void)state;
    struct api_model m;
    api_model_open(&m, 0, APUS_CPU_BEST);
    struct shared_pool p = pool_of(2);
    uint64_t hash[2];
    for (int shared = 0; shared < 2; shared++) {
        struct api_session s;
        apus_config config = {.size = sizeof config,
                              .model = m.model,
                              .draft = m.model,
                              .context = CONTEXT,
                              .proposals = 3,
                              .threads = shared ? 0 : 2};
        apus_memory need = {.size = sizeof need};
        config.pool = shared ? p.pool : NULL;
        assert_int_equal(apus_measure(&config, &need), APUS_OK);
        s.arena = guarded_take(need.bytes, need.alignment);
        assert_int_equal(apus_open(&s.session, &config, s.arena.at, need.bytes), APUS_OK);
        hash[shared] = use(&s, &m, 4);
        api_close(&s);
    }
    assert_int_equal(hash[0], hash[1]);
    pool_close(&p);
    api_model_close(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_is_refused), cmocka_unit_test(measure_is_open),
        cmocka_unit_test(the_arena_has_no_threads), cmocka_unit_test(callers_at_the_same_time),
        cmocka_unit_test(a_pair_on_a_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
