"""The ids as windows in a fixed, shuffled order. Position in that order is all the state there
is."""
import numpy as np

BEGIN_ID, END_ID = 0, 1
PREFIX_ID, SUFFIX_ID, MIDDLE_ID, PAD_ID = 3072, 3073, 3074, 3075  # behind the pieces
MARKERS = ('<|fim_prefix|>', '<|fim_suffix|>', '<|fim_middle|>', '<|fim_pad|>')
IN_MIDDLE = 1 << 15  # with an id in a file: it is part of a middle, or the end of one
MIDDLE_WEIGHT = 8.0


def counts(rows):
    """What each id counts in the loss, float32. Markers are never to be written: 0. Middles and
    their ends are the few ids of a window that teach completing: MIDDLE_WEIGHT. Text: 1."""
    weight = np.where(rows & IN_MIDDLE, MIDDLE_WEIGHT, 1.0)
    return np.where(rows & ~IN_MIDDLE >= PREFIX_ID, 0.0, weight).astype(np.float32)


class Windows:
    def __init__(self, ids, length, seed=1):
        self.ids, self.length, self.seed = np.asarray(ids), length, seed
        self.count = len(self.ids) // length
        self.epoch, self.order = -1, None

    def batch(self, first, n, part=1):
        """Windows first .. first + n - 1 of the endless order, each cut into `part` pieces:
        (inputs, targets, counts) of n * part rows.

        A row predicts each of its ids from those before it; before the first there is the begin
        token, as in a prompt."""
        rows = np.stack([self._window(first + i)
                         for i in range(n)]).reshape(n * part, self.length // part).astype(np.int64)
        targets = rows & ~IN_MIDDLE
        inputs = np.concatenate([np.full((len(rows), 1), BEGIN_ID), targets[:, :-1]], 1)
        return inputs, targets, counts(rows)

    def _window(self, i):
        epoch, place = divmod(i, self.count)
        if epoch != self.epoch:
            self.epoch, self.order = epoch, np.random.default_rng([self.seed,
                                                                   epoch]).permutation(self.count)
        at = self.order[place] * self.length
        return self.ids[at:at + self.length]
