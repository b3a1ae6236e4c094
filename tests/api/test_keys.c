/* States that a key makes authentic, and the hash behind it against published values. */
#include "tests/api/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/blake2s.h"

static void expect(const uint8_t *hash, const char *hex) {
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < BLAKE2S_BYTES; i++)
        if (hex[2 * i] != digits[hash[i] >> 4] || hex[2 * i + 1] != digits[hash[i] & 15])
            fail_msg("byte %d differs from %s", i, hex);
}

/* Without a key: RFC 7693, appendix B. With one: the first, second and last of the reference's
 * blake2-kat.txt (the key is 00 .. 1f, the data 00, 01 ...), and those around a block's border. */
static void the_hash_is_blake2s(void **unused) {
    (void)unused;
    static const struct {
        size_t bytes;
        const char *hex;
    } keyed[] = {
        {0, "48a8997da407876b3d79c0d92325ad3b89cbb754d86ab71aee047ad345fd2c49"},
        {1, "40d15fee7c328830166ac3f918650f807e7e01e177258cdc0a39b11f598066f1"},
        {63, "c65382513f07460da39833cb666c5ed82e61b9e998f4b0c4287cee56c3cc9bcd"},
        {64, "8975b0577fd35566d750b362b0897a26c399136df07bababbde6203ff2954ed4"},
        {65, "21fe0ceb0052be7fb0f004187cacd7de67fa6eb0938d927677f2398c132317a8"},
        {127, "ddbfea75cc467882eb3483ce5e2e756a4f4701b76b445519e89f22d60fa86e06"},
        {128, "0c311f38c35a4fb90d651c289d486856cd1413df9b0677f53ece2cd9e477c60a"},
        {129, "46a73a8dd3e70f59d3942c01df599def783c9da82fd83222cd662b53dce7dbdf"},
        {255, "3fb735061abc519dfe979e54c1ee5bfad0a9d858b3315bad34bde999efd724dd"},
    };
    uint8_t hash[BLAKE2S_BYTES], key[BLAKE2S_KEY], data[256];
    for (int i = 0; i < 256; i++) data[i] = (uint8_t)i;
    memcpy(key, data, sizeof key);
    blake2s(hash, NULL, "abc", 3);
    expect(hash, "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
    for (size_t i = 0; i < sizeof keyed / sizeof *keyed; i++) {
        blake2s(hash, key, data, keyed[i].bytes);
        expect(hash, keyed[i].hex);
    }
}

static apus_session *open_keyed(const struct api_model *m, struct guarded *arena,
                                const uint8_t *key) {
    apus_config config = {
        .size = sizeof config, .model = m->model, .context = 32, .state_key = key};
    apus_memory need = {.size = sizeof need};
    apus_session *s = NULL;
    assert_int_equal(apus_measure(&config, &need), APUS_OK);
    *arena = guarded_take(need.bytes, need.alignment);
    assert_int_equal(apus_open(&s, &config, arena->at, need.bytes), APUS_OK);
    return s;
}

static void states_are_taken_by_their_key_alone(void **unused) {
    (void)unused;
    uint8_t one[BLAKE2S_KEY], other[BLAKE2S_KEY];
    const uint8_t *keys[3] = {NULL, one, other};
    struct guarded arena[3];
    apus_session *s[3];
    unsigned char *state[3];
    size_t bytes[3];
    struct api_model m;
    int32_t ids[9];
    memset(one, 7, sizeof one);
    memcpy(other, one, sizeof other);
    other[31] ^= 0x80;
    api_model_open(&m, 0, APUS_CPU_BEST);
    api_ids(&m, 11, ids, 9);
    for (int i = 0; i < 3; i++) {
        s[i] = open_keyed(&m, &arena[i], keys[i]);
        assert_int_equal(apus_eval(s[i], ids, 9, NULL, NULL), APUS_OK);
        state[i] = saved_state(s[i], &bytes[i]);
    }
    for (int by = 0; by < 3; by++)
        for (int of = 0; of < 3; of++)
            assert_int_equal(apus_restore(s[by], state[of], bytes[of]),
                             by == of ? APUS_OK : APUS_E_FORMAT);
    for (size_t i = 0; i < bytes[1]; i++) { /* every byte counts */
        state[1][i] ^= 0x10;
        assert_true(apus_restore(s[1], state[1], bytes[1]) < 0);
        state[1][i] ^= 0x10;
    }
    assert_int_equal(apus_restore(s[1], state[1], bytes[1]), APUS_OK);
    for (int i = 0; i < 3; i++) {
        apus_close(s[i]);
        for (size_t at = 0; keys[i] && at + sizeof one <= arena[i].bytes;
             at++) /* nothing of the key is left */
            assert_true(memcmp(arena[i].at + at, keys[i], sizeof one) != 0);
        guarded_free(&arena[i]);
        free(state[i]);
    }
    api_model_close(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_is_blake2s),
        cmocka_unit_test(states_are_taken_by_their_key_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
