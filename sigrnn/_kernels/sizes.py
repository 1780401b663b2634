"""Sizes, counters and flags that kernels and their callers share. This file does not import Numba."""

LINE_BYTES = 64  # of a cache line

# Filters

LANES = 16  # two AVX-512 registers or four AVX ones hide the latency of the recurrence; 8 and 32 lanes were slower
TILE = 128  # samples of a channel that are moved at a time
AREA = TILE * LANES  # 16 kB, half of a small first-level cache
UNROLLED_ORDER = 8  # up to this order each order has its own kernel, with the state in registers
LANES_ORDER = 64  # largest order that runs in lanes
BLOCK_STATES = 32  # largest number of states that runs in time segments
SECTION_ORDER = 2  # states of a section

FIR_WIDTH = 8  # samples in a vector
FIR_SUMS = 6  # vectors of outputs summed at a time; with 8 the loops are no longer unrolled (3 times slower)
FIR_SPAN = FIR_SUMS * FIR_WIDTH

FIXED_POINT_GROUPS = 2  # vectors of sixteen lanes, computed alternately: one hides the latency of the other
FIXED_POINT_BLOCKS = FIXED_POINT_GROUPS * LANES
FIXED_POINT_ROWS = 32  # samples of a segment between two convergence checks; more than the states of any such filter
