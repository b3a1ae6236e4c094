/* apus-pack as a program: what it refuses, in words, with nothing left behind. */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/pack/packer.h"

static void wrong_usage(void **state) {
    (void)state;
    char model[512], out[512]; /* in_folder gives its storage again after a while */
    snprintf(model, sizeof model, "%s", in_folder("model.gguf"));
    snprintf(out, sizeof out, "%s", in_folder("no.apus"));
    check_failed(RUN("-q"), 2);
    check_failed(RUN(model), 2);
    check_failed(RUN("-o", out), 2);
    check_failed(RUN(model, model, "-o", out), 2);
    check_failed(RUN(model, "-o", out, "-o", model), 2);
    assert_non_null(strstr(complained, "-o (--output) was given twice"));
    check_failed(RUN(model, "-o", out, "--ctx", "8", "--ctx=9"), 2);
    check_failed(RUN(model, "-o", "-"), 2);
    assert_non_null(strstr(complained, "-o is - (standard output)"));
    check_failed(RUN(model, "-o", out, "--report", "-"), 2);
    check_failed(RUN("-", "-o", out), 2);
    assert_non_null(strstr(complained, "standard input"));
    check_failed(RUN(model, "-o"), 2);
    check_failed(RUN(model, "-o", ""), 2);
    check_failed(RUN("", "-o", out), 2);
    check_failed(RUN(model, "-o", out, "--weights", "int2"), 2);
    check_failed(RUN(model, "-o", out, "--weights="), 2);
    static const char *const bits[] = {"1.9", "9.5", "", "x", "4.25x", "-5", "nan"};
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++)
        check_failed(RUN(model, "-o", out, "--bits", bits[i]), 2);
    check_failed(RUN(model, "-o", out, "--bits", "5", "--weights", "int8"), 2);
    static const char *const prune[] = {"3:4", "", "2", "2:4 ", "4:8"};
    for (size_t i = 0; i < sizeof prune / sizeof prune[0]; i++) {
        check_failed(RUN(model, "-o", out, "--prune", prune[i]), 2);
        assert_non_null(strstr(complained, "where 2:4 is expected: two of four are kept."));
    }
    check_failed(RUN(model, "-o", out, "--prune"), 2);
    check_failed(RUN(model, "--header", out, "--prune", "2:4"), 2);
    check_failed(RUN(model, "-o", out, "--quiet=yes"), 2);
    check_failed(RUN(model, "-o", out, "--frobnicate"), 2);
    assert_null(strstr(complained, "Did you mean"));
    check_failed(RUN(model, "-o", out, "--wieghts=int8"), 2);
    assert_non_null(strstr(complained, "Did you mean --weights?"));
    check_failed(RUN(model, "-o", out, "--weights", "int5"), 2);
    assert_non_null(strstr(complained, "Did you mean int8?"));
    check_failed(RUN(model, out), 2);
    assert_non_null(strstr(complained, "behind -o"));
    check_failed(RUN(model, "-o", out, "--name", ""), 2);
    check_failed(RUN(model, "-o", out, "--calibrate", ""), 2);
    check_failed(RUN(model, "-o", out, "--calibrate", "text", "--no-calibrate"), 2);
    check_failed(RUN(model, "-o", out, "--effort", "quick", "--no-calibrate"), 2);
    check_failed(RUN(model, "-o", out, "--effort", "fast"), 2);
    assert_non_null(strstr(complained, "quick or full"));
    check_failed(RUN(model, "-o", out, "--report", out), 2);
    static const char *const numbers[] = {
        "0", "-1", "", "x", "4x", "131073", "99999999999999999999", " 4", "+4"};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        check_failed(RUN(model, "-o", out, "--ctx", numbers[i]), 2);
        check_failed(RUN(model, "-o", out, "--threads", numbers[i]), 2);
    }
}

static void wrong_files(void **state) {
    (void)state;
    char model[512], out[512]; /* in_folder gives its storage again after a while */
    snprintf(model, sizeof model, "%s", in_folder("model.gguf"));
    snprintf(out, sizeof out, "%s", in_folder("no.apus"));
    check_failed(RUN(in_folder("absent.gguf"), "-o", out), 1);
    check_failed(RUN(folder, "-o", out), 1); /* no config.json in it */
    check_failed(RUN("/dev/null", "-o", out), 1);
    check_failed(RUN(model, "-o", in_folder("absent/no.apus")), 1);
    check_failed(RUN(model, "-o", folder), 1);
    check_failed(RUN(model, "-o", out, "--report", in_folder("absent/report.json")), 1);
    check_failed(RUN(model, "-o", out, "--report", "/dev/full"), 1);
    check_failed(RUN(model, "-o", out, "--calibrate", in_folder("absent.txt")), 1);
    check_failed(RUN(model, "-o", out, "--calibrate", "/dev/zero"), 1);
    check_failed(RUN(model, "-o", out, "--calibrate", ","), 1);
    write_text("empty.txt", "", 0);
    check_failed(RUN(model, "-o", out, "--calibrate", in_folder("empty.txt")), 1);
    assert_non_null(strstr(complained, "is empty where text"));
    check_failed(RUN(model, "-o", out, "--calibrate", model), 1); /* which is no text */
    assert_non_null(strstr(complained, "holds zero bytes"));
    struct stat st;
    check_failed(RUN(model, "-o", "/dev/full"), 1);
    assert_true(stat("/dev/full", &st) == 0 && S_ISCHR(st.st_mode));
}

/* What people give in a checkpoint's place is named, with what to give instead. */
static void sources_that_are_none(void **state) {
    (void)state;
    static const struct {
        const char *name, *data;
        size_t bytes;
        const char *said, *advice;
    } files[] = {
        {"empty.gguf", "", 0, "is empty", "fetch it again"},
        {"lfs.gguf", "version https://git-lfs.github.com/spec/v1\noid", 46, "Git LFS",
         "git lfs pull"},
        {"page.gguf", "\xef\xbb\xbf \n<!DOCTYPE html>", 20, "a web page", "/resolve/"},
        {"page2.gguf", "<HTML><head>", 12, "a web page", "/resolve/"},
        {"pytorch_model.bin", "PK\3\4abcd", 8, "a PyTorch checkpoint", "safetensors"},
        {"consolidated.00.pth", "\x80\2}q", 4, "a PyTorch checkpoint", "safetensors"},
        {"model.ckpt", "anything", 8, "a PyTorch checkpoint", "safetensors"},
        {"model.onnx", "\x08\x07", 2, "an ONNX graph", "exported from"},
        {"model.zip", "PK\3\4abcd", 8, "an archive", "unpack it"},
        {"model.gguf.gz", "\x1f\x8b\x08", 3, "gzip", "unpack it"},
        {"elf",
         "\x7f"
         "ELF\2\1",
         6, "a program (ELF)", "GGUF file"},
        {"old.bin", "tjgg\3\0\0\0", 8, "before GGUF", "as a GGUF file"},
        {"big.gguf", "FUGG", 4, "big-endian", "little-endian"},
        {"blob.apus", "APUS\2\0\0\0", 8, "a blob", "packed already"},
        {"lone.safetensors", "\2\0\0\0\0\0\0\0{}", 10, "a safetensors file", "give the directory"},
        {"tokenizer.model", "\n\x0e", 2, "a tokenizer", "give the directory"},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        write_text(files[i].name, files[i].data, files[i].bytes);
        check_failed(RUN(in_folder(files[i].name), "-o", in_folder("no.apus")), 1);
        if (!strstr(complained, files[i].said) || !strstr(complained, files[i].advice))
            fail_msg("%s: %s", files[i].name, complained);
        unlink(in_folder(files[i].name));
    }
}

/* A directory that lacks something is asked for what it needs, and one of its files for itself. */
static void directories_that_lack_something(void **state) {
    (void)state;
    static const char config[] =
        "{\"architectures\":[\"LlamaForCausalLM\"],\"hidden_size\":16,\"num_hidden_layers\":1,"
        "\"num_attention_heads\":1,\"intermediate_size\":16,\"vocab_size\":300,"
        "\"max_position_embeddings\":64,\"rms_norm_eps\":1e-5,\"hidden_act\":\"silu\"}";
    assert_int_equal(mkdir(in_folder("hub"), 0700), 0);
    write_text("hub/b.gguf", "GGUF", 4);
    check_failed(RUN(in_folder("hub"), "-o", in_folder("no.apus")), 1);
    assert_non_null(strstr(complained, "hub/b.gguf"));
    unlink(in_folder("hub/b.gguf"));
    assert_int_equal(mkdir(in_folder("hub/snapshots"), 0700), 0);
    assert_int_equal(mkdir(in_folder("hub/snapshots/1f"), 0700), 0);
    write_text("hub/snapshots/1f/config.json", config, sizeof config - 1);
    check_failed(RUN(in_folder("hub"), "-o", in_folder("no.apus")), 1);
    assert_non_null(strstr(complained, "hub/snapshots/1f"));
    check_failed(RUN(in_folder("hub/snapshots/1f/config.json"), "-o", in_folder("no.apus")), 1);
    assert_non_null(strstr(complained, "give the directory, "));
    write_text("hub/snapshots/1f/pytorch_model.bin", "PK\3\4", 4);
    check_failed(RUN(in_folder("hub/snapshots/1f"), "-o", in_folder("no.apus")), 1);
    assert_non_null(strstr(complained, "pytorch_model.bin, not as model.safetensors"));
    write_text("hub/snapshots/1f/model.safetensors", "version https://git-lfs.github.com/spec/v1",
               42);
    check_failed(RUN(in_folder("hub/snapshots/1f"), "-o", in_folder("no.apus")), 1);
    assert_non_null(strstr(complained, "git lfs pull"));
    static const struct {
        const char *type, *said;
    } types[] = {
        {"F8_E4M3", "BF16 or F16"}, {"I32", "GPTQ"}, {"U8", "GPTQ"}, {"BOOL", "not supported"}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        char file[128];
        int length = snprintf(file + 8, sizeof file - 8,
                              "{\"x\":{\"dtype\":\"%s\",\"shape\":[1],\"data_offsets\":[0,1]}}",
                              types[i].type);
        memcpy(file, (uint64_t[]){(uint64_t)length}, 8);
        write_text("hub/snapshots/1f/model.safetensors", file, 8 + (size_t)length + 1);
        check_failed(RUN(in_folder("hub/snapshots/1f"), "-o", in_folder("no.apus")), 1);
        assert_non_null(strstr(complained, types[i].type));
        assert_non_null(strstr(complained, types[i].said));
    }
    static const char *const methods[] = {"gptq", "awq", "fp8", "mxfp4"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        char quantized[1024];
        int length = snprintf(quantized, sizeof quantized,
                              "%.*s,\"quantization_config\":{\"quant_method\":\"%s\",\"bits\":4}}",
                              (int)sizeof config - 2, config, methods[i]);
        write_text("hub/snapshots/1f/config.json", quantized, (size_t)length);
        check_failed(RUN(in_folder("hub/snapshots/1f"), "-o", in_folder("no.apus")), 1);
        assert_non_null(strstr(complained, methods[i]));
        assert_non_null(strstr(complained, "BF16 or F16, or a GGUF file"));
    }
    static const char *const rest[] = {"model.safetensors", "pytorch_model.bin", "config.json"};
    char path[64];
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "hub/snapshots/1f/%s", rest[i]);
        assert_int_equal(unlink(in_folder(path)), 0);
    }
    assert_false(rmdir(in_folder("hub/snapshots/1f")) || rmdir(in_folder("hub/snapshots")) ||
                 rmdir(in_folder("hub")));
}

static void models_outside_the_format(void **state) {
    (void)state;
    write_source("odd.gguf", (struct small_gguf){.head_dim = 258});
    check_failed(RUN(in_folder("odd.gguf"), "-o", in_folder("no.apus")), 1);
    assert_non_null(strstr(complained, "head_dim is 258"));
    write_source("odd.gguf", (struct small_gguf){.spoil = NAN});
    check_failed(RUN(in_folder("odd.gguf"), "-o", in_folder("no.apus")), 1);
    assert_non_null(strstr(complained, "blk.0.attn_q.weight"));
    write_source("odd.gguf", (struct small_gguf){.spoil = 3e38f});
    check_failed(RUN(in_folder("odd.gguf"), "-o", in_folder("no.apus")), 1);
    assert_non_null(strstr(complained, "blk.0.attn_q.weight: row"));
}

/* 6 GiB at 8 bits, refused before any of the work. Where addresses have 64 bits it would begin. */
static void a_blob_that_addresses_do_not_count(void **state) {
    (void)state;
    if (SIZE_MAX > UINT32_MAX) return;
    write_source("hollow.gguf", (struct small_gguf){.dim = 16384, .ffn = 65536, .hollow = 1});
    check_failed(RUN(in_folder("hollow.gguf"), "-o", in_folder("no.apus"), "--weights", "int8",
                     "--no-calibrate"),
                 1);
    assert_non_null(strstr(complained, "and addresses of this build end at 4294967295"));
}

static void truncated_sources(void **state) {
    (void)state;
    struct file model = map(in_folder("model.gguf"));
    for (size_t bytes = 0; bytes < model.bytes; bytes += 1 + model.bytes / 23) {
        FILE *f = fopen(in_folder("cut.gguf"), "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(model.data, 1, bytes, f), bytes);
        fclose(f);
        check_failed(RUN(in_folder("cut.gguf"), "-o", in_folder("no.apus")), 1);
    }
    unmap(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_that_are_none),
        cmocka_unit_test(directories_that_lack_something),
        cmocka_unit_test(wrong_usage),
        cmocka_unit_test(wrong_files),
        cmocka_unit_test(models_outside_the_format),
        cmocka_unit_test(a_blob_that_addresses_do_not_count),
        cmocka_unit_test(truncated_sources),
    };
    return cmocka_run_group_tests_name("pack_refuses", tests, set_up, tear_down);
}
