/* What the blob reader says of each kind of damage, word for word: the right field, the value
 * found, the values allowed. */
#include "tests/blob/guarded_blob.h"

#include <string.h>

#include "tests/pack/tiny_blob.h"

static struct blob_header *header(void) { return (struct blob_header *)(void *)data; }
static struct blob_model *model(void) { return section(data, BLOB_MODEL); }
static struct blob_layer *layer(uint32_t i) {
    return (struct blob_layer *)section(data, BLOB_LAYERS) + i;
}
static struct blob_tensor *tensor(uint32_t i) {
    return (struct blob_tensor *)section(data, BLOB_TENSORS) + i;
}

static void put_float(uint32_t kind, uint32_t index, uint32_t bits) {
    memcpy((uint8_t *)section(data, kind) + 4 * index, &bits, 4);
}

static struct blob_variant *variant(void) {
    return (struct blob_variant *)(void *)(layer(0) + LAYERS);
}

/* Embedding and head agree with the model on a row less than the tokenizer has pieces. */
static void one_row_less(void) {
    model()->vocab = VOCAB - 1;
    for (uint32_t i = 0; i < TENSORS; i += TENSORS - 1) {
        tensor(i)->rows = VOCAB - 1;
        tensor(i)->bytes = weight_bytes(tensor(i)->type, VOCAB - 1, DIM);
        put_float(BLOB_ROWS, tensor(i)->row_scales + VOCAB - 1, 0);
        if (tensor(i)->bias != BLOB_ABSENT) put_float(BLOB_ROWS, tensor(i)->bias + VOCAB - 1, 0);
    }
}

static void damage(int which) {
    switch (which) {
    case 0:
        header()->sections = 9;
        break;
    case 1:
        header()->file_bytes = size + BLOB_ALIGN;
        break;
    case 2:
        header()->section[3].offset += 64;
        break;
    case 3:
        header()->section[3].offset = header()->section[2].offset;
        break;
    case 4:
        header()->section[7].bytes = UINT64_MAX - header()->section[7].offset + 1;
        break;
    case 5:
        memset((uint8_t *)section(data, BLOB_WEIGHTS) + (header()->section[7].bytes -= BLOB_ALIGN),
               0, BLOB_ALIGN);
        break;
    case 6:
        model()->layers = 0;
        break;
    case 7:
        model()->layers = 3;
        break;
    case 8:
        model()->dim = 47;
        break;
    case 9:
        model()->vocab += 1;
        break;
    case 10:
        model()->head_dim = 24;
        break;
    case 11:
        model()->head_dim = 0;
        break;
    case 12:
        model()->eps = 0;
        break;
    case 13:
        model()->eps = -1e-5f;
        break;
    case 14:
        model()->name = (uint32_t)header()->section[BLOB_TEXT].bytes;
        break;
    case 15:
        layer(0)->kv_heads = 3;
        break;
    case 16:
        layer(0)->kv_heads = 0;
        break;
    case 17:
        layer(1)->kv_heads = 1;
        break;
    case 18:
        layer(0)->tensor[LT_Q] = TENSORS;
        break;
    case 19:
        layer(0)->tensor[LT_Q] = BLOB_ABSENT;
        break;
    case 20:
        layer(1)->tensor[LT_V] = 3;
        break;
    case 21:
        layer(0)->tensor[LT_O] = 1;
        break;
    case 22:
        layer(0)->tensor[LT_UP] = 0;
        break;
    case 23:
        layer(0)->ffn = 96;
        break;
    case 24:
        tensor(2)->type = 0;
        break;
    case 25:
        tensor(2)->type = WEIGHT_TYPES;
        break;
    case 26:
        tensor(2)->cols = 0;
        break;
    case 27:
        tensor(2)->rows = 0;
        break;
    case 28:
        tensor(2)->offset += 64;
        break;
    case 29:
        tensor(2)->offset = tensor(1)->offset;
        break;
    case 30:
        tensor(2)->offset = 0 - (uint64_t)BLOB_ALIGN;
        break;
    case 31:
        tensor(2)->bytes += 64;
        break;
    case 32:
        tensor(2)->row_scales = UINT32_MAX - 15;
        break;
    case 33:
        tensor(2)->row_scales += 1;
        break;
    case 34:
        tensor(0)->bias = tensor(0)->row_scales;
        break;
    case 35:
        memset(tensor(2)->name, 'x', sizeof tensor(2)->name);
        break;
    case 36:
        tensor(2)->name[0] = 0;
        break;
    case 37:
        tensor(2)->name[0] = 27;
        break;
    case 38:
        tensor(2)->name[40] = 'x';
        break;
    case 39:
        put_float(BLOB_ROWS, 5, 0x7f800000);
        break;
    case 40:
        put_float(BLOB_ROWS, 5, 0x7fc00000);
        break;
    case 41:
        put_float(BLOB_ROWS, 5, 0x80000000);
        break;
    case 42:
        put_float(BLOB_ROWS, 5, 1);
        break;
    case 43:
        put_float(BLOB_ROWS, 5, 0x58800001);
        break;
    case 44:
        put_float(BLOB_ROPE, 7, 0xbf800001);
        break;
    case 45:
        put_float(BLOB_ROPE, 7, 0xff800000);
        break;
    case 46:
        put_float(BLOB_ROWS, tensor(0)->row_scales + tensor(0)->rows, 0x3f800000);
        break;
    case 47:
        ((char *)section(data, BLOB_TEXT))[0] = 'x';
        break;
    case 48:
        ((char *)section(data, BLOB_TEXT))[header()->section[BLOB_TEXT].bytes - 1] = 'x';
        break;
    case 49:
        model()->embed = 1;
        break;
    case 50:
        model()->head = 0;
        break;
    case 51:
        model()->head = TENSORS;
        break;
    case 52:
        model()->tensors = 1;
        break;
    case 53:
        model()->rotated = 2;
        break;
    case 54:
        layer(0)->heads = 1u << 31;
        break;
    case 55:
        model()->max_positions = BLOB_POSITIONS_MAX + 1;
        break;
    case 56:
        header()->header_bytes = 0x00100000;
        break;
    case 57:
        one_row_less();
        break;
    case 58:
        tensor(2)->zero = 1;
        break;
    case 59:
        layer(1)->zero = 1;
        break;
    case 60:
        layer(0)->variant = 1u << 31;
        break;
    case 61:
        model()->draft = 2;
        break;
    case 62:
        variant()->q_gain += 1;
        break;
    case 63:
        variant()->k_gain = (uint32_t)(header()->section[BLOB_ROWS].bytes / sizeof(float));
        break;
    case 64:
        variant()->q_gain = BLOB_ABSENT - 15;
        break;
    case 65:
        variant()->activation = BLOB_ACTIVATIONS;
        break;
    case 66:
        variant()->activation = ACTIVATION_GELU;
        break;
    case 67:
        variant()->activation = UINT32_MAX;
        break;
    case 68:
        layer(0)->tensor[LT_GATE] = BLOB_ABSENT;
        break;
    case 69:
        put_float(BLOB_ROWS, variant()->k_gain + HEAD_DIM - 1, 1);
        break;
    default:
        fail();
    }
}

static void says_what_it_found(void **state) {
    (void)state;
    static const char *const says[] = {
        "header: sections is 9, must be 8",
        "header: file_bytes is ",
        "section 3 (ROWS): offset is 16448, must be 16384",
        "section 3 (ROWS): offset is 12288, must be 16384",
        "section 7 (WEIGHTS): bytes is ",
        "header: file_bytes is ",
        "model: layers is 0, must be 1 to 1024",
        "section 1 (LAYERS): bytes is 160, must be 144 and a multiple of 64 more",
        "tensor 1 (layer.0.attn_q): cols is 48, must be 47",
        ": rows is ",
        "model: head_dim is 24, must be a multiple of 16",
        "model: head_dim is 0, must be 16 to 256",
        "model: eps has the bits 0x0, must be",
        "model: eps has the bits 0xb727c5ac, must be",
        "model: name is 29, must be 0 to 28",
        "layer 0: kv_heads is 3, must divide 4 heads",
        "layer 0: kv_heads is 0, must be 1 to 4",
        "layer 1: kv_heads is 1, must be 0 to 0",
        "layer 0: tensor q is 12, must be 0 to 11",
        "layer 0: tensor q is 4294967295, must be 0 to 11",
        "layer 1: tensor v is 3, must be 4294967295",
        "tensor 1 (layer.0.attn_q): rows is 64, must be 48",
        "tensor 0 (embed): rows is ",
        "layer 0: ffn is 96, must be a multiple of 64",
        "tensor 2 (layer.0.attn_k): type is 0, must be 1 to 8",
        "tensor 2 (layer.0.attn_k): type is 9, must be 1 to 8",
        "tensor 2 (layer.0.attn_k): cols is 0, must be 1 to 65536",
        "tensor 2 (layer.0.attn_k): rows is 0, must be 1 to 1048576",
        "tensor 2 (layer.0.attn_k): offset is 24640, must be a multiple of 4096",
        "tensor 2 (layer.0.attn_k): 1152 bytes at 20480 of WEIGHTS, must lie between ",
        ("tensor 2 (layer.0.attn_k): 1152 bytes at 18446744073709547520 of WEIGHTS, must lie "
         "between "),
        "tensor 2 (layer.0.attn_k): bytes is 1216, must be 1152",
        "tensor 2 (layer.0.attn_k): row_scales is 4294967280, and 32 floats from there pass the ",
        "tensor 2 (layer.0.attn_k): row_scales is 433, must be a multiple of 16",
        "tensor 0 (embed): bias is ",
        "tensor 2: name has byte 0 at 48, must be 1 to 47 printable characters and a zero",
        "tensor 2: name has byte 0 at 0, must be ",
        "tensor 2: name has byte 27 at 0, must be ",
        "tensor 2: name has bytes after its end",
        "section 3 (ROWS): float 5 has the bits 0x7f800000, must be +0 or a magnitude",
        "section 3 (ROWS): float 5 has the bits 0x7fc00000",
        "section 3 (ROWS): float 5 has the bits 0x80000000",
        "section 3 (ROWS): float 5 has the bits 0x1,",
        "section 3 (ROWS): float 5 has the bits 0x58800001",
        "section 4 (ROPE): float 7 has the bits 0xbf800001",
        "section 4 (ROPE): float 7 has the bits 0xff800000",
        "tensor 0 (embed): row_scales: float ",
        "section 6 (TEXT): first byte is 120, must be 0",
        "section 6 (TEXT): last byte is 120, must be 0",
        "tensor 1 (layer.0.attn_q): rows is ",
        "tensor 0 (embed): type is 3 (row8), must be one of panels",
        "model: head is 12, must be 0 to 11",
        "model: tensors is 1, must be 2 to 18",
        "model: rotated is 2, must be 0 to 1",
        "layer 0: heads is 2147483648, must be 0 to 4096",
        "model: max_positions is 131073, must be 1 to 131072",
        "header: header_bytes is 1048576, must be 4096",
        "section 5 (VOCAB): rows is 258, must be 257",
        "tensor 2 (layer.0.attn_k): zero is 1, must be 0",
        "layer 1: zero is 1, must be 0",
        "layer 0: variant is 2147483648, must be 0 to 1",
        "model: draft is 2, must be 0 to 1",
        "variant 0: q_gain is ",
        "variant 0: k_gain is ",
        "variant 0: q_gain is 4294967280, and 16 floats from there pass the ",
        "variant 0: activation is 4, must be 0 to 3",
        "layer 0: tensor gate is 5, must be 4294967295",
        "variant 0: activation is 4294967295, must be 0 to 3",
        "layer 0: tensor gate is 4294967295, must be 0 to 11",
        "section 3 (ROWS): float "};
    apus_blob blob;
    char why[BLOB_WHY];
    for (int i = 0; i < (int)(sizeof says / sizeof *says); i++) {
        damage(i);
        tiny_reseal(data, size);
        apus_status status = opens(size, &blob, why);
        if (status != APUS_E_FORMAT || !strstr(why, says[i]))
            fail_msg("damage %d: status %d, \"%s\" where \"%s\" was expected", i, status, why,
                     says[i]);
        memcpy(data, good, size);
        if (i <= 5 || i == 56) continue; /* bounds come before hashes */
        damage(i);
        assert_int_equal(opens(size, &blob, why), APUS_E_FORMAT);
        assert_non_null(strstr(why, "hash is 0x"));
        memcpy(data, good, size);
    }
}

static void refuses_foreign_files(void **state) {
    (void)state;
    static const uint32_t versions[] = {0, 1, 3, UINT32_MAX, 1u << 24, 1u << 31};
    apus_blob blob;
    char why[BLOB_WHY];
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        header()->version = versions[i];
        assert_int_equal(opens(size, &blob, why), APUS_E_VERSION);
        assert_non_null(strstr(why, "header: version is "));
    }
    header()->version = BLOB_VERSION;
    static const char magics[][5] = {"GGUF",  "SUPA", "apus", "\0\0\0\0", "\xff\xff\xff\xff",
                                     "PK\3\4"};
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        memcpy(header()->magic, magics[i], 4);
        assert_int_equal(opens(size, &blob, why), APUS_E_FORMAT);
        assert_non_null(strstr(why, "not an Apus blob"));
    }
    memset(data, 0, size);
    assert_int_equal(opens(size, &blob, why), APUS_E_FORMAT);
}

/* A name of every length up to the last makes sentences that fit. */
static void messages_fit(void **state) {
    (void)state;
    apus_blob blob;
    char why[BLOB_WHY];
    for (size_t n = 1; n < sizeof tensor(1)->name; n++) {
        memset(tensor(1)->name, 0, sizeof tensor(1)->name);
        memset(tensor(1)->name, 'n', n);
        tensor(1)->offset = UINT64_MAX - 4095;
        tiny_reseal(data, size);
        assert_int_equal(opens(size, &blob, why), APUS_E_FORMAT);
        assert_int_equal(strspn(strchr(why, '(') + 1, "n"), n);
        memcpy(data, good, size);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(says_what_it_found, restore),
        cmocka_unit_test_setup(refuses_foreign_files, restore),
        cmocka_unit_test_setup(messages_fit, restore),
    };
    return cmocka_run_group_tests(tests, make, NULL);
}
