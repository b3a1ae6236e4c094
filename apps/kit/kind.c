#include "kind.h"

#include <string.h>
#include <strings.h>

#define SAFETENSORS                                                                                \
    "take its *.safetensors files in its place, with config.json and the tokenizer in one "        \
    "directory; where there are none, save_pretrained of transformers writes them"
#define DIRECTORY "give the directory that it lies in, with config.json and the tokenizer beside it"
#define UNPACK    "unpack it and give the GGUF file or the directory with config.json"

static const struct kind EMPTY = {"empty", "its download or copy did not finish; fetch it again"};
static const struct kind POINTER = {"a Git LFS pointer in place of the file",
                                    "fetch the file itself with git lfs pull, in its repository"};
static const struct kind PAGE = {"a web page",
                                 "download the file itself; on Hugging Face its address "
                                 "has /resolve/ where that of the page has /blob/"};
static const struct kind JSON = {"one file of a Hugging Face directory", DIRECTORY};
static const struct kind TENSORS = {"a safetensors file", DIRECTORY};
static const struct kind TORCH = {"a PyTorch checkpoint, which is not read", SAFETENSORS};
static const struct kind ONNX = {"an ONNX graph",
                                 "take the checkpoint that it was exported from, with safetensors"};
static const struct kind TOKENIZER = {"a tokenizer", DIRECTORY};
static const struct kind ARCHIVE = {"an archive", UNPACK};

/* Beginnings of files that are enough to recognise them. */
static const struct {
    const char *magic;
    size_t bytes, at;
    struct kind kind;
} MAGIC[] = {
    {"\177ELF", 4, 0, {"a program (ELF)", "give a GGUF file or a Hugging Face directory"}},
    {"MZ", 2, 0, {"a program for Windows", "give a GGUF file or a Hugging Face directory"}},
    {"\x1f\x8b", 2, 0, {"compressed (gzip)", UNPACK}},
    {"\xfd"
     "7zXZ",
     5,
     0,
     {"compressed (xz)", UNPACK}},
    {"\x28\xb5\x2f\xfd", 4, 0, {"compressed (zstd)", UNPACK}},
    {"BZh", 3, 0, {"compressed (bzip2)", UNPACK}},
    {"7z\xbc\xaf\x27\x1c", 6, 0, {"an archive (7z)", UNPACK}},
    {"Rar!", 4, 0, {"an archive (rar)", UNPACK}},
    {"ustar", 5, 257, {"an archive (tar)", UNPACK}},
    {"\x89HDF", 4, 0, {"an HDF5 file, as Keras writes them", SAFETENSORS}},
    {"TFL3", 4, 4, {"a TensorFlow Lite model", SAFETENSORS}},
    {"lmgg", 4, 0, {"in a format that llama.cpp had before GGUF", "get the model as a GGUF file"}},
    {"fmgg", 4, 0, {"in a format that llama.cpp had before GGUF", "get the model as a GGUF file"}},
    {"tjgg", 4, 0, {"in a format that llama.cpp had before GGUF", "get the model as a GGUF file"}},
    {"algg", 4, 0, {"an adapter (LoRA) for llama.cpp", "merge it into its model first"}},
    {"FUGG", 4, 0, {"a GGUF file of big-endian numbers", "get the little-endian one"}},
    {"%PDF", 4, 0, {"a PDF", "give a GGUF file or a Hugging Face directory"}},
};

static int ends_with(const char *name, const char *end) {
    size_t length = strlen(name), n = strlen(end);
    return length >= n && strcasecmp(name + length - n, end) == 0;
}

static int begins(const char *text, size_t bytes, const char *with) {
    size_t n = strlen(with);
    return bytes >= n && strncasecmp(text, with, n) == 0;
}

/* The text behind white space and a byte order mark. */
static const char *first_word(const char *text, size_t *bytes) {
    if (*bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) text += 3, *bytes -= 3;
    while (*bytes && strchr(" \t\r\n", *text) && *text) text++, --*bytes;
    return text;
}

static int is_torch(const char *name) {
    return ends_with(name, ".bin") || ends_with(name, ".pt") || ends_with(name, ".pth") ||
           ends_with(name, ".ckpt");
}

/* Whether there is a header of JSON behind its length, which has 8 bytes and is at most about 100
 * million. */
static int is_safetensors(const unsigned char *head, size_t bytes) {
    return bytes > 9 && head[8] == '{' && !(head[4] | head[5] | head[6] | head[7]) && head[3] < 6;
}

const struct kind *kind_of(const void *head, size_t bytes, const char *name) {
    const unsigned char *raw = head;
    size_t left = bytes;
    if (bytes == 0) return &EMPTY;
    if (bytes >= 4 && (!memcmp(head, "GGUF", 4) || !memcmp(head, "APUS", 4))) return NULL;
    /* this comes first, because the length may look like anything below */
    if (is_safetensors(raw, bytes)) return &TENSORS;
    for (size_t i = 0; i < sizeof MAGIC / sizeof MAGIC[0]; i++)
        if (bytes >= MAGIC[i].at + MAGIC[i].bytes &&
            !memcmp(raw + MAGIC[i].at, MAGIC[i].magic, MAGIC[i].bytes))
            return &MAGIC[i].kind;
    if (bytes >= 4 && memcmp(head, "PK\3\4", 4) == 0) return is_torch(name) ? &TORCH : &ARCHIVE;
    if (begins(head, bytes, "version https://git-lfs")) return &POINTER;
    const char *text = first_word(head, &left);
    if (begins(text, left, "<!doctype html") || begins(text, left, "<html")) return &PAGE;
    if (begins(text, left, "{") && ends_with(name, ".json")) return &JSON;
    if (ends_with(name, ".safetensors")) return &TENSORS;
    int pickle = bytes >= 2 && raw[0] == 0x80 && raw[1] >= 2 && raw[1] <= 5;
    if (pickle || is_torch(name)) return &TORCH;
    if (ends_with(name, ".onnx")) return &ONNX;
    if (ends_with(name, "tokenizer.model")) return &TOKENIZER;
    return NULL;
}
