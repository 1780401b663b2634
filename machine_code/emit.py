"""Machine code for one level of the processor: `python emit.py LEVEL PART OUT < REQUESTS` writes OUT/LEVEL-PART.o and .json.

Numba compiles what was asked for, in this process, for the processor that `NUMBA_CPU_NAME` and `NUMBA_CPU_FEATURES` name; nothing of
it is run. The optimised code of all kernels becomes one object file. The JSON file has, for each request, the symbol of a
compiled function, an array of numbers and functions, or a literal; and the types of arguments of each function.
"""

import json
import sys
from ast import literal_eval
from importlib import import_module
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
from numba import types
from numba.core.registry import cpu_target

from sigrnn._kernels.base import calls, jit
from sigrnn._lookup import key_of

RESULTS = "none", "bool", "int64", "float64"
INTERNAL = "internal"


class Unsuited(Exception):
    """What the extension module cannot hold; Numba will compile it where it is needed."""


class Level:
    """The kernels of a level, or of a part of it: parts are compiled side by side."""

    def __init__(self, name):
        self.name = name
        self.numbers = {}  # of kernels, by the compiled function
        self.kernels = []

    def symbol(self, number):
        return f"sigrnn_{self.name.replace('-', '_')}_{number}"

    def number(self, compiled):
        """The number of a kernel, which will be part of the module."""
        if id(compiled) not in self.numbers:
            self.numbers[id(compiled)] = len(self.kernels)
            self.kernels.append(compiled)
        return self.numbers[id(compiled)]

    def described(self, result):
        """What a maker returned, in words of the JSON file."""
        if isinstance(result, np.ndarray):
            if result.dtype != np.intp or result.ndim != 1:
                raise Unsuited(f"an array of {result.dtype}")
            entries = [
                ["function", self.symbol(self.number(calls._kept[entry]))]
                if entry in calls._kept
                else ["number", entry]
                for entry in result.tolist()
            ]
            return ["array", entries]
        compiled = self.compiled(result)
        if compiled is not None:
            types_of(compiled)
            return ["function", self.symbol(self.number(compiled))]
        try:
            same = literal_eval(repr(result)) == result
        except (SyntaxError, ValueError):
            same = False
        if not same:
            raise Unsuited(f"a {type(result).__name__}")
        return ["literal", repr(result)]

    @staticmethod
    def compiled(result):
        """The kernel that a result is, or is the entry point of."""
        for compiled in jit.made:
            (overload,) = compiled.overloads.values()
            if result is compiled or result is overload.entry_point:
                return compiled
        return None

    def module(self):
        """All kernels as one module, in which each has a symbol and all else is hidden."""
        whole = llvm.parse_assembly("")
        for number, compiled in enumerate(self.kernels):
            (overload,) = compiled.overloads.values()
            part = llvm.parse_bitcode(overload.library._final_module.as_bitcode())
            wanted = overload.fndesc.llvm_func_name
            for value in (*part.functions, *part.global_variables):
                if value.name == wanted:
                    value.name, value.linkage, value.visibility = self.symbol(number), "external", "hidden"
                elif not value.is_declaration:
                    value.linkage = INTERNAL
            whole.link_in(part)
        return whole

    def object_file(self):
        """The machine code of that module: position-independent, for the processor that Numba compiles for."""
        name, features = cpu_target.target_context.codegen().magic_tuple()[1:]
        triple = llvm.get_process_triple()
        machine = llvm.Target.from_triple(triple).create_target_machine(
            cpu=name, features=features, opt=3, reloc="pic", codemodel="small"
        )
        return machine.emit_object(self.module())


def types_of(compiled):
    """Types of the result and of the arguments of a kernel, as the generator of wrappers reads them."""
    (overload,) = compiled.overloads.values()
    if str(overload.fndesc.restype) not in RESULTS:
        raise Unsuited(f"a function that returns {overload.fndesc.restype}")
    return type_of(overload.fndesc.restype), [type_of(kind) for kind in overload.fndesc.argtypes]


def type_of(kind):
    if isinstance(kind, types.Array):
        return ["array", kind.ndim, np.dtype(str(kind.dtype)).num]
    if isinstance(kind, types.BaseTuple):
        return ["tuple", [type_of(each) for each in kind]]
    if kind in (types.none, types.boolean) or isinstance(kind, types.Integer | types.Float | types.Complex):
        return [str(kind)]
    raise Unsuited(f"an argument or result of type {kind}")


def main(level, part, out):
    jit.made = []
    name = f"{level}-{part}"
    found, left = Level(name), {}
    entries = {}
    for file, maker, arguments in map(literal_eval, json.load(sys.stdin)):
        key = key_of(file, maker, arguments)
        try:
            entries[key] = found.described(getattr(import_module(f"sigrnn._kernels.{file}"), maker)(*arguments))
        except Unsuited as reason:
            left[key] = str(reason)
    functions = {}
    for number, compiled in enumerate(found.kernels):
        try:
            functions[found.symbol(number)] = types_of(compiled)
        except Unsuited:  # called by address alone
            functions[found.symbol(number)] = None
    out = Path(out)
    (out / f"{name}.o").write_bytes(found.object_file())
    (out / f"{name}.json").write_text(json.dumps({"entries": entries, "functions": functions}), "utf-8")
    for key, reason in left.items():
        print(f"{name}: {key} is left to Numba: it is {reason}", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
