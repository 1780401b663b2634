"""Sizes, places and flags that the kernels of adaptive filters share with their callers. No Numba here: importing this file is cheap."""

WIDE, NARROW = 16, 4  # lanes: 16 are four sums of an AVX register under way at once; 4 take what is left over
GROUP = 4  # samples that share a pass over long weights
BLOCK_WIDTH = 8  # numbers in a vector of the block filters
BLOCK_GROUP = 4  # vectors whose sums run at the same time: a fused sum waits four cycles for the one before
BLOCK_SPAN = BLOCK_GROUP * BLOCK_WIDTH  # places free after the last output, and before the first sample

# Entries of `counts`. All filters: place in the line, whether a NaN was let in, why the loop stopped.
AT, POISONED, STOP = 0, 1, 2
# Filters that adapt at every sample: phase of the sliding sums, steps still to leave out, samples by which x is late; in
# groups: which of its samples comes next, whether the sums have seen it already.
PHASE, HOLD, DELAY, MEMBER, SLID = 3, 4, 5, 6, 7
# The others: samples since the last of x that was not finite; samples of the block so far, blocks so far, the newest spectrum;
# unstable steps held back; samples whose errors have not come yet, errors since the weights were set.
CLEAN, TAKEN, BLOCKS, NEWEST, HELD, WAITING, SEEN = 8, 9, 10, 11, 12, 13, 14
COUNTS = 15

# Entries of `levels`, all of them squares: the largest error allowed, how much of the input's power the weights that the filter
# started from may give out, the largest |x|.
LIMIT, GAIN, PEAK = 0, 1, 2
LEVELS = 3

# Entries of `p`, the parameters: the step size, the regularisation and the share of the input's power that is added to it, ...
MU, EPS, SHARE = 0, 1, 2
RHO, MU_MIN, MU_MAX, DECAY = 3, 4, 5, 6
EPS_MIN, EPS_START = 4, 5
FORGETTING, P_MAX, P_SHARE = 0, 3, 4
MEASUREMENT, DELTA = 0, 1
SMOOTHING, NORMALISED = 3, 4
RADIUS = 3
STEPS = 2  # a step for each order of a Volterra filter
KEEP = 7  # ... and the share of the weights that leakage leaves
PARAMETERS = 8

DIVERGED, NOT_A_NUMBER = 1, 2  # why a loop stopped
RAISE, OMIT, UNGUARDED = 1, 2, 4  # bits of `policy`

# Bits of `mode` of recursive adaptive filters
RECURSIVE = 1  # total gradients; without it past outputs are held constant
OF_TARGET = 2  # d is fed back in place of y
KEEP_STABLE = 4  # leave out a step of the feedback that would move a pole out of the circle
