/* The engine room with the pair that ships: what it writes is what the library writes by itself,
 * whatever else is asked for meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/complete/room.h"
#include "apps/load.h"
#include "apus/easy.h"

#define TARGET "weights/models/pair/target.apus"
#define DRAFT  "weights/models/pair/draft.apus"

enum { TEXT_ROOM = 16384, TEXTS = 4 };

/* A request with what came of it. */
struct asked {
    struct request *request;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int is_done, pieces;
    char text[TEXTS][TEXT_ROOM];
    size_t bytes[TEXTS];
    struct request_result result, each[TEXTS];
};

static struct settings settings;

static void on_piece(struct request *request, const struct request_piece *piece) {
    struct asked *asked = request->door;
    pthread_mutex_lock(&asked->lock);
    size_t *n = &asked->bytes[piece->index];
    if (*n + piece->bytes < TEXT_ROOM) {
        memcpy(asked->text[piece->index] + *n, piece->text, piece->bytes);
        *n += piece->bytes;
    }
    asked->pieces++;
    pthread_cond_broadcast(&asked->changed);
    pthread_mutex_unlock(&asked->lock);
}

static void on_text_end(struct request *request, const struct request_result *result) {
    struct asked *asked = request->door;
    asked->each[result->index] = *result;
}

static void on_done(struct request *request, const struct request_result *result) {
    struct asked *asked = request->door;
    pthread_mutex_lock(&asked->lock);
    asked->result = *result;
    asked->is_done++;
    pthread_cond_broadcast(&asked->changed);
    pthread_mutex_unlock(&asked->lock);
}

static struct asked *ask(const char *prompt, int64_t max_tokens) {
    struct asked *asked = calloc(1, sizeof *asked);
    assert_non_null(asked);
    pthread_mutex_init(&asked->lock, NULL);
    pthread_cond_init(&asked->changed, NULL);
    asked->request = request_new();
    assert_non_null(asked->request);
    asked->request->max_tokens = max_tokens;
    asked->request->piece = on_piece;
    asked->request->text_end = on_text_end;
    asked->request->done = on_done;
    asked->request->door = asked;
    assert_int_equal(request_add_part(asked->request, APUS_PART_BOS, 0, NULL, 0), 0);
    assert_int_equal(request_add_part(asked->request, APUS_PART_TEXT, 0, prompt, strlen(prompt)),
                     0);
    return asked;
}

static void wait_done(struct asked *asked) {
    pthread_mutex_lock(&asked->lock);
    while (!asked->is_done) pthread_cond_wait(&asked->changed, &asked->lock);
    pthread_mutex_unlock(&asked->lock);
}

static void wait_piece(struct asked *asked) {
    pthread_mutex_lock(&asked->lock);
    while (!asked->is_done && !asked->pieces) pthread_cond_wait(&asked->changed, &asked->lock);
    pthread_mutex_unlock(&asked->lock);
}

static void forget(struct asked *asked) {
    request_free(asked->request);
    pthread_cond_destroy(&asked->changed);
    pthread_mutex_destroy(&asked->lock);
    free(asked);
}

static struct room *open_room(uint32_t slots, uint32_t queue) {
    struct room *room;
    const struct room_config config = {
        .settings = &settings, .slots = slots, .queue = queue, .context = 1024};
    assert_int_equal(room_open(&room, &config), 0);
    assert_int_equal(room_wait(room), 0);
    assert_non_null(room_model(room));
    return room;
}

/* What the library alone writes, for the same sampling. */
static void library_text(const char *prompt, const apus_sampling *sampling, char *text,
                         size_t room) {
    apus_easy easy;
    apus_config config = {.size = sizeof config, .context = 1024, .threads = 2};
    assert_int_equal(apus_easy_open(&easy, TARGET, NULL, &config), 0);
    const apus_part parts[] = {{.kind = APUS_PART_BOS},
                               {.kind = APUS_PART_TEXT, .data = prompt, .count = strlen(prompt)}};
    assert_int_equal(apus_prompt(easy.session, parts, 2, 0), 0);
    assert_int_equal(apus_begin(easy.session, sampling), 0);
    size_t n = 0;
    for (apus_piece piece = {.size = sizeof piece}; !piece.stop;) {
        assert_int_equal(apus_next(easy.session, &piece), 0);
        assert_true(n + piece.bytes < room);
        memcpy(text + n, piece.text, piece.bytes);
        n += piece.bytes;
    }
    text[n] = 0;
    apus_easy_close(&easy);
}

static const char python[] = "def add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n";
static const char other[] = "import os\n\n\ndef read(path):\n    with open(path) as f:\n";

/* Several texts of one prompt are those of seeds one after another, and two requests at once are
 * what each is alone. */
static void test_same_text(void **state) {
    (void)state;
    struct room *room = open_room(2, 8);
    struct asked *a = ask(python, 48), *b = ask(other, 48);
    char text[TEXT_ROOM];
    a->request->temperature = 0.8f, a->request->seed = 5, a->request->count = 3;
    assert_int_equal(room_submit(room, a->request), 0);
    assert_int_equal(room_submit(room, b->request), 0);
    wait_done(a);
    wait_done(b);
    assert_int_equal(a->result.status, REQUEST_DONE);
    assert_int_not_equal(a->result.slot, b->result.slot);
    for (uint32_t i = 0; i < 3; i++) {
        const apus_sampling sampling = {
            .size = sizeof sampling, .temperature = 0.8f, .seed = 5 + i, .max_tokens = 48};
        library_text(python, &sampling, text, sizeof text);
        assert_string_equal(a->text[i], text);
        assert_int_equal(a->each[i].index, i);
        assert_int_not_equal(a->each[i].stop, 0);
        assert_true(a->each[i].log_prob < 0);
    }
    const apus_sampling greedy = {.size = sizeof greedy, .max_tokens = 48};
    library_text(other, &greedy, text, sizeof text);
    assert_string_equal(b->text[0], text);
    assert_int_equal(b->result.reused, 0);
    assert_int_equal(b->result.evaluated, b->result.prompt);
    struct figures figures;
    room_figures(room, &figures);
    assert_int_equal(figures.requests, 2);
    assert_int_equal(figures.ended[REQUEST_DONE], 2);
    assert_int_equal(figures.active, 0);
    forget(a);
    forget(b);
    room_close(room);
}

/* A text whose first bytes are bound is the library's. */
static void test_bound(void **state) {
    (void)state;
    struct room *room = open_room(1, 8);
    struct asked *a = ask("def add(a, b):\n    return a + b", 24), *b = ask(python, 24);
    char text[TEXT_ROOM];
    a->request->bind[0] = '\n';
    a->request->bind_bytes = 1;
    assert_int_equal(room_submit(room, a->request), 0);
    wait_done(a);
    const apus_sampling bound = {
        .size = sizeof bound, .max_tokens = 24, .bind = "\n", .bind_bytes = 1};
    library_text("def add(a, b):\n    return a + b", &bound, text, sizeof text);
    assert_string_equal(a->text[0], text);
    assert_int_equal(room_submit(room, b->request), 0); /* the next one is free again */
    wait_done(b);
    const apus_sampling greedy = {.size = sizeof greedy, .max_tokens = 24};
    library_text(python, &greedy, text, sizeof text);
    assert_string_equal(b->text[0], text);
    forget(a);
    forget(b);
    room_close(room);
}

/* What warming evaluated is found in place. */
static void test_warm(void **state) {
    (void)state;
    struct room *room = open_room(1, 8);
    struct asked *warm = ask(python, 0), *a = ask(python, 8);
    assert_int_equal(room_submit(room, warm->request), 0);
    wait_done(warm);
    assert_int_equal(warm->result.status, REQUEST_DONE);
    assert_int_equal(warm->pieces, 0);
    assert_int_equal(warm->result.evaluated, warm->result.prompt);
    assert_int_equal(room_submit(room, a->request), 0);
    wait_done(a);
    assert_true(a->result.reused + 1 >= a->result.prompt);
    struct asked *b = ask(python, 8);
    b->request->drop_context = 1;
    assert_int_equal(room_submit(room, b->request), 0);
    wait_done(b);
    assert_int_equal(b->result.reused, 0);
    assert_string_equal(a->text[0], b->text[0]);
    forget(warm);
    forget(a);
    forget(b);
    room_close(room);
}

/* A newer request of the same subject ends the older, in its slot and in the queue; one of another
 * subject is not touched. */
static void test_supersede(void **state) {
    (void)state;
    struct room *room = open_room(1, 8);
    struct asked *a = ask(python, 800), *b = ask(python, 8), *c = ask(python, 8),
                 *d = ask(other, 8);
    a->request->subject = b->request->subject = c->request->subject = 7;
    a->request->ignore_end = 1;
    d->request->subject = 8;
    assert_int_equal(room_submit(room, a->request), 0);
    wait_piece(a);
    assert_int_equal(room_submit(room, d->request), 0);
    assert_int_equal(room_submit(room, b->request), 0);
    assert_int_equal(room_submit(room, c->request), 0);
    wait_done(a);
    wait_done(b);
    wait_done(c);
    wait_done(d);
    assert_int_equal(a->result.status, REQUEST_CANCELLED);
    assert_true(a->result.new_tokens < 800);
    assert_int_equal(c->result.status, REQUEST_DONE);
    assert_int_equal(d->result.status, REQUEST_DONE);
    assert_true(b->result.status == REQUEST_CANCELLED || b->result.status == REQUEST_DONE);
    forget(a);
    forget(b);
    forget(c);
    forget(d);
    room_close(room);
}

/* The queue is bounded; a cancelled request that waits leaves it; one that only warms gives way. */
static void test_queue(void **state) {
    (void)state;
    struct room *room = open_room(1, 2);
    struct asked *a = ask(python, 800), *b = ask(python, 4), *c = ask(python, 4),
                 *d = ask(python, 4);
    a->request->ignore_end = 1;
    assert_int_equal(room_submit(room, a->request), 0);
    wait_piece(a);
    assert_int_equal(room_submit(room, b->request), 0);
    assert_int_equal(room_submit(room, c->request), 0);
    assert_int_equal(room_submit(room, d->request), EBUSY);
    room_cancel(room, b->request);
    wait_done(b);
    assert_false(a->is_done);
    assert_int_equal(b->result.status, REQUEST_CANCELLED);
    room_cancel(room, a->request);
    wait_done(a);
    wait_done(c);
    room_cancel(room, c->request); /* after its end: nothing */
    assert_int_equal(c->result.status, REQUEST_DONE);
    forget(a);
    forget(b);
    forget(c);
    forget(d);
    room_close(room);
}

static void test_gives_way(void **state) {
    (void)state;
    struct room *room = open_room(1, 8);
    char longer[2000];
    for (size_t i = 0; i + 1 < sizeof longer; i++) longer[i] = python[i % (sizeof python - 1)];
    longer[sizeof longer - 1] = 0;
    struct asked *warm = ask(longer, 0), *a = ask(other, 4), *again = ask(longer, 0);
    assert_int_equal(room_submit(room, warm->request), 0);
    usleep(1000);
    assert_int_equal(room_submit(room, a->request), 0);
    wait_done(a);
    wait_done(warm);
    assert_int_equal(a->result.status, REQUEST_DONE);
    assert_true(warm->result.status == REQUEST_GAVE_WAY || warm->result.status == REQUEST_DONE);
    assert_int_equal(room_submit(room, again->request), 0);
    wait_done(again);
    assert_int_equal(again->result.status, REQUEST_DONE);
    forget(warm);
    forget(a);
    forget(again);
    room_close(room);
}

/* A deadline stops the prompt, and what it evaluated is there for the next. */
static void test_deadline(void **state) {
    (void)state;
    struct room *room = open_room(1, 8);
    char longer[2000];
    for (size_t i = 0; i + 1 < sizeof longer; i++) longer[i] = python[i % (sizeof python - 1)];
    longer[sizeof longer - 1] = 0;
    uint32_t evaluated = 0, prompt = 0;
    for (int i = 0; i < 10000; i++) {
        struct asked *a = ask(longer, 4);
        a->request->prompt_ms = 1;
        assert_int_equal(room_submit(room, a->request), 0);
        wait_done(a);
        assert_int_equal(a->result.status, REQUEST_DONE);
        prompt = a->result.prompt;
        evaluated += a->result.evaluated;
        int is_text = a->result.stop != APUS_STOP_DEADLINE;
        assert_int_equal(a->result.new_tokens, is_text ? 4 : 0);
        forget(a);
        if (is_text) break;
    }
    assert_in_range(evaluated, prompt, prompt + 2);
    struct asked *b = ask(python, 800);
    b->request->ignore_end = 1;
    b->request->predict_ms = 30;
    assert_int_equal(room_submit(room, b->request), 0);
    wait_done(b);
    assert_int_equal(b->result.stop, APUS_STOP_DEADLINE);
    assert_true(b->result.new_tokens > 0);
    forget(b);
    room_close(room);
}

static void test_refuses(void **state) {
    (void)state;
    struct room *room = open_room(1, 8);
    char longer[20000];
    for (size_t i = 0; i + 1 < sizeof longer; i++) longer[i] = python[i % (sizeof python - 1)];
    longer[sizeof longer - 1] = 0;
    struct asked *a = ask(longer, 4), *b = ask(python, 4);
    assert_int_equal(room_submit(room, a->request), 0);
    wait_done(a);
    assert_int_equal(a->result.status, REQUEST_REFUSED);
    assert_non_null(strstr(a->result.why, "the context holds 1024"));
    int32_t wrong = 100000000;
    assert_int_equal(request_add_part(b->request, APUS_PART_IDS, 0, &wrong, 1), 0);
    assert_int_equal(room_submit(room, b->request), 0);
    wait_done(b);
    assert_int_equal(b->result.status, REQUEST_REFUSED);
    assert_true(*b->result.why);
    forget(a);
    forget(b);
    room_close(room);
}

/* Closing ends what runs and what waits; afterwards nothing is taken. */
static void test_close(void **state) {
    (void)state;
    struct room *room = open_room(1, 8);
    struct asked *a = ask(python, 800), *b = ask(python, 4);
    a->request->ignore_end = 1;
    assert_int_equal(room_submit(room, a->request), 0);
    assert_int_equal(room_submit(room, b->request), 0);
    wait_piece(a);
    room_close(room);
    assert_int_equal(a->is_done, 1);
    assert_int_equal(a->result.status, REQUEST_CANCELLED);
    assert_int_equal(b->is_done, 1);
    assert_int_equal(b->result.status, REQUEST_CLOSING);
    forget(a);
    forget(b);
}

int main(void) {
    settings.model = TARGET;
    settings.draft = DRAFT;
    settings.engine = settings.draft_engine = "cpu";
    settings.threads = 2;
    settings.lookup = 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_text), cmocka_unit_test(test_warm),
        cmocka_unit_test(test_supersede), cmocka_unit_test(test_queue),
        cmocka_unit_test(test_gives_way), cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_refuses),   cmocka_unit_test(test_close),
        cmocka_unit_test(test_bound)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
