"""Sizes, counters and flags that the kernels share with their callers. No Numba here: importing this file is cheap."""

LINE_BYTES = 64  # of a cache line

# Filters

LANES = 16  # two AVX-512 registers or four AVX ones hide the latency of the recurrence; 8 and 32 lanes were slower
TILE = 128  # samples of a channel moved before its neighbours' turn
AREA = TILE * LANES  # 16 kB, half of a small first-level cache
UNROLLED_ORDER = 8  # orders up to here have kernels of their own, with the state in registers
LANES_ORDER = 64  # orders up to here run in lanes
BLOCK_STATES = 32  # states of sections up to here run in blocks of time
SECTION_ORDER = 2  # states of a section

FIR_WIDTH = 8  # samples in a vector
FIR_SUMS = 6  # vectors of outputs summed at a time; with 8 the loops are no longer unrolled (3 times slower)
FIR_SPAN = FIR_SUMS * FIR_WIDTH

FIXED_POINT_GROUPS = 2  # vectors of sixteen lanes that take turns, one computes while the other waits
FIXED_POINT_BLOCKS = FIXED_POINT_GROUPS * LANES
FIXED_POINT_ROWS = (
    32  # samples of a block between two checks whether runs have met; more than the states of any filter here
)

# Adaptive filters

WIDE, NARROW = 16, 4  # lanes: 16 are four sums of an AVX register under way at once; 4 take what is left over
SAMPLE_GROUP = 4  # samples that share a pass over long weights
BLOCK_LMS_WIDTH = 8  # numbers in a vector
BLOCK_LMS_GROUP = 4  # vectors whose sums run beside each other: a fused sum waits four cycles for the one before
BLOCK_LMS_SPAN = BLOCK_LMS_GROUP * BLOCK_LMS_WIDTH  # places free after the last output, and before the first sample

# Entries of `counts`. All: place in the line, whether a NaN was let in, why the loop stopped.
AT, POISONED, STOP = 0, 2, 5
# Filters that adapt at every sample: phase of the sliding sums, steps still to leave out, samples by which x is late; in
# groups: which of its samples comes next, whether the sums have seen it already.
PHASE, HOLD, DELAY, MEMBER, SLID = 1, 3, 4, 6, 7
SAMPLE_COUNTS = 8
# Filters that adapt once in a while, or have a loop of their own: samples of the block so far, samples seen since the weights
# were set, samples since the last of x that was not finite, how often an unstable step was held back.
TAKEN, SEEN, CLEAN, HELD = 1, 3, 4, 6
BLOCK_COUNTS = 7

DIVERGED, NOT_A_NUMBER = 1, 2  # why a loop stopped
RAISE, OMIT, UNGUARDED = 1, 2, 4  # bits of `policy`

# Bits of `mode` of recursive adaptive filters
RECURSIVE = 1  # total gradients; without it past outputs are held constant
OF_TARGET = 2  # d is fed back in place of y
KEEP_STABLE = 4  # leave out a step of the feedback that would move a pole out of the circle
