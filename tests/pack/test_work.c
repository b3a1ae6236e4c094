/* The phases of packing: what is planned is what the steps add up to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "weights/pack/work.h"

enum { LAYERS = 3, TENSORS = 2 + LAYERS * LT_COUNT, EMBED = 0, HEAD = TENSORS - 1 };

static struct plan_tensor tensors[TENSORS];
static struct blob_layer layers[LAYERS];
static struct plan plan = {.layers = layers, .tensors = tensors, .weight_bytes = 1000};

static void make_plan(void) {
    plan.model =
        (struct blob_model){.layers = LAYERS, .tensors = TENSORS, .embed = EMBED, .head = HEAD};
    for (uint32_t i = 0; i < TENSORS; i++)
        tensors[i].record = (struct blob_tensor){
            .name = "t", .type = i % 2 ? WEIGHT_W4 : WEIGHT_W8, .rows = 64, .cols = 128};
    for (uint32_t i = 0; i < LAYERS * LT_COUNT; i++)
        layers[i / LT_COUNT].tensor[i % LT_COUNT] = 1 + i;
}

static void steps_add_up(void **state) {
    (void)state;
    static const uint32_t from[] = {EMBED, 1 + LT_COUNT};
    make_plan();
    for (int resumed = 0; resumed < 2; resumed++)
        for (uint32_t tokens = 0; tokens < 1000; tokens += 512) {
            struct work work = {.plan = NULL};
            const struct work_request request = {.plan = &plan,
                                                 .tokens = tokens,
                                                 .first = from[resumed],
                                                 .measuring = {1e6, 1e5},
                                                 .threads = 1};
            work_begin(&work, PROGRESS_NONE);
            work_plan(&work, &request);
            for (uint64_t weights = 1; weights <= LAYERS * LT_COUNT; weights++)
                work_measured(&work, weights * 64 * 128);
            work_measured_all(&work);
            for (uint32_t i = request.first; i < TENSORS; i++) {
                work_tensor(&work, i);
                work_calibrated(&work);
                work_quantized(&work, 16 * 128);
                work_quantized(&work, 64 * 128);
            }
            const struct progress_phase *phase = work.progress.phase;
            for (int i = WORK_MEASURING; i <= WORK_QUANTIZING; i++)
                assert_float_equal((float)(phase[i].done / (phase[i].work + 1)),
                                   (float)(phase[i].work / (phase[i].work + 1)), 1e-4f);
            assert_true(phase[WORK_QUANTIZING].work > 0);
            assert_int_equal(phase[WORK_CALIBRATING].work > 0, tokens > 0);
            assert_true(work.progress.expected > 0);
            work_end(&work);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(steps_add_up)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
