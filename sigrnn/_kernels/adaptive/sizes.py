"""Sizes, indices and flags of adaptive filters, for kernels and their callers. This file does not import Numba."""

WIDE, NARROW = 16, 4  # lanes: 16 are four independent sums in AVX registers; 4 serve the remainder
GROUP = 4  # samples that share a pass over long weights
BLOCK_WIDTH = 8  # numbers in a vector of the block filters
BLOCK_GROUP = 4  # vectors summed at a time: they hide the latency of a fused sum, four cycles
BLOCK_SPAN = BLOCK_GROUP * BLOCK_WIDTH  # elements reserved after the last output, and before the first sample

# Entries of `counts`. All filters: position in the line, whether NaN has entered the state, why the loop stopped.
AT, POISONED, STOP = 0, 1, 2
# Filters that adapt at every sample: phase of the sliding sums, steps still to skip, delay of x in samples; in groups:
# index of the next sample, whether the sums include it already.
PHASE, HOLD, DELAY, MEMBER, SLID = 3, 4, 5, 6, 7
# The others: samples since the last non-finite x; samples of the block so far, blocks so far, newest spectrum;
# unstable steps skipped; samples whose errors are not known yet, errors since the weights were set.
CLEAN, TAKEN, BLOCKS, NEWEST, HELD, WAITING, SEEN = 8, 9, 10, 11, 12, 13, 14
COUNTS = 15

# Entries of `levels`, all of them squares: the largest error allowed, the gain of the initial weights, the largest |x|.
LIMIT, GAIN, PEAK = 0, 1, 2
LEVELS = 3

# Entries of `p`, the parameters: the step size, the regularisation, and its fraction of the input's power.
MU, EPS, SHARE = 0, 1, 2
RHO, MU_MIN, MU_MAX, DECAY = 3, 4, 5, 6
EPS_MIN, EPS_START = 4, 5
FORGETTING, P_MAX, P_SHARE = 0, 3, 4
MEASUREMENT, DELTA = 0, 1
SMOOTHING, NORMALISED = 3, 4
RADIUS = 3
STEPS = 2  # the first of the step sizes of a Volterra filter, one for each order
KEEP = 7  # the factor of the weights with leakage
PARAMETERS = 8

DIVERGED, NOT_A_NUMBER = 1, 2  # why a loop stopped
RAISE, OMIT, UNGUARDED = 1, 2, 4  # bits of `policy`

# Bits of `mode` of recursive adaptive filters
RECURSIVE = 1  # total gradients; otherwise past outputs are held constant
OF_TARGET = 2  # d is fed back instead of y
KEEP_STABLE = 4  # skip a step of the feedback that would move a pole out of the unit circle
