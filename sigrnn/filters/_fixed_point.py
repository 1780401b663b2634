"""How one long channel of a nonlinear recurrence is divided into the time segments of
`_kernels/filters/fixed_point.py`, and when it is not."""

from __future__ import annotations

from collections.abc import Callable

from sigrnn._arrays import Array
from sigrnn._kernels.sizes import FIXED_POINT_BLOCKS as BLOCKS
from sigrnn._kernels.sizes import FIXED_POINT_ROWS as ROWS
from sigrnn.filters._memory import aligned

SHORTEST = 128  # samples of a block: with fewer, running twice until blocks meet costs most of what lanes gain
USUAL = 640  # 164 kB of scratch
LONG = SHORTEST * BLOCKS  # samples from which a channel is cut


def run(samples: int, guess: Callable[[slice, int, Array], int], plain: Callable[[slice], None]) -> None:
    """Run samples in order: `guess` takes a whole number of segments, of blocks of some length, with scratch, and returns
    the number of samples before the first segment that failed; `plain` takes any.

    A filter that does not forget loses eight runs in lanes, the time of about one and a half sample after sample, for
    one segment; then for two, four, eight ... segments nothing is tried.
    """
    done, skipped = 0, 1
    while samples - done >= LONG:
        size = segment(samples - done)
        stop = done + (samples - done) // size * size
        count = guess(slice(done, stop), size // BLOCKS, aligned(size))
        done, skipped = done + count, 1 if count else skipped
        if done < stop:
            left_out = slice(done, min(done + skipped * size, samples))
            plain(left_out)
            done, skipped = left_out.stop, 2 * skipped
    if done < samples:
        plain(slice(done, samples))


def segment(samples: int) -> int:
    """Samples to take at a time, of LONG or more.

    Rows of a block are an odd number: blocks a power of two apart would share the sets of the cache (480 and 736 samples
    a block: 3.3 and 3.2 ns, 512 and 768: 3.8 and 3.3 ns).
    """
    rows = samples // max(1, samples // (USUAL * BLOCKS)) // BLOCKS // ROWS
    return (rows - (rows % 2 == 0 and rows * ROWS > SHORTEST)) * ROWS * BLOCKS
