"""Writes text/unicode_tables.c: character classes and normalization tables.

    python make_unicode.py text/unicode_tables.c

Needs the package unicodedata2 at 16.0.0, the version of Unicode whose categories the `tokenizers`
library splits words by (all of \\p{L}, \\p{N}, \\p{P}, \\p{M} and the letter cases were compared
over every code point). Its NFC is older: it knows no combining class and no composition that came
after Unicode 9. Those are left out here, so that text normalizes to the same ids.
"""
import sys

import unicodedata2 as ucd

assert ucd.unidata_version == "16.0.0", "unicodedata2 16.0.0 expected, found " + ucd.unidata_version

OTHER, UPPER, LOWER, LETTER, MARK, NUMBER, PUNCT, SPACE = range(8)
ACTIVE = 8  # takes part in normalization: not NFC_Quick_Check=Yes, or a combining class
WHITE_SPACE = {
    *range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F,
    0x3000
}

# Code points with a combining class that Unicode gained after version 9.
NEWER_MARKS = [(0x7FD, 0x7FD), (0x897, 0x89F), (0x8CA, 0x8D3), (0x9FE, 0x9FE), (0xC3C, 0xC3C),
               (0xD3B, 0xD3C), (0xEBA, 0xEBA), (0x1715, 0x1715), (0x1ABF, 0x1ACE), (0x1DF6, 0x1DFA),
               (0xA82C, 0xA82C), (0x10D24, 0x10D27), (0x10D69, 0x10D6D), (0x10EAB, 0x10EAC),
               (0x10EFD, 0x10EFF), (0x10F46, 0x10F50), (0x10F82, 0x10F85), (0x11070, 0x11070),
               (0x1133B, 0x1133B), (0x113CE, 0x113D0), (0x1145E, 0x1145E), (0x11839, 0x1183A),
               (0x1193D, 0x1193E), (0x11943, 0x11943), (0x119E0, 0x119E0), (0x11A34, 0x11A34),
               (0x11A47, 0x11A47), (0x11A99, 0x11A99), (0x11D42, 0x11D42), (0x11D44, 0x11D45),
               (0x11D97, 0x11D97), (0x11F41, 0x11F42), (0x1612F, 0x1612F), (0x16FF0, 0x16FF1),
               (0x1E08F, 0x1E08F), (0x1E130, 0x1E136), (0x1E2AE, 0x1E2AE), (0x1E2EC, 0x1E2EF),
               (0x1E4EC, 0x1E4EF), (0x1E5EE, 0x1E5EF)]
# Composed characters of the same kind.
NEWER_COMPOSED = {
    0x105C9, 0x105E4, 0x11383, 0x11385, 0x1138E, 0x11391, 0x113C5, 0x113C7, 0x113C8, 0x11938,
    0x16D68, 0x16D69, 0x16D6A, *range(0x16121, 0x16129)
}
NEWER = {c for first, last in NEWER_MARKS for c in range(first, last + 1)} | NEWER_COMPOSED

HANGUL = range(0xAC00, 0xD7A4)


def category_class(c):
    if c in WHITE_SPACE:
        return SPACE
    k = ucd.category(chr(c))
    if k in ("Lu", "Lt"):
        return UPPER
    return {
        "Ll": LOWER,
        "Lm": LETTER,
        "Lo": LETTER
    }.get(k) or {
        "M": MARK,
        "N": NUMBER,
        "P": PUNCT
    }.get(k[0], OTHER)


# Symbols that Unicode calls alphabetic: circled and squared letters.
ALPHABETIC_SYMBOLS = {
    *range(0x24B6, 0x24EA), *range(0x1F130, 0x1F14A), *range(0x1F150, 0x1F16A),
    *range(0x1F170, 0x1F18A)
}


def is_word(c):
    """What \\w matches: Alphabetic, M, Nd, Pc, Join_Control."""
    k = ucd.category(chr(c))
    return (k[0] in "LM" or k in ("Nd", "Nl", "Pc") or c in (0x200C, 0x200D)
            or c in ALPHABETIC_SYMBOLS)


def combining(c):
    return 0 if c in NEWER else ucd.combining(chr(c))


def canonical(c):
    if c in NEWER or c in HANGUL:
        return None
    d = ucd.decomposition(chr(c))
    return [int(x, 16) for x in d.split()] if d and not d.startswith("<") else None


def decompose(c):
    d = canonical(c)
    return [c] if d is None else [x for part in d for x in decompose(part)]


everything = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
full = {c: decompose(c) for c in everything if canonical(c)}
pairs = {}
for c in full:
    d = canonical(c)
    # A composition exclusion does not come back from its own parts.
    if len(d) == 2 and ucd.normalize("NFC", "".join(map(chr, d))) == chr(c):
        pairs[tuple(d)] = c
seconds = {b for _, b in pairs} | set(range(0x1161, 0x1176)) | set(range(0x11A8, 0x11C3))
recomposed = set(pairs.values())


def nibble(c):
    if 0xD800 <= c < 0xE000:
        return OTHER
    active = combining(c) or c in seconds or (c in full and c not in recomposed)
    return category_class(c) | (ACTIVE if active else 0)


blocks, index, seen = [], [], {}
for base in range(0, 0x110000, 256):
    row = [nibble(c) for c in range(base, base + 256)]
    packed = bytes(row[i] | row[i + 1] << 4 for i in range(0, 256, 2))
    if packed not in seen:
        seen[packed] = len(blocks)
        blocks.append(packed)
    index.append(seen[packed])
assert len(blocks) <= 256

ranges = []
for c in everything:
    k = combining(c)
    if k and ranges and ranges[-1][1] == c - 1 and ranges[-1][2] == k:
        ranges[-1][1] = c
    elif k:
        ranges.append([c, c, k])
exceptions = []
for c in everything:
    if is_word(c) != (category_class(c) in (UPPER, LOWER, LETTER, MARK, NUMBER)):
        if exceptions and exceptions[-1][1] == c - 1:
            exceptions[-1][1] = c
        else:
            exceptions.append([c, c])
pool, entries = [], []
for c in sorted(full):
    entries.append((c, len(pool), len(full[c])))
    pool += full[c]
assert len(pool) < 1 << 16 and max(n for _, _, n in entries) <= 4


def array(name, ctype, values, shape="", per_line=16):
    lines = [f"const {ctype} {name}[{len(values)}]{shape} = {{"]
    for i in range(0, len(values), per_line):
        lines.append("    " + " ".join(f"{v}," for v in values[i:i + per_line]))
    return "\n".join(lines + ["};"])


out = [
    "/* Written by weights/tools/make_unicode.py from the Unicode Character Database 16.0.0; not "
    "edited by hand. */",
    '#include "text/unicode_tables.h"', "",
    array("unicode_block", "uint8_t", index, per_line=32),
    array("unicode_nibbles", "uint8_t", ["{" + ",".join(map(str, b)) + "}" for b in blocks],
          "[128]", 1), f"const uint32_t unicode_combining_count = {len(ranges)};",
    array("unicode_combining_ranges",
          "struct unicode_range", [f"{{{a},{b},{k}}}" for a, b, k in ranges],
          per_line=8), f"const uint32_t unicode_word_count = {len(exceptions)};",
    array("unicode_word_exceptions", "uint32_t", [f"{{{a},{b}}}" for a, b in exceptions], "[2]", 8),
    f"const uint32_t unicode_full_count = {len(entries)};",
    array("unicode_full",
          "struct unicode_full", [f"{{{c},{o},{n}}}" for c, o, n in entries],
          per_line=8),
    array("unicode_full_pool", "uint32_t",
          pool), f"const uint32_t unicode_pairs_count = {len(pairs)};",
    array("unicode_pairs",
          "struct unicode_pair", [f"{{{a},{b},{pairs[a, b]}}}" for a, b in sorted(pairs)],
          per_line=8), ""
]
open(sys.argv[1], "w").write("\n".join(out))
