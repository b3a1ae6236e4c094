#include <stdio.h>
#include <string.h>

#include "load.h"
#include "lsp_door.h"

static int hexadecimal(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

void document_name(const struct lsp_door *door, const struct document *document, char *to,
                   size_t bytes) {
    const char *from = document->uri, *slash = strrchr(from, '/');
    size_t root = strlen(door->root), n = 0;
    if (root && strncmp(from, door->root, root) == 0 && from[root] == '/')
        from += root + 1;
    else if (slash && slash[1])
        from = slash + 1;
    for (; *from && n + 1 < bytes; from++, n++) {
        int high = *from == '%' ? hexadecimal(from[1]) : -1;
        int low = high >= 0 ? hexadecimal(from[2]) : -1;
        to[n] = low >= 0 ? (char)(high * 16 + low) : *from;
        if (low >= 0) from += 2;
    }
    to[n] = 0;
}

static void pick_at(struct lsp_door *door, const struct document *document, size_t at) {
    char name[512];
    if (document->lost || !door->settings.chunks) return;
    document_name(door, document, name, sizeof name);
    ring_pick(&door->ring, name, document->text, document->bytes, at);
}

void around_pick(struct lsp_door *door, const struct document *document) {
    pick_at(door, document, document->cursor);
}

static struct document *by_key(const struct lsp_door *door, uint64_t key) {
    for (size_t i = 0; i < door->documents.count; i++)
        if (door->documents.list[i]->key == key) return door->documents.list[i];
    return NULL;
}

/* For a cursor that has moved far: picks what is just outside of the lines that a request has, on
 * both sides. */
static void pick_outside(struct lsp_door *door, const struct document *document) {
    size_t at = document->cursor, bytes = document->bytes;
    size_t front = lines_back(document->text, at, (size_t)door->settings.prefix_lines);
    size_t end = lines_forward(document->text, bytes, at, (size_t)door->settings.suffix_lines);
    if (front) pick_at(door, document, lines_back(document->text, front, CHUNK_LINES / 2));
    if (end < bytes)
        pick_at(door, document, lines_forward(document->text, bytes, end, CHUNK_LINES / 2));
}

void around_work(struct lsp_door *door, struct document *document) {
    door->active_ns = now_ns();
    door->ring.most = (size_t)door->settings.chunks;
    if (document->lost) return;
    uint32_t line =
        offset_position(document->text, document->bytes, document->cursor, COLUMN_UTF8).line;
    if (door->here != document->key) {
        const struct document *left = by_key(door, door->here);
        if (left) around_pick(door, left);
        /* the whole prompt changes anyway */
        while (ring_move(&door->ring)) continue;
        door->here = document->key;
        door->here_line = line;
    } else if (line > door->here_line + FAR_LINES || line + FAR_LINES < door->here_line) {
        pick_outside(door, document);
        door->here_line = line;
    }
}

void around_idle(struct lsp_door *door) {
    const struct document *document = by_key(door, door->here);
    if (!document || door->asked || now_ns() - door->active_ns < IDLE_MS * 1000000ull) return;
    if (ring_move(&door->ring)) complete_warm(door, document);
}
