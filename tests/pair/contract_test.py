#!/usr/bin/env python3
"""The blobs of the pair against docs/numerics.md in numpy: the same logits to the last bit."""
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tests' / 'oracle'))
import runner  # noqa: E402

runner.need('numpy')
import numpy as np  # noqa: E402
import numerics  # noqa: E402

TEXT = '''def largest(numbers):
    """Return the largest of some numbers."""
    best = None
    for n in numbers:
        if best is None or n > best:
'''


def main():
    with tempfile.TemporaryDirectory() as tmp:
        text = pathlib.Path(tmp) / 'text'
        text.write_text(TEXT)
        for name in ('target', 'draft'):
            blob = ROOT / 'weights' / 'models' / 'pair' / f'{name}.apus'
            ids = runner.tokenize(blob, text)
            want, got = numerics.logits(numerics.Blob(blob),
                                        ids), runner.logits(blob, ids,
                                                            pathlib.Path(tmp) / 'logits')
            if want.shape != got.shape or not np.array_equal(want.view(np.uint32),
                                                             got.view(np.uint32)):
                sys.exit(
                    f'{name}: {(want != got).sum()} of {want.size} logits differ from the contract')
            print(f'{name}: {len(ids)} positions, {want.size} logits, the same bits')


main()
