"""What is trained when, and how fast, as a function of the share of the time that has passed. So a
run ends when planned on any machine."""
import dataclasses

WARM = 0.02


def trapezoid(x, flat):
    """Up over WARM, flat, then straight down to 0 at 1."""
    if x < 0 or x >= 1:
        return 0.0
    return min(1.0, x / WARM, (1 - x) / (1 - flat))


@dataclasses.dataclass(frozen=True)
class Schedule:
    target_end: float  # the target's rate is 0 from here on, and it is frozen
    draft_start: float  # the draft follows the target's logits from here to the end
    long_start: float  # windows of the whole context from here on, of half of it before
    large_start: float  # steps of twice the text from here on
    target_flat: float  # the share of the target's time at its full rate
    target_peak: float  # of the full rate

    def target_rate(self, done):
        return self.target_peak * trapezoid(done / self.target_end, self.target_flat)

    def draft_rate(self, done):
        return trapezoid((done - self.draft_start) / (1 - self.draft_start), 0.5)

    def pieces(self, done):
        """How many rows a window is cut into."""
        return 2 if done < self.long_start else 1

    def windows(self, done):
        """Of the whole context, in a step: many small steps first, when the gradient is plain
        enough."""
        return 4 if done < self.large_start else 8


SCHEDULES = {
    'fresh':
    Schedule(target_end=0.87,
             draft_start=0.12,
             long_start=0.55,
             large_start=0.35,
             target_flat=0.45,
             target_peak=1.0),
    # From a packed pair (from_blob.py), which has come to rest already: slower, and the draft has
    # the last quarter for itself.
    'further':
    Schedule(target_end=0.72,
             draft_start=0.25,
             long_start=0.0,
             large_start=0.5,
             target_flat=0.2,
             target_peak=0.5),
    # As 'further', for a short run that brings something new (middles): most of it is the target's.
    'middle':
    Schedule(target_end=0.86,
             draft_start=0.45,
             long_start=0.0,
             large_start=1.0,
             target_flat=0.4,
             target_peak=0.35),
}
