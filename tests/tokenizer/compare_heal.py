"""Token healing against `tokenizers`: lines of code and prose, cut anywhere. The ids that may come
first are those of the vocabulary whose bytes begin with the cut bytes, and where none is exactly
these, the beginnings of them that the tokenizer makes. Behind the ids that were kept those of the
whole text may come one after the other, unless an id is exactly what is left of the cut bytes and
the tokenizer spells the whole word otherwise. Takes 2 seconds."""
import json
import os
import pathlib
import random
import subprocess
import sys

from tool import need

need("tokenizers")
import tokenizers

from texts import documents

PAIR = pathlib.Path(__file__).resolve().parents[2] / "weights/models/pair/tokenizer.json"
CASES = 1500


def byte_of():
    """The byte that each character of a byte-level vocabulary stands for."""
    same = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in same]
    return {**{chr(b): b for b in same}, **{chr(256 + i): b for i, b in enumerate(others)}}


def cases(draw):
    """Whole texts and where they are cut, between two characters of a word."""
    made = []
    for text in documents(1_000_000):
        lines = [line for line in text.split("\n") if 8 < len(line) < 200]
        for line in draw.sample(lines, min(len(lines), 40)):
            made.append((line, draw.randrange(1, len(line))))
    draw.shuffle(made)
    return made[:CASES]


def main():
    theirs = tokenizers.Tokenizer.from_file(str(PAIR))
    letters = byte_of()
    added = theirs.get_added_tokens_decoder()
    spelled = {i: bytes(letters[c] for c in token) for token, i in theirs.get_vocab().items()
               if i not in added}
    asked = [(text, text[:at], theirs.encode(text, add_special_tokens=False).ids)
             for text, at in cases(random.Random(3))]
    done = subprocess.run([os.environ["APUS_HEAL_TOOL"], str(PAIR)], text=True, check=True,
                          input="".join(json.dumps({"cut": cut, "ids": ids}) + "\n"
                                        for _, cut, ids in asked), capture_output=True)
    failures, healed, shorter, followed = [], 0, 0, 0
    for (text, cut, ids), line in zip(asked, done.stdout.splitlines(), strict=True):
        got = json.loads(line)
        bound = cut.encode()[got["keep"]:]
        if got["kept"] != ids[:len(got["kept"])]:
            failures.append(("what is kept has other ids", text, cut, got))
        if not bound:
            continue
        healed += 1
        longer = {i for i, b in spelled.items() if b.startswith(bound)}
        less = set(got["first"]) - longer
        shorter += bool(less)
        if not longer <= set(got["first"]):
            failures.append(("an id that begins so may not come", text, cut, got))
        if less and any(spelled[i] == bound for i in longer):
            failures.append(("a shorter id may come beside a whole one", text, cut, got))
        if any(not bound.startswith(spelled.get(i, b"\0")) for i in less):
            failures.append(("an id may come that begins otherwise", text, cut, got))
        followed += all(got["may"])
        if not all(got["may"]):  # then an id is exactly what was left
            before = ids[len(got["kept"]):][:len(got["may"]) - 1]
            left = bound[sum(len(spelled[i]) for i in before):]
            if left not in spelled.values():
                failures.append(("the whole text's ids may not come", text, cut, got))
    for failure in failures[:5]:
        print("FAIL", *failure)
    print(f"{len(asked)} cut texts, {healed} healed, of {shorter} shorter ids may come, "
          f"{followed} may become the whole text's ids, {len(failures)} failures")
    return 1 if failures or healed < CASES // 4 else 0


sys.exit(main())
