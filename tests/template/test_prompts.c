/* Prompts of each family and template, as one line of text in which control tokens stand in angle
 * brackets of their own; and what is recognised as which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "apps/template/chat.h"
#include "apps/template/fim.h"

/* ------------------------------------------------------------------------ fill in the middle -- */

static char shown[4096];
static size_t shown_count;

static void show(const char *bytes, size_t count) {
    assert_true(shown_count + count < sizeof shown);
    memcpy(shown + shown_count, bytes, count);
    shown[shown_count += count] = 0;
}

/* Ids are shown by the letters of their markers, specials by their spelling, {bos} for BOS. */
static const char *written(const struct part_list *list) {
    shown_count = 0, shown[0] = 0;
    assert_false(list->failed);
    for (size_t i = 0; i < list->count; i++) {
        const apus_part *p = &list->parts[i];
        char letter[8];
        if (p->kind == APUS_PART_BOS) show("{bos}", 5);
        if (p->kind == APUS_PART_SPECIAL) show("{", 1), show(p->data, p->count), show("}", 1);
        if (p->kind == APUS_PART_TEXT) show(p->data, p->count);
        for (size_t k = 0; p->kind == APUS_PART_IDS && k < p->count; k++)
            show(letter, (size_t)snprintf(letter, sizeof letter, "{%d}", ((int32_t *)p->data)[k]));
    }
    return shown;
}

#define TEXT(s)                                                                                    \
    { (s), sizeof(s) - 1 }

static void expect_fim(const char *name, const char *alone, const char *among) {
    struct part_list list = {0};
    const struct fim_file files[] = {{TEXT("a.py"), TEXT("A = 1\n")}, {TEXT("b.py"), TEXT("B")}};
    struct fim_request request = {.prefix = TEXT("pre"), .suffix = TEXT("suf"), .name = TEXT("c")};
    struct fim fim = {.form = fim_form_named(name)};
    assert_non_null(fim.form);
    for (int m = 0; m < APUS_MARKERS; m++) fim.markers[m] = fim.form->marker[m] ? m : -1;
    assert_true(fim_prompt(&list, &fim, &request));
    assert_string_equal(written(&list), alone);
    assert_true(fim_prefix_is_last(&fim) == (strcmp(alone + strlen(alone) - 3, "pre") == 0));
    assert_true(fim_takes_suffix(&fim) == (strstr(alone, "suf") != NULL));
    for (size_t i = 0; i < list.count; i++) /* goes on inside a text */
        if (list.parts[i].data == request.suffix.bytes)
            assert_int_equal(list.parts[i].flags, APUS_TEXT_NO_PREFIX);
    part_list_clear(&list);
    request.files = files, request.files_count = 2;
    request.repository = (struct fim_text)TEXT("repo");
    assert_true(fim_prompt(&list, &fim, &request));
    assert_string_equal(written(&list), among);
    part_list_free(&list);
}

/* Markers: 0 prefix, 1 suffix, 2 middle, 5 repository, 6 file. */
static void families(void **state) {
    (void)state;
    expect_fim("none", "{bos}pre", "{bos}# a.py\nA = 1\n# b.py\nB\n# c\npre");
    expect_fim("qwen", "{bos}{0}pre{1}suf{2}",
               "{bos}{5}repo\n{6}a.py\nA = 1\n{6}b.py\nB\n{6}c\n{0}pre{1}suf{2}");
    expect_fim("starcoder2", "{bos}{0}pre{1}suf{2}",
               "{bos}{5}repo{6}a.py\nA = 1\n{6}b.py\nB\n{6}{0}c\npre{1}suf{2}");
    expect_fim("starcoder", "{bos}{0}pre{1}suf{2}",
               "{bos}{0}{5}repo{6}a.py\nA = 1\n{6}b.py\nB\n{6}c\npre{1}suf{2}");
    expect_fim("granite", "{bos}{0}pre{1}suf{2}",
               "{bos}{0}{5}repo{6}a.py\nA = 1\n{6}b.py\nB\n{6}c\npre{1}suf{2}");
    expect_fim("codellama", "{bos}{0}pre{1}suf{2}",
               "{bos}# a.py\nA = 1\n# b.py\nB\n{0}pre{1}suf{2}");
    expect_fim("codellama-spm", "{bos}{0}{1}suf{2}pre",
               "{bos}# a.py\nA = 1\n# b.py\nB\n{0}{1}suf{2}pre");
    expect_fim("qwen-spm", "{bos}{0}{1}suf{2}pre",
               "{bos}{5}repo\n{6}a.py\nA = 1\n{6}b.py\nB\n{6}{0}{1}suf{2}c\npre");
    expect_fim("starcoder2-spm", "{bos}{0}{1}suf{2}pre",
               "{bos}{5}repo{6}a.py\nA = 1\n{6}b.py\nB\n{6}{0}{1}suf{2}c\npre");
    expect_fim("starcoder-spm", "{bos}{0}{1}suf{2}pre",
               "{bos}{0}{1}suf{2}{5}repo{6}a.py\nA = 1\n{6}b.py\nB\n{6}c\npre");
    expect_fim("deepseek-coder", "{bos}{0}pre{1}suf{2}",
               "{bos}{0}# a.py\nA = 1\n# b.py\nB\n# c\npre{1}suf{2}");
    expect_fim("codestral", "{bos}{1}suf{0}pre",
               "{bos}{1}suf{0}+++++ a.py\nA = 1\n\n+++++ b.py\nB\n\n+++++ c\npre");
    expect_fim("mellum", "{bos}{1}suf{0}pre{2}",
               "{bos}{5}repo{6}a.py\nA = 1\n{6}b.py\nB\n{6}c\n{1}suf{0}pre{2}");
    expect_fim("seed-coder", "{bos}{1}suf{0}pre{2}",
               "{bos}# a.py\nA = 1\n# b.py\nB\n# c\n{1}suf{0}pre{2}");
    expect_fim("smollm", "{bos}pre", "{bos}{5}repo{6}a.py\nA = 1\n{6}b.py\nB\n{6}c\npre");
}

struct tokens {
    const char *text[8];
};

static int32_t id_of(void *user, const char *text) {
    const struct tokens *tokens = user;
    for (int i = 0; i < 8 && tokens->text[i]; i++)
        if (!strcmp(tokens->text[i], text)) return 100 + i;
    return -1;
}

static void expect_family(struct tokens tokens, const char *hint, const char *name) {
    int32_t ids[APUS_MARKERS];
    const struct fim_form *form = fim_recognise(id_of, &tokens, hint, ids);
    assert_string_equal(form ? form->name : "none", name);
    for (int m = 0; m < APUS_MARKERS; m++)
        assert_int_equal(ids[m], form && form->marker[m] ? id_of(&tokens, form->marker[m]) : -1);
}

static void families_by_tokens(void **state) {
    (void)state;
#define STARCODER "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>"
#define BARS      "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>"
    expect_family((struct tokens){{BARS, "<|repo_name|>", "<|file_sep|>"}}, NULL, "qwen");
    expect_family((struct tokens){{BARS, "<|filename|>", "<|reponame|>"}}, NULL, "granite");
    expect_family((struct tokens){{STARCODER, "<repo_name>", "<file_sep>"}}, "", "starcoder2");
    expect_family((struct tokens){{STARCODER, "<filename>", "<reponame>"}}, "x", "starcoder");
    expect_family((struct tokens){{STARCODER, "<filename>"}}, "models/mellum-4b", "mellum");
    expect_family((struct tokens){{"<repo_name>", "<file_sep>", "<filename>"}}, NULL, "smollm");
    expect_family((struct tokens){{"[SUFFIX]", "[PREFIX]", "[MIDDLE]"}}, NULL, "codestral");
    expect_family((struct tokens){{"<[fim-suffix]>", "<[fim-prefix]>", "<[fim-middle]>"}}, NULL,
                  "seed-coder");
    expect_family((struct tokens){{"\xE2\x96\x81<PRE>", "\xE2\x96\x81<SUF>", "\xE2\x96\x81<MID>",
                                   "\xE2\x96\x81<EOT>"}},
                  NULL, "codellama");
    expect_family((struct tokens){{"<\xEF\xBD\x9C"
                                   "fim\xE2\x96\x81"
                                   "begin\xEF\xBD\x9C>",
                                   "<\xEF\xBD\x9C"
                                   "fim\xE2\x96\x81hole\xEF\xBD\x9C>",
                                   "<\xEF\xBD\x9C"
                                   "fim\xE2\x96\x81"
                                   "end\xEF\xBD\x9C>"}},
                  NULL, "deepseek-coder");
    expect_family((struct tokens){{"<fim_prefix>", "<fim_suffix>"}}, NULL, "none");
    expect_family((struct tokens){{"<s>"}}, "mellum", "none");
}

/* -------------------------------------------------------------------------------------- chat -- */

static struct chat_message said(enum chat_role role, const char *text) {
    return (struct chat_message){.role = role, .text = text, .bytes = strlen(text)};
}

static void expect_chat(const char *name, const char *expected) {
    const struct chat chat = {.form = chat_form_named(name), .eos = 2};
    const struct chat_message messages[] = {said(CHAT_SYSTEM, "Be brief"),
                                            said(CHAT_USER, "Hi {eos} "),
                                            said(CHAT_ASSISTANT, " Hello"), said(CHAT_USER, "Bye")};
    struct part_list list = {0};
    assert_non_null(chat.form);
    assert_int_equal(chat_prompt(&list, &chat, messages, 4, true), CHAT_OK);
    assert_string_equal(written(&list), expected);
    part_list_free(&list);
}

/* {eos} in a message is text; the form's own is shown as its id, 2. */
static void conversations(void **state) {
    (void)state;
    expect_chat("chatml", "{bos}{<|im_start|>}system\nBe brief{<|im_end|>}\n"
                          "{<|im_start|>}user\nHi {eos} {<|im_end|>}\n"
                          "{<|im_start|>}assistant\n Hello{<|im_end|>}\n"
                          "{<|im_start|>}user\nBye{<|im_end|>}\n{<|im_start|>}assistant\n");
    expect_chat("llama2", "{bos}[INST] <<SYS>>\nBe brief\n<</SYS>>\n\nHi {eos} [/INST] Hello {2}"
                          "{bos}[INST] Bye [/INST]");
    expect_chat("llama3",
                "{bos}{<|start_header_id|>}system{<|end_header_id|>}\n\nBe brief{<|eot_id|>}"
                "{<|start_header_id|>}user{<|end_header_id|>}\n\nHi {eos}{<|eot_id|>}"
                "{<|start_header_id|>}assistant{<|end_header_id|>}\n\nHello{<|eot_id|>}"
                "{<|start_header_id|>}user{<|end_header_id|>}\n\nBye{<|eot_id|>}"
                "{<|start_header_id|>}assistant{<|end_header_id|>}\n\n");
    expect_chat("mistral-v1", "{bos} [INST] Be brief\n\nHi {eos}  [/INST]  Hello{2}"
                              " [INST] Bye [/INST]");
    expect_chat("mistral-v3", "{bos}{[INST]} Hi {eos} {[/INST]} Hello{2}"
                              "{[INST]} Be brief\n\nBye{[/INST]}");
    expect_chat("mistral-v7", "{bos}{[SYSTEM_PROMPT]} Be brief{[/SYSTEM_PROMPT]}"
                              "{[INST]} Hi {eos} {[/INST]}  Hello{2}{[INST]} Bye{[/INST]}");
    expect_chat("gemma", "{bos}{<start_of_turn>}user\nBe brief\n\nHi {eos}{<end_of_turn>}\n"
                         "{<start_of_turn>}model\nHello{<end_of_turn>}\n"
                         "{<start_of_turn>}user\nBye{<end_of_turn>}\n{<start_of_turn>}model\n");
    expect_chat("plain", "{bos}Be brief\n\nUser: Hi {eos} \nAssistant:  Hello\nUser: Bye\n"
                         "Assistant:");
}

/* The usual system message, an answer's ids in the place of its text, and what is left of one. */
static void answers(void **state) {
    (void)state;
    static const int32_t ids[] = {7, 8};
    struct part_list list = {0};
    struct chat chat = {.form = chat_form_named("smollm2"), .eos = 2};
    struct chat_message messages[] = {said(CHAT_USER, "Hi"), said(CHAT_ASSISTANT, "Hello")};
    messages[1].ids = ids, messages[1].ids_count = 2;
    assert_int_equal(chat_prompt(&list, &chat, messages, 2, false), CHAT_OK);
    assert_string_equal(written(&list),
                        "{bos}{<|im_start|>}system\nYou are a helpful AI assistant named SmolLM, "
                        "trained by Hugging Face{<|im_end|>}\n{<|im_start|>}user\nHi{<|im_end|>}\n"
                        "{<|im_start|>}assistant\n{7}{8}{<|im_end|>}\n");
    part_list_clear(&list);
    chat.form = chat_form_named("deepseek3");
    messages[1] = said(CHAT_ASSISTANT, "<think>well</think>Hello");
    assert_int_equal(chat_prompt(&list, &chat, messages, 2, false), CHAT_OK);
    assert_non_null(strstr(written(&list), "Assistant\xEF\xBD\x9C>}Hello{2}"));
    part_list_clear(&list);
    chat.form = chat_form_named("gemma");
    messages[1] = said(CHAT_SYSTEM, "late");
    assert_int_equal(chat_prompt(&list, &chat, messages, 2, true), CHAT_MISPLACED);
    assert_int_equal(list.count, 0);
    part_list_free(&list);
}

static void expect_template(const char *text, const char *name) {
    const struct chat_form *form = chat_recognise(text, strlen(text));
    assert_string_equal(form ? form->name : "", name);
}

static void templates_by_text(void **state) {
    (void)state;
    expect_template("{{'<|im_start|>' + message['role'] + '\\n'", "chatml");
    expect_template("'<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n'", "qwen2");
    expect_template("'<|im_start|>system\nYou are a helpful assistant<|im_end|>\n'", "qwen1.5");
    expect_template("'<|im_start|>user<|im_sep|>'", "phi4");
    expect_template("<|im_start|> <end_of_utterance>", "");
    expect_template("bos_token + '[INST] ' + content.strip() '<<SYS>>\\n'", "llama2");
    expect_template("[AVAILABLE_TOOLS] \"[INST] \" + message", "mistral-v3");
    expect_template("[AVAILABLE_TOOLS] \"[INST]\" + message", "mistral-v3-tekken");
    expect_template("'[INST] ' + message['content'] + ' [/INST]' + eos_token", "mistral-v1");
    expect_template("'[SYSTEM_PROMPT] ' '[INST] '", "mistral-v7");
    expect_template("'[SYSTEM_PROMPT]' '[INST]'", "mistral-v7-tekken");
    expect_template("'<|start_header_id|>' '<|end_header_id|>\n\n'", "llama3");
    expect_template("'<start_of_turn>'", "gemma");
    expect_template("'<|start_of_role|>'", "granite");
    expect_template("### Instruction: <|EOT|>", "deepseek");
    expect_template("{{ a program that nobody knows }}", "");
    expect_template("", "");
}

/* Every name fits a blob, every brace is closed. */
static void forms_hold(void **state) {
    (void)state;
    for (size_t i = 0; fim_forms()[i]; i++) {
        assert_true(strlen(fim_forms()[i]->name) < 24);
        assert_ptr_equal(fim_form_named(fim_forms()[i]->name), fim_forms()[i]);
    }
    for (size_t i = 0; chat_forms()[i]; i++) {
        const struct chat_form *form = chat_forms()[i];
        const struct chat chat = {.form = form, .eos = -1};
        const struct chat_message hi = said(CHAT_USER, "hi");
        struct part_list list = {0};
        assert_true(strlen(form->name) < 24);
        assert_ptr_equal(chat_form_named(form->name), form);
        assert_int_equal(chat_prompt(&list, &chat, &hi, 1, true), CHAT_OK);
        assert_non_null(strstr(written(&list), "hi"));
        part_list_free(&list);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families),          cmocka_unit_test(families_by_tokens),
        cmocka_unit_test(conversations),     cmocka_unit_test(answers),
        cmocka_unit_test(templates_by_text), cmocka_unit_test(forms_hold)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
