"""Mixed text for the tokenizer comparisons: code and prose from this Python's own files, ten
scripts, emoji, control characters, random code points, random bytes, very long words, runs of
spaces, line breaks and digits. The same for a given size; nothing is downloaded."""
import glob
import os
import random
import unicodedata

SCRIPTS = {
    "latin":
    "Falsches Üben von Xylophonmusik quält jeden größeren Zwerg; l'été où Noël arrivera, ça ira. "
    "Příliš žluťoučký kůň. ",
    "greek":
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. Γαζέες καὶ μυρτιὲς δὲν θὰ βρῶ πιὰ στὸ χρυσαφὶ ξέφωτο. ",
    "cyrillic":
    "Съешь же ещё этих мягких французских булок, да выпей чаю. Жебракують філософи при ґанку "
    "церкви. ",
    "hebrew": "דג סקרן שט בים מאוכזב ולפתע מצא חברה. שָׁלוֹם עֲלֵיכֶם 123. ",
    "arabic": "نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر ومغلف بجلد أزرق ١٢٣. ",
    "devanagari":
    "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश करने वाले विष्णुवतार भगवान "
    "श्रीराम। क़ख़ग़ ",
    "bengali": "আমি বাংলায় গান গাই। আমি বাংলার গান গাই, ড়ঢ়য় ১২৩৪। ",
    "thai": "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า กว่าบรรดาฝูงสัตว์เดรัจฉาน ๑๒๓ ",
    "japanese": "いろはにほへと ちりぬるを。わが世誰ぞ常ならむ、有為の奥山今日越えて。カタカナ１２３ﾊﾝｶｸ　全角。 ",
    "korean": "키스의 고유조건은 입술끼리 만나야 하고 특별한 기술은 필요치 않다. 다람쥐 헌 쳇바퀴에 타고파. ",
    "chinese": "视野无限广，窗外有蓝天。天地玄黄，宇宙洪荒；日月盈昃，辰宿列张。123元，４５６。\n",
    "georgian": "აბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰ. ",
    "armenian": "Բել դղյակի ձախ ժամն օֆ ազգությանը ցպահանջ չճշտած վնաս էր եւ փառք։ ",
    "vietnamese": "Do bạch kim rất quý nên sẽ dùng để lắp vô xương. Tiếng Việt có dấu. ",
}
EMOJI = "😀😃🎉👍🏽👩‍👩‍👧‍👦🏳️‍🌈🇩🇪🇯🇵❤️☕✨🚀🔥💯🤷🏿‍♂️①②③½¾Ⅷ"


def code():
    base = os.path.dirname(os.__file__)
    for path in sorted(glob.glob(base + "/*.py") + glob.glob(base + "/*/*.py")):
        try:
            yield open(path, encoding="utf-8").read()
        except (OSError, UnicodeDecodeError):
            pass


def pieces(rng):
    """One odd piece of text after the other, endlessly."""
    assigned = [
        c for c in range(0x20000)
        if not 0xD800 <= c < 0xE000 and unicodedata.category(chr(c)) not in ("Cn", "Co")
    ]
    marks = [c for c in assigned if unicodedata.combining(chr(c)) and c < 0x700]
    words = (
        "def return self import class for while if else the of and to in is it's we're I'LL don't "
        "you'd they've 'S 'ſ can'T "
        "HTML XMLHttpRequest camelCaseWord snake_case_word UPPER iPhone naïve Straße ǅungla ʰ ªº"
    ).split()
    while True:
        kind = rng.randrange(16)
        n = rng.randrange(1, 60)
        if kind == 0:
            yield rng.choice(list(SCRIPTS.values())) * rng.randrange(1, 4)
        elif kind == 1:
            yield "".join(rng.choice(EMOJI) for _ in range(n))
        elif kind == 2:
            yield "".join(chr(rng.choice(assigned)) for _ in range(n))
        elif kind == 3:
            yield "".join(chr(rng.randrange(0x20))
                          for _ in range(n // 4)) + "\x7f\x80\x85\xa0\u200b\u2028\u2029\ufeff\u3000"
        elif kind == 4:
            yield " " * n + rng.choice(["", "\t", "\n", "x", "1", "_", "."])
        elif kind == 5:
            yield rng.choice(["\n", "\r\n", "\r", "\n\n ", " \n", "\t\n", "\n  "]) * rng.randrange(
                1, 8)
        elif kind == 6:
            yield "".join(rng.choice("0123456789")
                          for _ in range(n)) + rng.choice(["", " ", "٣", "Ⅷ", "²"])
        elif kind == 7:
            yield "".join(rng.choice("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
                          for _ in range(n)) + rng.choice(["", "\n", "/\r\n", " a"])
        elif kind == 8:
            yield "".join(rng.choice("aeiourstlnhdmAEIOURST") for _ in range(n * 20))
        elif kind == 9:
            yield rng.choice(["a", "ab", "é", "=", "-", "▁", "█", "的", "A", "\u0301", "aB", "  "
                              ]) * n * rng.choice([1, 20])
        elif kind == 10:
            yield "".join(
                rng.choice("aeo") +
                "".join(chr(rng.choice(marks)) for _ in range(rng.randrange(5))) for _ in range(n))
        elif kind == 11:
            yield unicodedata.normalize(rng.choice(["NFD", "NFKD", "NFC"]),
                                        rng.choice(list(SCRIPTS.values())))
        elif kind == 12:
            yield rng.choice(["\t", " ", "\u00a0", "\u3000", "▁", "/", "'", "-"
                              ]) + rng.choice(words)
        elif kind == 13:
            yield bytes(rng.randrange(256) for _ in range(n)).decode("utf-8", "replace")
        else:
            yield " ".join(rng.choice(words)
                           for _ in range(n)) + rng.choice(["", ".", "\n", "!\n\n", "  ", " 12 "])


def documents(size, seed=1):
    """Texts of 0 to some 30 000 characters, `size` bytes of UTF-8 or a little more together."""
    rng = random.Random(seed)
    yield from ("", " ", "  ", "\n", "a", "▁", " a", "\u0301", "\ufffd")
    total, sources, odd = 0, code(), pieces(rng)
    while total < size:
        if rng.random() < 0.3:
            text = next(sources, "")[:rng.randrange(1, 30000)]
        else:
            text = "".join(next(odd) for _ in range(rng.randrange(1, 80)))
        total += len(text.encode())
        yield text


def random_bytes(size, seed=2):
    rng = random.Random(seed)
    total = 0
    while total < size:
        n = rng.randrange(1, 3000)
        data = rng.randbytes(n) if rng.random() < 0.5 else bytearray("".join(
            SCRIPTS.values()).encode()[:n])
        if isinstance(data, bytearray):
            for _ in range(rng.randrange(1, 40)):
                data[rng.randrange(len(data))] = rng.randrange(256)
        total += len(data)
        yield bytes(data)
