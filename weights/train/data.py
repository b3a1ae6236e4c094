"""The ids as windows in a fixed, shuffled order. Position in that order is all the state there
is."""
import numpy as np

BEGIN_ID, END_ID = 0, 1


class Windows:
    def __init__(self, ids, length, seed=1):
        self.ids, self.length, self.seed = np.asarray(ids), length, seed
        self.count = len(self.ids) // length
        self.epoch, self.order = -1, None

    def batch(self, first, n, part=1):
        """Windows first .. first + n - 1 of the endless order, each cut into `part` pieces:
        (inputs, targets) of n * part rows.

        A row predicts each of its ids from those before it; before the first there is the begin
        token, as in a prompt."""
        rows = np.stack([self._window(first + i)
                         for i in range(n)]).reshape(n * part, self.length // part).astype(np.int64)
        inputs = np.concatenate([np.full((len(rows), 1), BEGIN_ID), rows[:, :-1]], 1)
        return inputs, rows

    def _window(self, i):
        epoch, place = divmod(i, self.count)
        if epoch != self.epoch:
            self.epoch, self.order = epoch, np.random.default_rng([self.seed,
                                                                   epoch]).permutation(self.count)
        at = self.order[place] * self.length
        return self.ids[at:at + self.length]
