"""Sizes, counters and flags that the kernels share with their callers. No Numba here: importing this file is cheap."""

LINE_BYTES = 64  # of a cache line

# Filters

LANES = 16  # two AVX-512 registers or four AVX ones hide the latency of the recurrence; 8 and 32 lanes were slower
TILE = 128  # samples of a channel moved before its neighbours' turn
AREA = TILE * LANES  # 16 kB, half of a small first-level cache
UNROLLED_ORDER = 8  # orders up to here have kernels of their own, with the state in registers
LANES_ORDER = 64  # orders up to here run in lanes
BLOCK_STATES = 32  # states of sections up to here run in blocks of time
LONGEST = 248  # samples of the longest block: 16 of them fill a first-level cache
STACK_STATES = 64  # states of a filter up to here have their scratch on the stack
SECTION_ORDER = 2  # states of a section

FIR_WIDTH = 8  # samples in a vector
FIR_SUMS = 6  # vectors of outputs summed at a time; with 8 the loops are no longer unrolled (3 times slower)
FIR_SPAN = FIR_SUMS * FIR_WIDTH

FIXED_POINT_GROUPS = 2  # vectors of sixteen lanes that take turns, one computes while the other waits
FIXED_POINT_BLOCKS = FIXED_POINT_GROUPS * LANES
FIXED_POINT_ROWS = (
    32  # samples of a block between two checks whether runs have met; more than the states of any filter here
)
