"""apus-pack --header: a program with a static arena and models inside writes what apus run writes,
the pair that ships by .incbin, a small model as an array; and what is no header's matter is
refused.

  header_test.py APUS_PACK APUS WRITE_TINY SOURCE LIBAPUS.A COMPILER"""
import json
import pathlib
import subprocess
import sys
import tempfile

packer, apus, write_tiny, source, library, compiler = sys.argv[1:]
PAIR = pathlib.Path(source) / 'weights' / 'models' / 'pair'
TARGET, DRAFT = str(PAIR / 'target.apus'), str(PAIR / 'draft.apus')
PROMPT, TOKENS = 'def fibonacci(n):\n', 24
PROGRAM = r'''
#define PAIR_DATA
#include "pair.h"
#include "apus/apus.h"
#include <stdio.h>
#include <string.h>

static _Alignas(PAIR_ALIGNMENT) unsigned char arena[PAIR_ARENA_BYTES];
static size_t taken;

/* The next part of the arena. */
static void *take(size_t bytes) {
    void *at = arena + taken;
    taken += (bytes + PAIR_ALIGNMENT - 1) / PAIR_ALIGNMENT * PAIR_ALIGNMENT;
    return at;
}

static apus_model *model(const unsigned char *data, size_t bytes, size_t memory) {
    apus_blob blob;
    apus_model *m;
    apus_model_config config = {.size = sizeof config, .blob = &blob, .port = apus_port_host()};
    if (apus_blob_open(&blob, data, bytes, NULL)) return NULL;
    return apus_model_open(&m, &config, take(memory), memory) ? NULL : m;
}

int main(void) {
    apus_config config = {.size = sizeof config, .context = PAIR_CONTEXT, .threads = PAIR_THREADS};
    apus_session *s;
    apus_stats stats = {.size = sizeof stats};
    apus_piece piece = {.size = sizeof piece};
    apus_sampling greedy = {.size = sizeof greedy, .max_tokens = TOKENS, .want_hash = 1};
    apus_part parts[] = {{.kind = APUS_PART_BOS},
                         {.kind = APUS_PART_TEXT, .data = PROMPT, .count = strlen(PROMPT)}};
    config.model = model(pair_blob, PAIR_BLOB_BYTES, PAIR_MODEL_BYTES);
    if (!config.model) return 1;
#ifdef PAIR_DRAFT_BLOB_BYTES
    config.draft = model(pair_draft_blob, PAIR_DRAFT_BLOB_BYTES, PAIR_DRAFT_MODEL_BYTES);
    config.proposals = 4;
    if (!config.draft) return 1;
#endif
    if (apus_open(&s, &config, take(PAIR_SESSION_BYTES), PAIR_SESSION_BYTES)) return 2;
    if (apus_open(&s, &config, arena, PAIR_SESSION_BYTES - 1) != APUS_E_SPACE) return 3;
    if (taken > sizeof arena || taken + PAIR_ALIGNMENT <= sizeof arena) return 4;
    if (apus_prompt(s, parts, 2, 0) || apus_begin(s, &greedy)) return 5;
    while (apus_next(s, &piece) == APUS_OK) {
        fwrite(piece.text, 1, piece.bytes, stdout);
        if (piece.stop) break;
    }
    apus_get_stats(s, &stats);
    fprintf(stderr, "%016llx", (unsigned long long)stats.logits_hash);
    return config.draft && !stats.proposed ? 6 : 0;
}
'''
failures = 0


def check(good, text):
    global failures
    if not good:
        failures += 1
        print('FAIL ' + text)


def run(*command):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True,
                          errors='replace', timeout=300)


def compare(work, source_words, array, expected_words):
    """The program of a header made with these words, beside the command line."""
    header = work / 'pair.h'
    made = run(packer, *source_words, '--header', header, '--ctx', 64, '-t', 2, '--json',
               *(['--array'] if array else []))
    check(made.returncode == 0, made.stderr)
    said = json.loads(made.stdout)
    check(
        said['context'] == 64 and
        '#define PAIR_ARENA_BYTES %d\n' % said['arena_bytes'] in header.read_text(),
        'the result does not agree with the header: %s' % said)
    # nothing but the sizes is seen without PAIR_DATA: C99 and C++98 take it twice
    for words in (['-std=c99', '-xc'], ['-std=c++98', '-xc++']):
        (work / 'twice').write_text('#include <stddef.h>\n' + '#include "pair.h"\n' * 2)
        seen = run(compiler, '-Wall', '-Wextra', '-Werror', '-fsyntax-only', *words, work / 'twice')
        # a C compiler may stand alone
        check(seen.returncode == 0 or 'cc1plus' in seen.stderr, seen.stderr)
    (work / 'program.c').write_text(PROGRAM)
    built = run(compiler, '-std=c11', '-Wall', '-Wextra', '-Werror',
                '-DPROMPT=' + json.dumps(PROMPT), '-DTOKENS=%d' % TOKENS, '-I', work, '-I',
                pathlib.Path(source) / 'include', work / 'program.c', library, '-lpthread', '-o',
                work / 'program')
    check(built.returncode == 0, built.stderr)
    ran = run(work / 'program')
    expected = json.loads(
        run(apus, 'run', *expected_words, PROMPT, '-n', TOKENS, '-c', 64, '--json',
            '--quiet').stdout.splitlines()[-1])
    check(ran.returncode == 0, 'the program ended with %d' % ran.returncode)
    # the small model writes bytes that are no UTF-8
    check(array or ran.stdout == expected['text'],
          'text %r, not %r' % (ran.stdout, expected['text']))
    check(ran.stderr == expected['logits_hash'],
          'hash %s, not %s' % (ran.stderr, expected['logits_hash']))


with tempfile.TemporaryDirectory() as work:
    work = pathlib.Path(work)
    header, tiny = work / 'pair.h', work / 'tiny.apus'
    tiny.write_bytes(subprocess.run([write_tiny], check=True, capture_output=True).stdout)
    compare(work, [tiny], True, [tiny])
    compare(work, [TARGET, '--draft', DRAFT], False, [TARGET, '-d', DRAFT])

    # a path that means something to the assembler, to C, and to its oldest dialect
    odd = work / 'a "b\\c ??' / 'm.apus'
    odd.parent.mkdir()
    odd.write_bytes(tiny.read_bytes())
    check(run(packer, odd, '--header', work / 'odd.h').returncode == 0, 'a path is refused')
    (work / 'odd.c').write_text('#define ODD_DATA\n#include <stddef.h>\n#include "odd.h"\n')
    built = run(compiler, '-std=c11', '-c', work / 'odd.c', '-o', work / 'odd.o')
    check(built.returncode == 0 and tiny.read_bytes() in (work / 'odd.o').read_bytes(),
          'a path with signs is not found:\n' + built.stderr)

    kept = header.read_text()
    small = work / 'small.apus'
    small.write_bytes(b'no blob')
    other = work / 'other.h'
    other.write_text('int other;\n')
    for words, status, sentence in (
        ([TARGET, '--header', header, '-o', work / 'x'], 2, 'both -o and --header'),
        ([TARGET, '--header', header, '--weights', 'int4'], 2, 'other options are for packing'),
        ([TARGET, '-o', work / 'x', '--draft', DRAFT], 2, '--draft is for --header'),
        ([TARGET, '--header', '-'], 2, 'standard output'),
        ([TARGET, '--header', work / '1.h'], 1, 'begin with a letter'),
        ([TARGET, '--header', work / '_a.h'], 1, 'begin with a letter'),
        ([TARGET, '--header', work / 'apus.h'], 1, "names of Apus' own headers begin with apus"),
        ([TARGET, '--header', work / 'Apus_port.h'], 1, "Apus' own"),
        ([TARGET, '--header', other], 1, 'no header of apus-pack'),
        ([small, '--header', header], 1, 'small.apus'),
        ([work / 'none', '--header', header], 1, 'cannot be read'),
        ([TARGET, '--header', header, '--ctx', 100000], 1, 'context'),
    ):
        refused = run(packer, *words)
        check(refused.returncode == status and sentence in refused.stderr,
              '%s: status %d, %s' % (words[1:], refused.returncode, refused.stderr))
    check(header.read_text() == kept and other.read_text() == 'int other;\n', 'a file changed')
sys.exit(1 if failures else 0)
