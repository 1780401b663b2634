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

TRANSITION_WIDTH = 8  # columns in a vector of the matrices of block transitions


def transition_columns(states: int) -> int:
    """Columns of such a matrix of that many states: a multiple of the width, and more than the states."""
    return states // TRANSITION_WIDTH * TRANSITION_WIDTH + TRANSITION_WIDTH


STATE_SPACE_WIDTH = 8  # rows of the matrix of a state-space system summed at a time

FIR_WIDTH = 8  # samples in a vector
FIR_SUMS = 6  # vectors of outputs summed at a time; with 8 the loops are no longer unrolled (3 times slower)
FIR_SPAN = FIR_SUMS * FIR_WIDTH

FIXED_POINT_GROUPS = 2  # vectors of sixteen lanes that take turns, one computes while the other waits
FIXED_POINT_BLOCKS = FIXED_POINT_GROUPS * LANES
FIXED_POINT_ROWS = (
    32  # samples of a block between two checks whether runs have met; more than the states of any filter here
)

# Layers

PRODUCT_ROWS, PRODUCT_VECTORS = (
    6,
    2,
)  # of a product at a time: 12 sums, two vectors and one number fill the 16 registers of AVX2
PRODUCT_DEPTH = 128  # terms of a sum at a time: what one tile of the product reads stays in the first-level cache
PRODUCT_WIDE = 256  # columns that are packed at a time: second-level cache


def units_in_vector(register: int, itemsize: int, hidden: int) -> int:
    """Units in a vector: what a register of that many bytes holds, as 16 registers serve no vector of two; few units are not spread thin."""
    most = register // itemsize
    return min(most, 8) if hidden <= 8 else most


def unit_groups(blocks: int) -> tuple[int, ...]:
    """How many vectors of units the backward pass takes together: fours, then what is left; each number once."""
    return (4,) * (blocks >= 4) + (2,) * (blocks // 2 % 2) + (1,) * (blocks % 2)


def product_columns(register: int, itemsize: int) -> int:
    """Columns of a product at a time."""
    return PRODUCT_VECTORS * register // itemsize


def product_scratch(register: int, itemsize: int, inner: int, wide: int) -> int:
    """Numbers of scratch for a product with a matrix (inner, wide)."""
    each = product_columns(register, itemsize)
    return min(inner, PRODUCT_DEPTH) * min(-(-wide // each) * each, PRODUCT_WIDE) + PRODUCT_ROWS * each
