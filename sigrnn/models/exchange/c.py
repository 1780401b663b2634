"""C: a model as one C99 file, a struct for its state and a function for a sample; no memory is allocated."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn._utils.files import replacing
from sigrnn.layers._cells import MODELS
from sigrnn.models.exchange.layers import Place, activation, need_sizes, option

ACTIVATIONS = {
    "linear": "e",
    "tanh": "tanh(e)",
    "sigmoid": "1.0 / (1.0 + exp(-e))",
    "relu": "e < 0.0 ? 0.0 : e",
    "leaky_relu": "e < 0.0 ? 0.01 * e : e",
    "softsign": "e / (1.0 + fabs(e))",
    "softplus": "e > 0.0 ? e + log1p(exp(-e)) : log1p(exp(e))",
    "hard_tanh": "e < -1.0 ? -1.0 : e > 1.0 ? 1.0 : e",
    "hard_sigmoid": "e < -3.0 ? 0.0 : e > 3.0 ? 1.0 : (e + 3.0) / 6.0",
    "silu": "e / (1.0 + exp(-e))",
    "gelu": "0.5 * e * erfc(-e * 0.70710678118654752440)",
    "mish": "e * tanh(e > 0.0 ? e + log1p(exp(-e)) : log1p(exp(e)))",
}
HELPERS = {
    "affine": """\
/* y = bias + w x: rows of w are outputs; without a bias y is added to */
static void {n}_affine(double *y, const double *x, const double *w, const double *bias, int rows, int columns)
{{
    for (int i = 0; i < rows; i++) {{
        double sum = bias ? bias[i] : y[i];
        for (int k = 0; k < columns; k++)
            sum += w[i * columns + k] * x[k];
        y[i] = sum;
    }}
}}
""",
    "filter": """\
/* one sample of a filter of some order in transposed direct form II, a[0] = 1 */
static double {n}_filter(double u, const double *b, const double *a, double *z, int order)
{{
    double y = b[0] * u + (order > 0 ? z[0] : 0.0);
    for (int p = 1; p <= order; p++)
        z[p - 1] = b[p] * u - a[p] * y + (p < order ? z[p] : 0.0);
    return y;
}}
""",
}


def write(model: Any, path: Any = None, name: str = "model") -> str:
    """The text, also written to a file if there is a path: whole or not at all."""
    need_sizes(model, "to_c")
    if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
        raise ValueError(f"name must be a name of C, got {name!r}")
    program = Program(name)
    last = program.add(Place("", model), "x")
    text = program.text(model, last)
    if path is not None:
        with replacing(path) as file:
            file.write(text.encode())
    return text


class Program:
    """Constants, states and statements as they come. Methods for layers take the name of an array and return another."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.constants: list[str] = []
        self.states: list[str] = []
        self.locals: list[str] = []
        self.lines: list[str] = []
        self.resets: list[str] = []
        self.used: set[str] = set()
        self.count = 0

    def text(self, model: Any, last: str) -> str:
        """The file."""
        n, upper = self.name, self.name.upper()
        functions = [f"static double {n}_{g}(double e) {{ return {ACTIVATIONS[g]}; }}" for g in sorted(self.used)]
        states = self.states or ["    char none;"]
        parts = [
            f"/* {str(model).splitlines()[0]}: made by sigrnn. {n}_reset once, then {n}_step for each sample. */",
            "#include <math.h>\n#include <string.h>\n",
            f"#define {upper}_INPUTS {model.inputs}\n#define {upper}_OUTPUTS {model.outputs}\n",
            "typedef struct {\n" + "\n".join(states) + f"\n}} {n}_state;\n",
            *self.constants,
            "",
            *functions,
            "",
            *(
                text.format(n=n)
                for helper, text in HELPERS.items()
                if any(f"{n}_{helper}(" in line for line in self.lines)
            ),
            f"void {n}_reset({n}_state *s)\n{{\n    memset(s, 0, sizeof *s);",
            *self.resets,
            "}\n",
            f"void {n}_step({n}_state *s, const double *x, double *y)\n{{",
            *self.locals,
            "    (void)s;",
            *self.lines,
            f"    memcpy(y, {last}, sizeof(double) * {upper}_OUTPUTS);\n}}\n",
        ]
        return "\n".join(parts)

    def fresh(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def constant(self, values: Any) -> str:
        """An array of numbers; its name."""
        flat = np.ravel(np.asarray(values, F8))
        name = self.fresh(f"{self.name}_c")
        shown = ", ".join(number(value) for value in flat) or "0.0"
        self.constants.append(f"static const double {name}[{max(len(flat), 1)}] = {{{shown}}};")
        return name

    def state(self, size: int) -> str:
        """Room in the state."""
        name = self.fresh("z")
        self.states.append(f"    double {name}[{max(size, 1)}];")
        return f"s->{name}"

    def array(self, size: int) -> str:
        """An array of the step."""
        name = self.fresh("v")
        self.locals.append(f"    double {name}[{size}];")
        return name

    def do(self, line: str) -> None:
        self.lines.append(f"    {line}")

    def each(self, size: int, line: str) -> None:
        """A statement for i from 0 on."""
        self.do(f"for (int i = 0; i < {size}; i++) {line}")

    def call(self, g: str, e: str) -> str:
        """An activation of an expression."""
        if g not in ACTIVATIONS:
            raise ValueError(f"the activation {g!r} has no form in C")
        if g == "linear":
            return e
        self.used.add(g)
        return f"{self.name}_{g}({e})"

    def affine(self, x: str, w: Array, bias: Any) -> str:
        """w x + bias."""
        rows, columns = w.shape
        y = self.array(rows)
        given = self.constant(bias)
        self.do(f"{self.name}_affine({y}, {x}, {self.constant(w)}, {given}, {rows}, {columns});")
        return y

    def more(self, y: str, x: str, w: Array) -> None:
        """y += w x."""
        self.do(f"{self.name}_affine({y}, {x}, {self.constant(w)}, 0, {w.shape[0]}, {w.shape[1]});")

    # Models.

    def add(self, place: Place, x: str) -> str:
        """Append a model with the input x; returns its output."""
        method = getattr(self, f"add_{place.kind.lower()}", None)
        if method is None and place.kind in MODELS:
            method = self.add_recurrent
        if method is None:
            raise ValueError(f"{place.title} has no form in C")
        found: str = method(place, x)
        return found

    def parts(self, place: Place) -> list[Place]:
        return [Place(f"{place.prefix}{i}.", part) for i, part in enumerate(place.layer.parts)]

    def add_chain(self, place: Place, x: str) -> str:
        for part in self.parts(place):
            x = self.add(part, x)
        return x

    def add_residual(self, place: Place, x: str) -> str:
        y, total = self.add(self.parts(place)[0], x), self.array(place.layer.outputs)
        self.each(place.layer.outputs, f"{total}[i] = {x}[i] + {y}[i];")
        return total

    def add_parallel(self, place: Place, x: str) -> str:
        total, at = self.array(place.layer.outputs), 0
        for k, part in enumerate(self.parts(place)):
            y, size = self.add(part, x), part.layer.outputs
            if place.layer.combine == "sum":
                self.each(size, f"{total}[i] {'+=' if k else '='} {y}[i];")
            else:
                self.each(size, f"{total}[{at} + i] = {y}[i];")
                at += size
        return total

    def add_feedback(self, place: Place, x: str) -> str:
        forward, back = self.parts(place)
        w, u = self.state(1), self.array(1)
        self.do(f"{u}[0] = {x}[0] - {w}[0];")
        y = self.add(forward, u)
        self.do(f"{w}[0] = {self.add(back, y)}[0];")
        return y

    def add_fir(self, place: Place, x: str) -> str:
        return self.filters(x, place.layer.params["b"], None)

    def add_iir(self, place: Place, x: str) -> str:
        return self.filters(x, place.layer.params["b"], place.layer.params["a"])

    def filters(self, x: str, b: Array, a: Array | None) -> str:
        """A filter for each input, added."""
        y, b = self.array(1), np.atleast_2d(b)
        order = b.shape[1] - 1
        shared = self.constant(np.eye(1, order + 1) if a is None else a)
        self.do(f"{y}[0] = 0.0;")
        for i, row in enumerate(b):
            z, c = self.state(order), self.constant(row)
            self.do(f"{y}[0] += {self.name}_filter({x}[{i}], {c}, {shared}, {z}, {order});")
        return y

    def add_sos(self, place: Place, x: str) -> str:
        y, sos = self.array(1), place.layer.params["sos"]
        self.do(f"{y}[0] = 0.0;")
        for i, sections in enumerate(sos.reshape(-1, *sos.shape[-2:])):
            u = f"{x}[{i}]"
            for row in sections:
                b, a, z = self.constant(row[:3]), self.constant(row[3:]), self.state(2)
                u = f"{self.name}_filter({u}, {b}, {a}, {z}, 2)"
            self.do(f"{y}[0] += {u};")
        return y

    def add_nonlinearfir(self, place: Place, x: str) -> str:
        p = place.layer.params
        y = self.filters(x, p["b"], None)
        order = len(p["a"]) - 1 if "a" in p else 0
        e, z = f"{y}[0] + {self.constant(p['bias'])}[0]", self.state(order)
        self.do(f"{y}[0] = {self.call(activation(place), f'{e} + {z}[0]' if order else e)};")
        if order:
            shift = f"(i + 1 < {order} ? {z}[i + 1] : 0.0)"
            self.each(order, f"{z}[i] = {shift} - {self.constant(p['a'])}[i + 1] * {y}[0];")
        return y

    add_nonlineariir = add_nonlinearfir

    def add_delay(self, place: Place, x: str) -> str:
        y = self.array(place.layer.outputs)
        for i, k in enumerate(place.layer.params["samples"].astype(int)):
            if not k:
                self.do(f"{y}[{i}] = {x}[{i}];")
                continue
            z = self.state(k)
            self.do(f"{y}[{i}] = {z}[{k - 1}];")
            self.do(f"memmove({z} + 1, {z}, sizeof(double) * {k - 1});")
            self.do(f"{z}[0] = {x}[{i}];")
        return y

    def add_dense(self, place: Place, x: str) -> str:
        p = place.layer.params
        y = self.affine(x, p["v"], p["bias"])
        g = activation(place)
        if g != "linear":
            self.each(len(p["v"]), f"{y}[i] = {self.call(g, f'{y}[i]')};")
        return y

    def add_polynomial(self, place: Place, x: str) -> str:
        c = np.atleast_2d(place.layer.params["c"])
        size, (channels, width) = self.constant(c), c.shape
        y = self.array(channels)
        self.each(channels, f"{y}[i] = {size}[i * {width} + {width - 1}];")
        for k in range(width - 2, -1, -1):
            self.each(channels, f"{y}[i] = {y}[i] * {x}[i] + {size}[i * {width} + {k}];")
        return y

    def add_piecewiselinear(self, place: Place, x: str) -> str:
        knots, values = (np.atleast_2d(place.layer.params[name]) for name in ("knots", "values"))
        u, v, (channels, width) = self.constant(knots), self.constant(values), knots.shape
        y, k = self.array(channels), self.fresh("k")
        self.do(f"for (int i = 0; i < {channels}; i++) {{")
        self.do(f"    const double *u = {u} + i * {width}, *v = {v} + i * {width};")
        self.do(f"    int {k} = 0;")
        self.do(f"    while ({k} < {width - 2} && u[{k} + 1] <= {x}[i]) {k}++;")
        self.do(f"    {y}[i] = v[{k}] + ({x}[i] - u[{k}]) / (u[{k} + 1] - u[{k}]) * (v[{k} + 1] - v[{k}]);")
        self.do("}")
        return y

    def add_tanhnetwork(self, place: Place, x: str) -> str:
        p = place.layer.params
        h = self.affine(x, p["w"], p["bias"])
        self.each(len(p["w"]), f"{h}[i] = tanh({h}[i]);")
        y = self.affine(x, p["direct"], p["offset"])
        self.more(y, h, p["v"])
        return y

    def add_statespace(self, place: Place, x: str) -> str:
        model, p = place.layer, place.layer.params
        states, s = model.order, self.state(model.order)
        y, new = self.affine(x, p["D"], np.zeros(model.outputs)), self.affine(x, p["B"], np.zeros(states))
        self.more(y, s, p["C"])
        self.more(new, s, p["A"])
        if "E" in p:
            phi = self.units(model, s, x)
            self.more(y, phi, p["F"])
            self.more(new, phi, p["E"])
        self.do(f"memcpy({s}, {new}, sizeof {new});")
        return y

    def units(self, model: Any, s: str, x: str) -> str:
        """The nonlinear terms of a state space."""
        p, size = model.params, model.order + model.inputs
        z = self.array(size)
        self.each(size, f"{z}[i] = i < {model.order} ? {s}[i] : {x}[i - {model.order}];")
        if "W" in p:
            phi = self.affine(z, p["W"], p["bias"])
            self.each(len(p["W"]), f"{phi}[i] = tanh({phi}[i]);")
            return phi
        powers = model._exponents(model.inputs)
        phi = self.array(len(powers))
        for j, row in enumerate(powers):
            factors = [f"{z}[{k}]" for k in range(size) for _ in range(int(row[k]))]
            self.do(f"{phi}[{j}] = {' * '.join(factors)};")
        return phi

    def add_recurrent(self, place: Place, x: str) -> str:
        p, hidden, kind = place.layer.params, place.layer.hidden, place.kind
        h = self.begun(p, "h0", hidden)
        e = self.affine(x, p["w_ih"], p["b_ih"])
        if kind == "MinGRU":
            gate = self.call("sigmoid", f"{e}[i]")
            self.each(hidden, f"{{ double z = {gate}; {h}[i] = (1.0 - z) * {h}[i] + z * {e}[{hidden} + i]; }}")
        elif kind == "GRU":
            self.gru(e, h, p, hidden, option(place.layer, "reset_after", True))
        else:
            d = self.affine(h, p["w_hh"], p["b_hh"])
            self.each(len(p["w_hh"]), f"{e}[i] += {d}[i];")
            if kind == "LSTM":
                self.lstm(e, h, p, hidden)
            else:
                self.each(hidden, f"{h}[i] = {self.call(activation(place), f'{e}[i]')};")
        y = self.array(hidden)
        self.do(f"memcpy({y}, {h}, sizeof {y});")
        return y

    def begun(self, p: Any, name: str, size: int) -> str:
        """A state that may begin elsewhere than at 0."""
        z = self.state(size)
        if name in p:
            self.resets.append(f"    memcpy({z}, {self.constant(p[name])}, sizeof {z});")
        return z

    def gru(self, e: str, h: str, p: Any, hidden: int, after: bool) -> None:
        rows = 3 * hidden if after else 2 * hidden
        d = self.affine(h, p["w_hh"][:rows], p["b_hh"][:rows])
        self.each(2 * hidden, f"{e}[i] = {self.call('sigmoid', f'{e}[i] + {d}[i]')};")
        if after:
            inner = f"{e}[i] * {d}[{2 * hidden} + i]"
        else:
            reset = self.array(hidden)
            self.each(hidden, f"{reset}[i] = {e}[i] * {h}[i];")
            inner = f"{self.affine(reset, p['w_hh'][rows:], p['b_hh'][rows:])}[i]"
        z, new = f"{e}[{hidden} + i]", f"tanh({e}[{2 * hidden} + i] + {inner})"
        self.each(hidden, f"{h}[i] = (1.0 - {z}) * {new} + {z} * {h}[i];")

    def lstm(self, e: str, h: str, p: Any, hidden: int) -> None:
        c, peeps = self.begun(p, "c0", hidden), p.get("peephole")
        seen = ["", "", ""]
        if peeps is not None:
            given = self.constant(peeps)
            seen = [f" + {given}[{k * hidden} + i] * {c}[i]" for k in range(3)]
        gate = [f"{e}[{k * hidden} + i]" for k in range(4)]
        i, f = (self.call("sigmoid", gate[k] + seen[k]) for k in (0, 1))
        self.each(hidden, f"{c}[i] = {f} * {c}[i] + {i} * tanh({gate[2]});")
        self.each(hidden, f"{h}[i] = {self.call('sigmoid', gate[3] + seen[2])} * tanh({c}[i]);")


def number(value: float) -> str:
    """A number of C, to the last bit."""
    if not np.isfinite(value):
        raise ValueError(f"parameters must be finite, one is {value}")
    return repr(float(value))
