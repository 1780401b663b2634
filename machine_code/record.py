"""What public functions ask of the kernels: makers and arguments, on standard output.

`python record.py REGISTER FIRST STEP [NAME ...]` makes the calls of `sigrnn warmup` from FIRST on, each STEP-th, as if vector
registers had REGISTER bytes. With names: only calls whose names begin with one of them.
"""

import json
import sys
from ast import literal_eval

import sigrnn._lookup as lookup
from sigrnn._kernels.base import jit

LEFT_OUT = ("fit",)  # trainers and models


def plain(arguments):
    """Whether the arguments can be written down, as a user's activation cannot."""
    try:
        return literal_eval(repr(arguments)) == arguments
    except (SyntaxError, ValueError):
        return False


def main(register, first, step, *names):
    jit.register_bytes = lambda: int(register)  # wider vectors than the processor's are legal
    from sigrnn.warmup import calls

    lookup.requests = set()
    table = {
        name: call for name, call in calls().items() if name.startswith(names or "") and not name.startswith(LEFT_OUT)
    }
    for name in list(table)[int(first) :: int(step)]:
        print(name, file=sys.stderr, flush=True)
        table[name]()
    json.dump(sorted(repr(request) for request in lookup.requests if plain(request[2])), sys.stdout, indent=0)


if __name__ == "__main__":
    main(*sys.argv[1:])
