/* What may follow the model's record in MODEL: the rows of a smaller head and the id of the mask.
 * Every wrong value is refused with a sentence, in the file and in the copy that a model keeps. */
#include "tests/blob/guarded_blob.h"

#include <stdlib.h>
#include <string.h>

#include "tests/blob/touch_blob.h"
#include "tests/pack/tiny_blob.h"

enum { ROWS = 20, MASK = 270, IDS = 272 };

static uint8_t *blob_bytes;
static size_t blob_size;

static struct blob_model *model(void) { return section(blob_bytes, BLOB_MODEL); }
static struct blob_draft *draft(void) { return (struct blob_draft *)(void *)(model() + 1); }
static uint32_t *ids(void) { return (uint32_t *)(void *)(draft() + 1); }
static struct blob_section *section_of(uint32_t kind) {
    return &((struct blob_header *)(void *)blob_bytes)->section[kind];
}

static int make_draft(void **state) {
    (void)state;
    blob_bytes =
        tiny_blob(&(struct tiny_spec){.layers = 1, .head_rows = ROWS, .mask = MASK}, &blob_size);
    return !blob_bytes;
}

static int free_draft(void **state) {
    (void)state;
    free(blob_bytes);
    return 0;
}

static void opens_whole(void **state) {
    (void)state;
    struct blob blob;
    char why[BLOB_WHY];
    assert_int_equal(blob_open(&blob, blob_bytes, blob_size, why), APUS_OK);
    assert_int_equal(head_rows(blob.model), ROWS);
    assert_int_equal(model_draft(blob.model)->mask, MASK);
    assert_int_equal(blob.tensors[blob.model->head].rows, ROWS);
    touch_blob((const apus_blob *)&(union {
                   struct blob blob;
                   apus_blob view;
               }){.blob = blob}
                   .view);
}

static void damage(int which) {
    switch (which) {
    case 0:
        draft()->head_rows = IDS;
        break;
    case 1:
        draft()->head_rows = UINT32_MAX;
        break;
    case 2:
        draft()->head_rows = ROWS - 1;
        break;
    case 3:
        draft()->head_rows = 0;
        break;
    case 4:
        draft()->mask = IDS;
        break;
    case 5:
        draft()->zero[0] = 1;
        break;
    case 6:
        draft()->zero[1] = 1u << 31;
        break;
    case 7:
        ids()[3] = ids()[2];
        break;
    case 8:
        ids()[3] = ids()[2] - 1;
        break;
    case 9:
        ids()[ROWS - 1] = IDS;
        break;
    case 10:
        ids()[0] = UINT32_MAX;
        break;
    case 11:
        model()->draft = 0;
        break;
    case 12:
        model()->draft = UINT32_MAX;
        break;
    case 13: /* the record is cut off, and what was behind it is padding */
        memset(draft(), 0, sizeof *draft() + ROWS * sizeof(uint32_t));
        section_of(BLOB_MODEL)->bytes = sizeof(struct blob_model);
        break;
    case 14:
        memset(draft(), 0, sizeof *draft() + ROWS * sizeof(uint32_t));
        section_of(BLOB_MODEL)->bytes = sizeof(struct blob_model) + sizeof(struct blob_draft) - 4;
        break;
    case 15:
        ids()[ROWS - 1] = 0;
        section_of(BLOB_MODEL)->bytes -= 4;
        break;
    case 16:
        section_of(BLOB_MODEL)->bytes += 4;
        break;
    case 17:
        model()->vocab = 0;
        break;
    case 18:
        model()->vocab = UINT32_MAX;
        break;
    default:
        fail();
    }
}

static const char *const says[] = {"model: head_rows is 272, must be 0 to 271",
                                   "model: head_rows is 4294967295, must be 0 to 271",
                                   "section 0 (MODEL): bytes is 160, must be 156",
                                   "section 0 (MODEL): bytes is 160, must be 80",
                                   "model: mask is 272, must be 0 to 271",
                                   "model: zero is 1, must be 0",
                                   "model: zero is 2147483648, must be 0",
                                   "model: id 3 of the head is 27, must be 28 to 271",
                                   "model: id 3 of the head is 26, must be 28 to 271",
                                   "model: id 19 of the head is 272, must be 245 to 271",
                                   "model: id 0 of the head is 4294967295, must be 0 to 271",
                                   "section 0 (MODEL): bytes is 160, must be 64",
                                   "model: draft is 4294967295, must be 0 to 1",
                                   "section 0 (MODEL): bytes is 64, must be 80",
                                   "section 0 (MODEL): bytes is 76, must be 80",
                                   "section 0 (MODEL): bytes is 156, must be 160",
                                   "section 0 (MODEL): bytes is 164, must be 160",
                                   "model: vocab is 0, must be 1 to 1048576",
                                   "model: vocab is 4294967295, must be 1 to 1048576"};

static void refuses_what_is_wrong(void **state) {
    (void)state;
    uint8_t *kept = malloc(blob_size);
    assert_non_null(kept);
    memcpy(kept, blob_bytes, blob_size);
    for (int i = 0; i < (int)(sizeof says / sizeof *says); i++) {
        struct blob blob, before;
        char why[BLOB_WHY] = "";
        memset(&blob, 0x5a, sizeof blob);
        before = blob;
        damage(i);
        tiny_reseal(blob_bytes, blob_size);
        if (blob_open(&blob, blob_bytes, blob_size, why) != APUS_E_FORMAT || !strstr(why, says[i]))
            fail_msg("damage %d: \"%s\" where \"%s\" was expected", i, why, says[i]);
        assert_memory_equal(&blob, &before, sizeof blob);
        memcpy(blob_bytes, kept, blob_size);
    }
    free(kept);
}

/* The copy is made of what the file holds now, which may not be what was opened. */
static void the_copy_is_checked_again(void **state) {
    (void)state;
    uint8_t *kept = malloc(blob_size);
    struct blob blob, copy;
    char why[BLOB_WHY] = "";
    assert_non_null(kept);
    memcpy(kept, blob_bytes, blob_size);
    assert_int_equal(blob_open(&blob, blob_bytes, blob_size, why), APUS_OK);
    size_t bytes = (size_t)blob_records_bytes(&blob);
    uint8_t *records = aligned_alloc(64, (bytes + 63) / 64 * 64);
    assert_non_null(records);
    for (int i = 0; i < (int)(sizeof says / sizeof *says); i++) {
        damage(i);
        tiny_reseal(blob_bytes, blob_size);
        assert_int_equal(blob_copy_records(&copy, &blob, records, why), APUS_E_FORMAT);
        memcpy(blob_bytes, kept, blob_size);
    }
    assert_int_equal(blob_copy_records(&copy, &blob, records, why), APUS_OK);
    for (uint32_t i = 0; i < ROWS; i++) ids()[i] = UINT32_MAX; /* and is used from then on */
    assert_int_equal(head_ids(model_draft(copy.model))[ROWS - 1], (ROWS - 1) * IDS / ROWS);
    assert_true((const uint8_t *)copy.model >= records &&
                (const uint8_t *)(head_ids(model_draft(copy.model)) + ROWS) <= records + bytes);
    memcpy(blob_bytes, kept, blob_size);
    free(kept);
    free(records);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(opens_whole),
                                       cmocka_unit_test(refuses_what_is_wrong),
                                       cmocka_unit_test(the_copy_is_checked_again)};
    return cmocka_run_group_tests(tests, make_draft, free_draft);
}
