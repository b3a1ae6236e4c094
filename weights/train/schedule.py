"""What is trained when, and with which rate, as a function of the part of the time that has passed.
So a run ends at the planned time on every machine."""
import dataclasses

WARM = 0.02


def trapezoid(x, flat):
    """Rises until WARM, stays at 1 for a while, then falls in a straight line to 0 at x = 1."""
    if x < 0 or x >= 1:
        return 0.0
    return min(1.0, x / WARM, (1 - x) / (1 - flat))


@dataclasses.dataclass(frozen=True)
class Schedule:
    target_end: float  # from here on the target is frozen: its rate is 0
    draft_start: float  # the draft follows the target's logits from here to the end
    long_start: float  # before this, windows are cut into halves of the context
    large_start: float  # from here on a step has twice as much text
    target_flat: float  # the part of the target's time with its highest rate
    target_peak: float  # the target's highest rate, as a part of the full one

    def target_rate(self, done):
        return self.target_peak * trapezoid(done / self.target_end, self.target_flat)

    def draft_rate(self, done):
        return trapezoid((done - self.draft_start) / (1 - self.draft_start), 0.5)

    def pieces(self, done):
        """How many rows a window is cut into."""
        return 2 if done < self.long_start else 1

    def windows(self, done):
        """How many windows of the whole context a step has. At first steps are small and many,
        because a rough gradient is good enough then."""
        return 4 if done < self.large_start else 8


SCHEDULES = {
    'fresh':
    Schedule(target_end=0.87,
             draft_start=0.12,
             long_start=0.55,
             large_start=0.35,
             target_flat=0.45,
             target_peak=1.0),
    # For going on from a packed pair (from_blob.py), which has been trained to the end before:
    # rates are lower, and the last quarter is the draft's alone.
    'further':
    Schedule(target_end=0.72,
             draft_start=0.25,
             long_start=0.0,
             large_start=0.5,
             target_flat=0.2,
             target_peak=0.5),
    # As 'further', but for a short run that adds something new (middles): most of the time is the
    # target's.
    'middle':
    Schedule(target_end=0.85,
             draft_start=0.4,
             long_start=0.0,
             large_start=0.5,
             target_flat=0.3,
             target_peak=0.5),
}
