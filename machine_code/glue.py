"""The C source of the extension module: wrappers for Python of what `emit.py` made, and tables of where everything is."""

import json
from pathlib import Path

SCALARS = {  # type of Numba: (type in C, variable that takes it, function that fills that)
    "bool": ("int8_t", "int8_t", "take_truth"),
    **{f"int{bits}": (f"int{bits}_t", "int64_t", "take_integer") for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": (f"uint{bits}_t", "uint64_t", "take_unsigned") for bits in (8, 16, 32, 64)},
    "float32": ("float", "double", "take_number"),
    "float64": ("double", "double", "take_number"),
}
RESULTS = {  # type of Numba: result to Python
    "none": "Py_NewRef(Py_None)",
    "bool": "PyBool_FromLong(place.boolean)",
    "int64": "PyLong_FromLongLong(place.integer)",
    "float64": "PyFloat_FromDouble(place.number)",
}
# What a processor must have, by names that `__builtin_cpu_supports` has had in compilers for long: the first processors with the
# last of these had all of the level.
V3 = ["avx2", "bmi", "bmi2", "fma"]
LEVELS = {
    "x86-64-v4": [*V3, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"],
    "x86-64-v3": V3,
    "x86-64-v2": ["popcnt", "ssse3", "sse4.1", "sse4.2"],
    "generic": [],
}


class Wrapper:
    """The wrapper for functions of one signature."""

    def __init__(self, result, arguments):
        self.result = result
        self.parameters, self.variables, self.checks, self.values = ["void *", "void **"], [], [], []
        for place, kind in enumerate(arguments):
            self.take(kind, f"given[{place}]", str(place), place)

    def take(self, kind, given, name, place):
        """Code for an argument, or for an entry of one."""
        if kind[0] == "tuple":
            self.checks.append(f"take_tuple({given}, {place}, {len(kind[1])})")
            for i, each in enumerate(kind[1]):
                self.take(each, f"PyTuple_GetItem({given}, {i})", f"{name}_{i}", place)
        elif kind[0] == "array":
            axes = range(kind[1])
            self.variables.append(f"PyArrayObject *a{name};")
            self.checks.append(f"take_array({given}, {place}, {kind[1]}, {kind[2]}, &a{name})")
            self.parameters += ["void *", "void *", "int64_t", "int64_t", "void *", *["int64_t"] * (2 * kind[1])]
            self.values += [
                f"ARRAY(a{name})",
                *[f"AXIS(a{name}, {i})" for i in axes],
                *[f"STEP(a{name}, {i})" for i in axes],
            ]
        elif kind[0] in ("complex64", "complex128"):
            part = "float" if kind[0] == "complex64" else "double"
            self.variables.append(f"complex_number v{name};")
            self.checks.append(f"take_complex({given}, &v{name})")
            self.parameters += [part, part]
            self.values += [f"({part})v{name}.real", f"({part})v{name}.imag"]
        else:
            parameter, variable, take = SCALARS[kind[0]]
            self.variables.append(f"{variable} v{name};")
            self.checks.append(f"{take}({given}, &v{name})")
            self.parameters.append(parameter)
            self.values.append(f"({parameter})v{name}")

    def source(self, number, count):
        """A function in C that calls the kernel `run` with arguments from Python."""
        checks = " && ".join([f"take_count(count, {count})", *self.checks])
        values = ", ".join(["&place", "&error", *self.values])
        return f"""
typedef int signature_{number}({", ".join(self.parameters)});
static inline PyObject *call_{number}(signature_{number} *run, PyObject *const *given, Py_ssize_t count)
{{
    result_place place = {{0}};
    void *error = NULL;
    {" ".join(self.variables)}
    if (!({checks}))
        return NULL;
    PyThreadState *state = PyEval_SaveThread();
    int status = run({values});
    PyEval_RestoreThread(state);
    if (status == 0)
        return {RESULTS[self.result]};
    return status == RETURNED_NONE ? Py_NewRef(Py_None) : failed(status);
}}
"""


class Source:
    """The whole source, level by level."""

    def __init__(self, digest):
        self.parts = ['#include "glue.h"\n', f'#define DIGEST "{digest}"\n']
        self.signatures, self.levels = {}, []

    def signature(self, types):
        """The number of the wrapper for these types."""
        key = json.dumps(types)
        if key not in self.signatures:
            self.signatures[key] = len(self.signatures)
            self.parts.append(Wrapper(types[0][0], types[1]).source(self.signatures[key], len(types[1])))
        return self.signatures[key]

    def add(self, level, parts):
        """What is in the JSON files of a level."""
        prefix, entries, functions = level.replace("-", "_"), {}, {}
        for part in parts:
            entries |= part["entries"]
            functions |= part["functions"]
        for symbol, types in functions.items():
            self.declare(symbol, types)
        rows, wrapped = [], set()
        for i, (key, (kind, value)) in enumerate(sorted(entries.items(), key=lambda item: item[0].encode())):
            fields = ["NULL", "NULL", "0", "NULL"]
            if kind == "function":
                if value not in wrapped:
                    wrapped.add(value)
                    self.wrap(value, functions[value])
                fields[0] = f"&method_{value}"
            elif kind == "array":
                self.numbers(f"{prefix}_numbers_{i}", value)
                fields[1:3] = f"{prefix}_numbers_{i}", str(len(value))
            else:
                fields[3] = json.dumps(value)
            rows.append(f"    {{{json.dumps(key)}, {', '.join(fields)}}},\n")
        self.parts.append(f"static const entry {prefix}_entries[] = {{\n{''.join(rows)}}};\n")
        tests = [f'__builtin_cpu_supports("{feature}")' for feature in LEVELS[level]]
        test = f"(__builtin_cpu_init(), {' && '.join(tests)})" if tests else "1"
        self.parts.append(f"static int {prefix}_suits(void)\n{{\n    return {test};\n}}\n")
        self.levels.append(f'    {{"{level}", {prefix}_suits, {prefix}_entries, {len(rows)}}},\n')

    def declare(self, symbol, types):
        kind = "int {}(void)" if types is None else f"signature_{self.signature(types)} {{}}"
        self.parts.append(f"extern {kind.format(symbol)};\n")

    def wrap(self, symbol, types):
        """The method of a function, which Python calls."""
        self.parts.append(f"""
static PyObject *wrapper_{symbol}(PyObject *self, PyObject *const *given, Py_ssize_t count)
{{
    return call_{self.signature(types)}({symbol}, given, count);
}}
static PyMethodDef method_{symbol} = {{"kernel", (PyCFunction)(void (*)(void))wrapper_{symbol}, METH_FASTCALL, NULL}};
""")

    def numbers(self, name, entries):
        values = [f"(intptr_t){value}" if kind == "function" else str(value) for kind, value in entries]
        self.parts.append(f"static const intptr_t {name}[] = {{{', '.join(values)}}};\n")

    def text(self):
        return "".join(
            [*self.parts, f"static const level levels[] = {{\n{''.join(self.levels)}}};\n", '#include "module.h"\n']
        )


def write(folder, levels, digest):
    """Write the source for these levels, whose JSON files, one for each part, are in a folder."""
    source = Source(digest)
    for level in sorted(levels, key=list(LEVELS).index):  # the highest first
        paths = sorted(Path(folder).glob(f"{level}-*.json"))
        source.add(level, [json.loads(path.read_text("utf-8")) for path in paths])
    path = Path(folder) / "_machine_code.c"
    path.write_text(source.text(), "utf-8")
    return path
