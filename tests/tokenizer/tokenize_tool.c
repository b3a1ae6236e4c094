/* Builds the VOCAB section from a file and tokenizes what comes on standard input, for the
 * comparisons in Python.
 *
 *   tokenize_tool FILE [ROWS] FILE: *.gguf, *.json, a directory, or a SentencePiece model
 *   in:   uint32 flags (TOKENIZER_*), uint32 bytes, the text; again and again
 *   out: first uint32 section bytes, uint32 rows, uint32 section flags, int32 bos, eos, uint32
 *   count of ends, the ends;
 *         then for each text uint32 count, the ids, uint32 bytes, the ids decoded as the beginning
 *         of a text */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "text/tokenizer.h"
#include "weights/pack/vocab/vocab_build.h"

static void write_all(const void *data, size_t bytes) {
    if (bytes && fwrite(data, 1, bytes, stdout) != bytes) exit(1);
}

static void write_word(uint32_t word) { write_all(&word, 4); }

static void *build(const char *path, uint32_t rows, size_t *bytes, struct diag *d) {
    struct vocab_request r = {.rows = rows, .bos = -1};
    struct stat st;
    size_t n = strlen(path);
    void *section = NULL;
    if (n > 5 && strcmp(path + n - 5, ".gguf") == 0) {
        struct gguf *g = gguf_open(path, d);
        r.gguf = g;
        if (g) section = vocab_build(&r, bytes, d);
        gguf_close(g);
    } else if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        r.directory = path;
        section = vocab_build(&r, bytes, d);
    } else
        section = vocab_build_file(path, &r, bytes, d);
    return section;
}

/* One text in a block of exactly its size, so that the address sanitizer sees a byte read past
 * it. */
static int answer(const struct vocab *v, uint32_t flags, uint32_t bytes) {
    uint8_t *text = malloc(bytes ? bytes : 1);
    if (!text || fread(text, 1, bytes, stdin) != bytes) return 1;
    void *scratch = malloc(tokenizer_scratch(v, bytes));
    struct ids counted = {NULL, 0, 0};
    tokenizer_encode(v, text, bytes, flags, &counted, scratch);
    struct ids ids = {malloc(counted.count * 4 + 4), counted.count, 0};
    tokenizer_encode(v, text, bytes, flags, &ids, scratch);
    if (ids.count != counted.count) return 1;
    write_word((uint32_t)ids.count);
    write_all(ids.to, ids.count * 4);
    size_t n = tokenizer_decode(v, ids.to, ids.count, 1, 1, NULL, 0);
    uint8_t *back = malloc(n + 1);
    if (tokenizer_decode(v, ids.to, ids.count, 1, 1, back, n) != n) return 1;
    write_word((uint32_t)n);
    write_all(back, n);
    free(back);
    free(ids.to);
    free(scratch);
    free(text);
    return 0;
}

int main(int argc, char **argv) {
    struct diag d = {{0}};
    struct vocab v;
    size_t bytes = 0;
    if (argc < 2) return 2;
    void *section = build(argv[1], argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0, &bytes, &d);
    if (!section) {
        fprintf(stderr, "%s\n", d.text);
        return 1;
    }
    if (vocab_open(&v, section, bytes, NULL) != APUS_OK) return 1;
    write_word((uint32_t)bytes);
    write_word(v.header->rows);
    write_word(v.header->flags);
    write_all(&v.header->bos, 4);
    write_all(&v.header->eos, 4);
    write_word(v.header->ends_count);
    write_all(v.ends, v.header->ends_count * 4);
    for (uint32_t head[2]; fread(head, 4, 2, stdin) == 2;)
        if (answer(&v, head[0], head[1])) return 1;
    free(section);
    return 0;
}
