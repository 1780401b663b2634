"""Sizes, counters and flags that kernels and their callers share. This file does not import Numba."""

LINE_BYTES = 64  # of a cache line

# Filters

LANES = 16  # two AVX-512 registers or four AVX ones hide the latency of the recurrence; 8 and 32 lanes were slower
TILE = 128  # samples of a channel that are moved at a time
AREA = TILE * LANES  # 16 kB, half of a small first-level cache
UNROLLED_ORDER = 8  # up to this order each order has its own kernel, with the state in registers
LANES_ORDER = 64  # largest order that runs in lanes
BLOCK_STATES = 32  # largest number of states that runs in time segments
LONGEST = 248  # samples of the longest block: 16 of them fill a first-level cache
STACK_STATES = 64  # largest number of states of a filter whose scratch is on the stack
SECTION_ORDER = 2  # states of a section

TRANSITION_WIDTH = 8  # columns in a vector of the matrices of block transitions


# Doublings of the time over which the covariance of states is summed: longer than any block; and of that after which a power of
# the transition must have decayed in a stable filter
HORIZON, DOUBLINGS = 12, 26
DECAYED, GROWN = 1e-12, 1e14  # squared norms of that power: nothing is left of it; the filter is taken as unstable
# Variance, relative to that of the state, up to which a direction counts as one that no input reaches; what it is given then
UNREACHED, HELD = 2.0**-80, 2.0**-40


def transition_columns(states: int) -> int:
    """Columns of such a matrix of that many states: a multiple of the width, and more than the states."""
    return states // TRANSITION_WIDTH * TRANSITION_WIDTH + TRANSITION_WIDTH


STATE_SPACE_WIDTH = 8  # rows of the matrix of a state-space system summed at a time

FIR_WIDTH = 8  # samples in a vector
FIR_SUMS = 6  # vectors of outputs summed at a time; with 8 the loops are no longer unrolled (3 times slower)
FIR_SPAN = FIR_SUMS * FIR_WIDTH

TRANSFORM_GROUP = 128  # rows of a transform that go through all stages at once: half of a first-level cache

FIXED_POINT_GROUPS = 2  # vectors of sixteen lanes, computed alternately: one hides the latency of the other
FIXED_POINT_BLOCKS = FIXED_POINT_GROUPS * LANES
FIXED_POINT_ROWS = 32  # samples of a segment between two convergence checks; more than the states of any such filter

# Layers

PRODUCT_ROWS, PRODUCT_VECTORS = 6, 2  # of a product at a time: 12 sums, 2 vectors and a number fit 16 registers
PRODUCT_DEPTH = 128  # terms of a sum at a time: what one tile of the product reads stays in the first-level cache
PRODUCT_WIDE = 256  # columns packed at a time: they fit the second-level cache


def units_in_vector(register: int, itemsize: int, hidden: int) -> int:
    """Units in a vector: what a register holds (two registers would exceed 16 for all sums); fewer for few units."""
    most = register // itemsize
    return min(most, 8) if hidden <= 8 else most


def unit_groups(blocks: int) -> tuple[int, ...]:
    """The sizes of groups of vectors in the backward pass: fours, then the rest."""
    return (4,) * (blocks >= 4) + (2,) * (blocks // 2 % 2) + (1,) * (blocks % 2)


def product_columns(register: int, itemsize: int) -> int:
    """Columns of a product at a time."""
    return PRODUCT_VECTORS * register // itemsize


def product_scratch(register: int, itemsize: int, inner: int, wide: int) -> int:
    """Numbers of scratch for a product with a matrix (inner, wide)."""
    each = product_columns(register, itemsize)
    return min(inner, PRODUCT_DEPTH) * min(-(-wide // each) * each, PRODUCT_WIDE) + PRODUCT_ROWS * each
