"""Levels of processors that machine code is built for."""

AVX512 = "+avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl,-prefer-256-bit"  # without the last, vectors are halved
# Name, as compilers know it: features of the processor that Numba is to be given, bytes of a vector register
KNOWN = {
    "x86-64-v2": ("", 32),
    "x86-64-v3": ("", 32),
    "x86-64-v4": (AVX512, 64),
    "generic": ("", 32),  # every processor of its kind, as 64-bit ARM with NEON
}
