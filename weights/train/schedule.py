"""What is trained when, and how fast, as a function of the share of the time that has passed. So a run ends when planned on any machine."""
TARGET_END = 0.87  # the target's rate is 0 from here on, and it is frozen
DRAFT_START = 0.12  # the draft follows the target's logits from here to the end
LONG_START = 0.55  # windows of the whole context from here on, of half of it before
LARGE_START = 0.35  # steps of twice the text from here on
WARM = 0.02


def trapezoid(x, flat):
    """Up over WARM, flat, then straight down to 0 at 1."""
    if x < 0 or x >= 1:
        return 0.0
    return min(1.0, x / WARM, (1 - x) / (1 - flat))


def target_rate(done):
    return trapezoid(done / TARGET_END, 0.45)


def draft_rate(done):
    return trapezoid((done - DRAFT_START) / (1 - DRAFT_START), 0.5)


def pieces(done):
    """How many rows a window is cut into."""
    return 2 if done < LONG_START else 1


def windows(done):
    """Of the whole context, in a step: many small steps first, when the gradient is plain enough."""
    return 4 if done < LARGE_START else 8
