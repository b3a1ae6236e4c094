"""What the comparisons share: running tokenize_tool, reading and writing the files it takes."""
import os
import struct
import subprocess
import sys
import tempfile

NO_PREFIX, SPECIALS = 1, 2


def skip(reason):
    print("SKIP:", reason)
    sys.exit(77)


def need(*names):
    for name in names:
        try:
            __import__(name)
        except ImportError as e:
            skip(f"Python module {name} is missing ({e})")


class Tool:
    """ids, decoded = tool(texts): texts are str or bytes."""

    def __init__(self, path, rows=0):
        self.args = [os.environ.get("APUS_TOKENIZE_TOOL", "tokenize_tool"), str(path), str(rows)]

    def __call__(self, texts, flags=0):
        texts = [t.encode() if isinstance(t, str) else t for t in texts]
        with tempfile.TemporaryFile() as given:
            for t in texts:
                given.write(struct.pack("<II", flags, len(t)) + t)
            given.seek(0)
            done = subprocess.run(self.args, stdin=given, capture_output=True)
        if done.returncode:
            raise RuntimeError(
                f"{self.args} failed with {done.returncode}: {done.stderr.decode()[-2000:]}")
        out, at = done.stdout, 24
        self.bytes, self.rows, self.flags, self.bos, self.eos, ends = struct.unpack_from(
            "<IIIiiI", out)
        self.ends = list(struct.unpack_from(f"<{ends}I", out, at))
        at += 4 * ends
        ids, back = [], []
        for _ in texts:
            n, = struct.unpack_from("<I", out, at)
            ids.append(list(struct.unpack_from(f"<{n}I", out, at + 4)))
            at += 4 + 4 * n
            n, = struct.unpack_from("<I", out, at)
            back.append(out[at + 4:at + 4 + n])
            at += 4 + n
        assert at == len(out)
        return ids, back

    def refuses(self):
        """The sentence it is refused with; None if it is taken."""
        done = subprocess.run(self.args, stdin=subprocess.DEVNULL, capture_output=True)
        assert done.returncode in (0, 1), done
        return done.stderr.decode().strip() if done.returncode else None


def compare(name, texts, ours, theirs):
    for text, a, b in zip(texts, ours, theirs, strict=True):
        if a == b:
            continue
        at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
        print(
            f"FAIL {name}: text {text[:200]!r}... ({len(text)}) differs at id {at}: "
            f"{a[at - 3:at + 6]} where {b[at - 3:at + 6]} is expected"
        )
        sys.exit(1)
    print(f"ok {name}: {len(texts)} texts, {sum(map(len, ours))} ids")


def gguf(path, values):
    """A GGUF file with metadata only. values: key -> str, bool, int, list of str, int or float."""
    def text(s):
        s = s if isinstance(s, bytes) else s.encode()
        return struct.pack("<Q", len(s)) + s

    def value(v):
        if isinstance(v, bool):
            return struct.pack("<I?", 7, v)
        if isinstance(v, int):
            return struct.pack("<Ii", 5, v)
        if isinstance(v, (str, bytes)):
            return struct.pack("<I", 8) + text(v)
        kind = 8 if isinstance(v[0], (str, bytes)) else 6 if isinstance(v[0], float) else 5
        body = b"".join(map(text, v)) if kind == 8 else struct.pack(
            f"<{len(v)}{'f' if kind == 6 else 'i'}", *v)
        return struct.pack("<IIQ", 9, kind, len(v)) + body

    out = b"GGUF" + struct.pack("<IQQ", 3, 0, len(values))
    for key, v in values.items():
        out += text(key) + value(v)
    open(path, "wb").write(out + bytes(-len(out) % 32))


def read_gguf(path):
    """Metadata of a GGUF file."""
    f = open(path, "rb")
    f.read(8)
    _, count = struct.unpack("<QQ", f.read(16))
    sizes = {
        0: "B",
        1: "b",
        2: "H",
        3: "h",
        4: "I",
        5: "i",
        6: "f",
        7: "?",
        10: "Q",
        11: "q",
        12: "d"
    }

    def one(kind):
        if kind == 8:
            return f.read(struct.unpack("<Q", f.read(8))[0]).decode()
        if kind == 9:
            element, n = struct.unpack("<IQ", f.read(12))
            if element == 8:
                return [one(8) for _ in range(n)]
            return list(
                struct.unpack(f"<{n}{sizes[element]}", f.read(n * struct.calcsize(sizes[element]))))
        return struct.unpack("<" + sizes[kind], f.read(struct.calcsize(sizes[kind])))[0]

    out = {}
    for _ in range(count):
        key = one(8)
        out[key] = one(struct.unpack("<I", f.read(4))[0])
    return out
