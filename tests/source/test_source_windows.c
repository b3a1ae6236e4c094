/* What the packer reads of models whose layers with a window have a RoPE of their own: which layers
 * these are, and both ropes, from both kinds of files. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/source/written.h"
#include "weights/pack/checkpoint/source_inside.h"

/* -------------------------------------------------------------------------------------- GGUF -- */

static void add_pattern(struct gguf_description *g, enum gguf_kind element, uint64_t count) {
    add_key(g, (struct gguf_key){.key = "mellum.attention.sliding_window_pattern",
                                 .kind = GGUF_ARRAY,
                                 .element = element,
                                 .count = count,
                                 .number = 1});
}

static struct source *open_gguf(const struct gguf_description *g, struct bytes *file,
                                struct diag *d) {
    *file = write_gguf(g);
    *d = (struct diag){{0}};
    return source_open_gguf_memory(file->data, file->size, d);
}

/* Opens it and compares the windows of its two layers. */
static struct source *open_windows(const struct gguf_description *g, uint32_t first,
                                   uint32_t second, struct bytes *file) {
    struct diag d;
    struct source *source = open_gguf(g, file, &d);
    assert_string_equal(d.text, "");
    const struct model_config *c = source_config(source);
    assert_int_equal(c->layer[0].window, first);
    assert_int_equal(c->layer[1].window, second);
    return source;
}

static void gguf_says_which_layers_have_windows(void **state) {
    (void)state;
    struct bytes file;
    static struct gguf_description g;
    describe_mellum(&g); /* without a word every fourth layer sees all */
    source_close(open_windows(&g, 24, 24, &file));
    bytes_free(&file);
    add_pattern(&g, GGUF_BOOL, 2);
    source_close(open_windows(&g, 24, 24, &file));
    bytes_free(&file);
    find_key(&g, "mellum.attention.sliding_window_pattern")->number = 0;
    source_close(open_windows(&g, 0, 0, &file));
    bytes_free(&file);
    *find_key(&g, "mellum.attention.sliding_window_pattern") = (struct gguf_key){
        .key = "mellum.attention.sliding_window_pattern", .kind = GGUF_U32, .number = 2};
    source_close(open_windows(&g, 24, 0, &file));
    bytes_free(&file);
}

static void gguf_gives_two_ropes(void **state) {
    (void)state;
    struct bytes file;
    static struct gguf_description g;
    describe_mellum(&g);
    struct source *source = open_windows(&g, 24, 24, &file); /* one theta, and no scaling */
    assert_false(source_config(source)->window_rope_differs);
    source_close(source);
    bytes_free(&file);
    add_key(&g,
            (struct gguf_key){.key = "mellum.rope.freq_base_swa", .kind = GGUF_F32, .real = 500});
    add_key(&g, (struct gguf_key){
                    .key = "mellum.rope.scaling.type", .kind = GGUF_STRING, .text = "yarn"});
    add_key(&g,
            (struct gguf_key){.key = "mellum.rope.scaling.factor", .kind = GGUF_F32, .real = 4});
    source = open_windows(&g, 24, 24, &file);
    const struct model_config *c = source_config(source);
    assert_true(c->rope.scaling == ROPE_YARN && c->rope.theta == 10000 && c->rope.factor == 4);
    assert_true(c->window_rope_differs && c->window_rope.scaling == ROPE_NONE &&
                c->window_rope.theta == 500 && c->window_rope.factor == 1 &&
                c->window_rope.rotary == c->rope.rotary);
    assert_true(config_turns_by_window(c, 0) && config_turns_by_window(c, 1));
    source_close(source);
    bytes_free(&file);
    drop_key(&g, "mellum.rope.freq_base_swa"); /* the same theta, which YaRN's range is not for */
    source = open_windows(&g, 24, 24, &file);
    c = source_config(source);
    assert_true(c->window_rope_differs && c->window_rope.theta == 10000);
    source_close(source);
    bytes_free(&file);
}

static void wrong_windows_of_gguf_are_refused(void **state) {
    (void)state;
    static const struct {
        enum gguf_kind element;
        uint64_t count;
    } lists[] = {{GGUF_BOOL, 1}, {GGUF_BOOL, 3}, {GGUF_BOOL, 0}, {GGUF_I32, 2}, {GGUF_F32, 2}};
    struct bytes file;
    struct diag d;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        static struct gguf_description g;
        describe_mellum(&g);
        add_pattern(&g, lists[i].element, lists[i].count);
        assert_null(open_gguf(&g, &file, &d));
        assert_non_null(strstr(d.text, "is not an array of 2 true or false"));
        bytes_free(&file);
    }
    static struct gguf_description g;
    describe_mellum(&g);
    add_key(&g,
            (struct gguf_key){.key = "mellum.rope.freq_base_swa", .kind = GGUF_F32, .real = -1});
    assert_null(open_gguf(&g, &file, &d));
    assert_non_null(strstr(d.text, "RoPE theta -1"));
    bytes_free(&file);
    describe_gguf(&g); /* a family that is not known to have two */
    add_key(&g,
            (struct gguf_key){.key = "llama.rope.freq_base_swa", .kind = GGUF_F32, .real = 500});
    assert_null(open_gguf(&g, &file, &d));
    assert_non_null(strstr(d.text, "another theta in some layers"));
    bytes_free(&file);
}

/* ------------------------------------------------------------------------------- config.json -- */

#define SLIDING                                                                                    \
    "\"sliding_window\": 24, \"layer_types\": [\"sliding_attention\", \"full_attention\"], "

/* Opens the tiny model with these keys for its scaling. */
static struct source *open_config(const char *keys, struct bytes *file) {
    struct diag d;
    struct source *source = open_json("\"rope_scaling\": null", keys, NULL, NULL, file, &d);
    assert_string_equal(d.text, "");
    assert_true(source_config(source)->layer[0].window == 24 &&
                source_config(source)->layer[1].window == 0);
    return source;
}

static void json_gives_two_ropes(void **state) {
    (void)state;
    struct bytes file;
    struct source *source =
        open_config(SLIDING "\"rope_parameters\": {\"full_attention\": {\"rope_type\": \"yarn\", "
                            "\"rope_theta\": 10000, \"factor\": 4, "
                            "\"original_max_position_embeddings\": 16}, \"sliding_attention\": "
                            "{\"rope_type\": \"linear\", \"factor\": 2, \"rope_theta\": 500}}",
                    &file);
    const struct model_config *c = source_config(source);
    assert_true(c->rope.scaling == ROPE_YARN && c->rope.theta == 10000 && c->rope.factor == 4 &&
                c->rope.original_positions == 16);
    assert_true(c->window_rope_differs && c->window_rope.scaling == ROPE_LINEAR &&
                c->window_rope.theta == 500 && c->window_rope.factor == 2);
    assert_true(config_turns_by_window(c, 0) && !config_turns_by_window(c, 1));
    source_close(source);
    bytes_free(&file);

    source = open_config(SLIDING "\"rope_parameters\": {\"full_attention\": {\"rope_theta\": "
                                 "10000}, \"sliding_attention\": {\"rope_theta\": 10000}}",
                         &file);
    c = source_config(source);
    assert_true(!c->window_rope_differs && !config_turns_by_window(c, 0));
    source_close(source);
    bytes_free(&file);
}

/* The two ropes of Mellum 2 have no other place: one for all layers would be another model. */
static void mellum_says_its_ropes(void **state) {
    (void)state;
    struct bytes file;
    struct diag d;
    assert_null(open_json("LlamaForCausalLM", "MellumForCausalLM", NULL, NULL, &file, &d));
    assert_non_null(strstr(d.text, "rope_parameters is missing"));
    bytes_free(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gguf_says_which_layers_have_windows),
        cmocka_unit_test(gguf_gives_two_ropes),
        cmocka_unit_test(wrong_windows_of_gguf_are_refused),
        cmocka_unit_test(json_gives_two_ropes),
        cmocka_unit_test(mellum_says_its_ropes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
