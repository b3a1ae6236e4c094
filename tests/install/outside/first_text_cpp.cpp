// The same from C++: first_text_cpp MODEL DRAFT PROMPT.
#include <apus/easy.h>

#include <cstdio>
#include <string>

static int write_text(apus_session *session, const std::string &prompt) {
    apus_part parts[2] = {};
    parts[0].kind = APUS_PART_BOS;
    parts[1].kind = APUS_PART_TEXT;
    parts[1].data = prompt.data();
    parts[1].count = prompt.size();
    apus_sampling greedy = {};
    greedy.size = sizeof greedy;
    greedy.max_tokens = 24;
    greedy.want_hash = 1;
    apus_piece piece = {};
    piece.size = sizeof piece;
    apus_status status = apus_prompt(session, parts, 2, 0);
    if (!status) status = apus_begin(session, &greedy);
    while (!status && !piece.stop) {
        status = apus_next(session, &piece);
        if (!status) std::fwrite(piece.text, 1, piece.bytes, stdout);
    }
    apus_stats stats = {};
    stats.size = sizeof stats;
    if (!status) status = apus_get_stats(session, &stats);
    std::fprintf(stderr, "%016llx\n", static_cast<unsigned long long>(stats.logits_hash));
    return status ? 1 : 0;
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    apus_easy easy;
    if (apus_easy_open(&easy, argv[1], argv[2], nullptr)) return 1;
    const int status = write_text(easy.session, argv[3]);
    apus_easy_close(&easy);
    return status;
}
