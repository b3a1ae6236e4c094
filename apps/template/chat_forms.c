/* The forms are those of the templates that the makers of the models publish. Their texts are told
 * apart by what llama.cpp looks for. */
#include "apps/template/chat_forms.h"

#include <string.h>

#define BAR               "\xEF\xBD\x9C" /* U+FF5C */
#define SAID_BY_USER      "{<" BAR "User" BAR ">}"
#define SAID_BY_ASSISTANT "{<" BAR "Assistant" BAR ">}"

#define CHATML                                                                                     \
    .turn = {{"{<|im_start|>}system\n", "{<|im_end|>}\n"},                                         \
             {"{<|im_start|>}user\n", "{<|im_end|>}\n"},                                           \
             {"{<|im_start|>}assistant\n", "{<|im_end|>}\n"}},                                     \
    .ask = "{<|im_start|>}assistant\n"

static const struct chat_form phi4 = {
    .name = "phi4",
    .turn = {{"{<|im_start|>}system{<|im_sep|>}", "{<|im_end|>}"},
             {"{<|im_start|>}user{<|im_sep|>}", "{<|im_end|>}"},
             {"{<|im_start|>}assistant{<|im_sep|>}", "{<|im_end|>}"}},
    .ask = "{<|im_start|>}assistant{<|im_sep|>}",
    .has = {"<|im_start|>", "<|im_sep|>"}};
static const struct chat_form qwen25 = {
    CHATML, .name = "qwen2.5",
    .system = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
    .has = {"<|im_start|>",
            "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."}};
static const struct chat_form qwen2 = {
    CHATML, .name = "qwen2", .system = "You are a helpful assistant.",
    .has = {"<|im_start|>", "system\nYou are a helpful assistant.<|im_end|>"}};
static const struct chat_form qwen15 = {
    CHATML, .name = "qwen1.5", .system = "You are a helpful assistant",
    .has = {"<|im_start|>", "system\nYou are a helpful assistant<|im_end|>"}};
static const struct chat_form smollm2 = {
    CHATML, .name = "smollm2",
    .system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face",
    .has = {"<|im_start|>",
            "You are a helpful AI assistant named SmolLM, trained by Hugging Face"}};
static const struct chat_form chatml = {CHATML, .name = "chatml", .has = {"<|im_start|>"},
                                        .lacks = {"<end_of_utterance>"}};

static const struct chat_form mistral_v7 = {.name = "mistral-v7",
                                            .turn = {{"{[SYSTEM_PROMPT]} ", "{[/SYSTEM_PROMPT]}"},
                                                     {"{[INST]} ", "{[/INST]}"},
                                                     {" ", "{eos}"}},
                                            .ask = "",
                                            .spaced = true,
                                            .has = {"[INST]", "[SYSTEM_PROMPT] "}};
static const struct chat_form mistral_v7_tekken = {
    .name = "mistral-v7-tekken",
    .turn = {{"{[SYSTEM_PROMPT]}", "{[/SYSTEM_PROMPT]}"}, {"{[INST]}", "{[/INST]}"}, {"", "{eos}"}},
    .ask = "",
    .spaced = true,
    .has = {"[INST]", "[SYSTEM_PROMPT]"}};
static const struct chat_form mistral_v3_tekken = {
    .name = "mistral-v3-tekken",
    .turn = {{"", "\n\n"}, {"{[INST]}", "{[/INST]}"}, {"", "{eos}"}},
    .ask = "",
    .place = CHAT_SYSTEM_LAST_USER,
    .spaced = true,
    .has = {"\"[INST]\"", "[AVAILABLE_TOOLS]"},
    .lacks = {" [INST]"}};
static const struct chat_form mistral_v3 = {
    .name = "mistral-v3",
    .turn = {{"", "\n\n"}, {"{[INST]} ", "{[/INST]}"}, {" ", "{eos}"}},
    .ask = "",
    .place = CHAT_SYSTEM_LAST_USER,
    .trim_answers = true,
    .spaced = true,
    .has = {"\"[INST] \"", "[AVAILABLE_TOOLS]"},
    .lacks = {" [INST]"}};
static const struct chat_form llama2 = {
    .name = "llama2",
    .turn = {{"<<SYS>>\n", "\n<</SYS>>\n\n"}, {"{bos}[INST] ", " [/INST]"}, {" ", " {eos}"}},
    .ask = "",
    .place = CHAT_SYSTEM_FIRST_USER,
    .trim = true,
    .own_bos = true,
    .has = {"bos_token + '[INST] ' + content.strip()", "<<SYS>>"}};
/* Also for the templates from before there were versions, which Mistral's own tokenizer reads in
 * this way. */
static const struct chat_form mistral_v1 = {
    .name = "mistral-v1",
    .turn = {{"", "\n\n"}, {" [INST] ", " [/INST]"}, {" ", "{eos}"}},
    .ask = "",
    .place = CHAT_SYSTEM_FIRST_USER,
    .spaced = true,
    .has = {"[INST] ", "eos_token"},
    .lacks = {"<<SYS>>"}};

static const struct chat_form phi3 = {.name = "phi3",
                                      .turn = {{"{<|system|>}\n", "{<|end|>}\n"},
                                               {"{<|user|>}\n", "{<|end|>}\n"},
                                               {"{<|assistant|>}\n", "{<|end|>}\n"}},
                                      .ask = "{<|assistant|>}\n",
                                      .has = {"<|assistant|>", "<|end|>"}};
static const struct chat_form zephyr = {
    .name = "zephyr",
    .turn = {{"{<|system|>}\n", "{eos}\n"},
             {"{<|user|>}\n", "{eos}\n"},
             {"{<|assistant|>}\n", "{eos}\n"}},
    .ask = "{<|assistant|>}\n",
    .spelled = true,
    .has = {"<|user|>\n' + message['content'] + eos_token", "<|assistant|>\n"}};
static const struct chat_form falcon3 = {
    .name = "falcon3",
    .turn = {{"{<|system|>}\n", "\n"}, {"{<|user|>}\n", "\n"}, {"{<|assistant|>}\n", "{eos}\n"}},
    .ask = "{<|assistant|>}\n",
    .spelled = true,
    .has = {"<|user|>\n' + message['content'] + '\n'", "<|assistant|>\n", "eos_token"}};
static const struct chat_form gemma = {.name = "gemma",
                                       .turn = {{"", "\n\n"},
                                                {"{<start_of_turn>}user\n", "{<end_of_turn>}\n"},
                                                {"{<start_of_turn>}model\n", "{<end_of_turn>}\n"}},
                                       .ask = "{<start_of_turn>}model\n",
                                       .place = CHAT_SYSTEM_FIRST_USER,
                                       .trim = true,
                                       .has = {"<start_of_turn>"}};
static const struct chat_form deepseek = {
    .name = "deepseek",
    .turn = {{"", ""}, {"### Instruction:\n", "\n"}, {"### Response:\n", "\n{<|EOT|>}\n"}},
    .ask = "### Response:\n",
    .system = "You are an AI programming assistant, utilizing the Deepseek Coder model, developed "
              "by Deepseek Company, and you only answer questions related to computer science. For "
              "politically sensitive questions, security and privacy issues, and other "
              "non-computer science questions, you will refuse to answer\n",
    .has = {"### Instruction:", "<|EOT|>"}};
static const struct chat_form llama31 = {
    .name = "llama3.1",
    .turn = {{"{<|start_header_id|>}system{<|end_header_id|>}\n\n"
              "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n",
              "{<|eot_id|>}"},
             {"{<|start_header_id|>}user{<|end_header_id|>}\n\n", "{<|eot_id|>}"},
             {"{<|start_header_id|>}assistant{<|end_header_id|>}\n\n", "{<|eot_id|>}"}},
    .ask = "{<|start_header_id|>}assistant{<|end_header_id|>}\n\n",
    .system = "",
    .trim = true,
    .has = {"<|start_header_id|>", "<|end_header_id|>", "Cutting Knowledge Date: December 2023"}};
static const struct chat_form llama3 = {
    .name = "llama3",
    .turn = {{"{<|start_header_id|>}system{<|end_header_id|>}\n\n", "{<|eot_id|>}"},
             {"{<|start_header_id|>}user{<|end_header_id|>}\n\n", "{<|eot_id|>}"},
             {"{<|start_header_id|>}assistant{<|end_header_id|>}\n\n", "{<|eot_id|>}"}},
    .ask = "{<|start_header_id|>}assistant{<|end_header_id|>}\n\n",
    .trim = true,
    .has = {"<|start_header_id|>", "<|end_header_id|>"}};
static const struct chat_form deepseek2 = {
    .name = "deepseek2",
    .turn = {{"", "\n\n"}, {"User: ", "\n\n"}, {"Assistant: ", "{eos}"}},
    .ask = "Assistant:",
    .has = {"'Assistant: ' + message['content'] + eos_token"}};
static const struct chat_form deepseek_r1 = {
    .name = "deepseek-r1",
    .turn = {{"", ""}, {SAID_BY_USER, ""}, {SAID_BY_ASSISTANT, "{eos}"}},
    .ask = SAID_BY_ASSISTANT "<think>\n",
    .behind = "</think>",
    .has = {"<" BAR "User" BAR ">", "<" BAR "Assistant" BAR "><think>\n"}};
static const struct chat_form deepseek3 = {
    .name = "deepseek3",
    .turn = {{"", ""}, {SAID_BY_USER, ""}, {SAID_BY_ASSISTANT, "{eos}"}},
    .ask = SAID_BY_ASSISTANT,
    .behind = "</think>",
    .has = {"<" BAR "User" BAR ">", "<" BAR "Assistant" BAR ">"}};
static const struct chat_form granite = {
    .name = "granite",
    .turn = {{"{<|start_of_role|>}system{<|end_of_role|>}", "{<|end_of_text|>}\n"},
             {"{<|start_of_role|>}user{<|end_of_role|>}", "{<|end_of_text|>}\n"},
             {"{<|start_of_role|>}assistant{<|end_of_role|>}", "{<|end_of_text|>}\n"}},
    .ask = "{<|start_of_role|>}assistant{<|end_of_role|>}",
    .has = {"<|start_of_role|>"}};

/* For models without a template. */
static const struct chat_form plain = {
    .name = "plain",
    .turn = {{"", "\n\n"}, {"User: ", "\n"}, {"Assistant: ", "\n"}},
    .ask = "Assistant:",
    .stop = "\nUser:"};

static const struct chat_form *const forms[] = {&phi4,
                                                &qwen25,
                                                &qwen2,
                                                &qwen15,
                                                &smollm2,
                                                &chatml,
                                                &mistral_v7,
                                                &mistral_v7_tekken,
                                                &mistral_v3_tekken,
                                                &mistral_v3,
                                                &llama2,
                                                &mistral_v1,
                                                &phi3,
                                                &zephyr,
                                                &falcon3,
                                                &gemma,
                                                &deepseek,
                                                &llama31,
                                                &llama3,
                                                &deepseek2,
                                                &deepseek_r1,
                                                &deepseek3,
                                                &granite,
                                                &plain,
                                                NULL};

const struct chat_form *const *chat_forms(void) { return forms; }

const struct chat_form *chat_form_named(const char *name) {
    for (size_t i = 0; forms[i]; i++)
        if (!strcmp(forms[i]->name, name)) return forms[i];
    return NULL;
}

/* How many bytes at the beginning of a text match all of `what`, in which a line end also matches
 * the two characters \n; 0: no match. */
static size_t match(const char *text, size_t bytes, const char *what) {
    size_t at = 0;
    for (; *what; what++) {
        const char *spelled = *what == '\n' && at < bytes && text[at] == '\\' ? "\\n" : NULL;
        size_t n = spelled ? 2 : 1;
        if (bytes - at < n || memcmp(text + at, spelled ? spelled : what, n) != 0) return 0;
        at += n;
    }
    return at;
}

static bool has(const char *text, size_t bytes, const char *what) {
    for (size_t at = 0; at < bytes; at++)
        if (match(text + at, bytes - at, what)) return true;
    return false;
}

static bool is_of(const struct chat_form *form, const char *text, size_t bytes) {
    for (size_t i = 0; i < sizeof form->has / sizeof *form->has && form->has[i]; i++)
        if (!has(text, bytes, form->has[i])) return false;
    for (size_t i = 0; i < sizeof form->lacks / sizeof *form->lacks && form->lacks[i]; i++)
        if (has(text, bytes, form->lacks[i])) return false;
    return form->has[0] != NULL;
}

const struct chat_form *chat_recognise(const char *text, size_t bytes) {
    for (size_t i = 0; forms[i]; i++)
        if (is_of(forms[i], text, bytes)) return forms[i];
    return NULL;
}
