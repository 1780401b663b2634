"""Files are input from strangers: mutated at random, they give the right kind of object or a ValueError, and nothing else.

`SIGRNN_MUTATIONS=1000000` sets how many there are in all. What is read is also used, so that a state that leads compiled code
out of its arrays shows.
"""

import copy
import faulthandler
import io
import json
import os
import sys
import zipfile

import numpy as np
import pytest

import sigrnn
from sigrnn import DivergenceError, adaptive
from sigrnn.cli import audio
from sigrnn.models.files import notes, write

MUTATIONS = int(os.environ.get("SIGRNN_MUTATIONS", "10000"))
X = np.random.default_rng(0).standard_normal((2, 40))
ODD = [
    None,
    True,
    -1,
    0,
    1,
    3,
    2**31,
    2**70,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "x",
    "tanh",
    [],
    {},
    [[]],
    [1, 2],
    {"a": 1},
]
DTYPES = ["<f4", ">f8", "<i8", "<c16", "|b1", "<U3", "|O", "<M8[s]", "<f2", "<V8", "<f8"]


# Mutations


def of_bytes(rng, whole):
    """Bits flipped, bytes inserted, taken out, doubled or overwritten, an end cut off."""
    found = bytearray(whole)
    for _ in range(rng.integers(1, 4)):
        at, size = int(rng.integers(0, len(found) + 1)), int(2 ** rng.uniform(0, 8))
        kind = rng.integers(6)
        if kind == 0:
            found[at : at + 1] = bytes(b ^ (1 << int(rng.integers(8))) for b in found[at : at + 1])
        elif kind == 1:
            found[at:at] = rng.bytes(size)
        elif kind == 2:
            del found[at : at + size]
        elif kind == 3:
            found[at:at] = found[at : at + size]
        elif kind == 4:
            found[at : at + 8] = rng.choice([0, 1, 127, 255], 8).astype(np.uint8).tobytes()
        elif kind == 5:
            del found[max(at, 1) :]
    return bytes(found)


def of_json(rng, document):
    """One value in it, at any depth, replaced, taken out or exchanged for another part of the whole."""
    document = copy.deepcopy(document)
    for _ in range(rng.integers(1, 3)):
        place, part = None, document
        while isinstance(part, list | dict) and len(part) and (place is None or rng.uniform() < 0.75):
            keys = list(part) if isinstance(part, dict) else range(len(part))
            place, key = part, keys[rng.integers(len(keys))]
            part = place[key]
        if place is None:
            return document
        if rng.uniform() < 0.2:
            del place[key]
        elif rng.uniform() < 0.1:
            for _ in range(int(rng.choice([5, 1500]))):
                part = [part]
            place[key] = part
        else:
            place[key] = copy.deepcopy(ODD[rng.integers(len(ODD))])
    return document


def text_of(document):
    try:
        return json.dumps(document)
    except RecursionError:  # Python writes less deep nesting than others do
        return "[" * 5000 + "]" * 5000


def of_array(rng, array):
    """An array with other entries, another shape or another dtype."""
    kind = rng.integers(5)
    array = array.copy()
    if kind == 0 and array.size and array.dtype.kind in "iuf":
        odd = [0, -1, 1, 7, 1000, 2**40, -(2**62), np.nan, np.inf, 1e300]
        with np.errstate(all="ignore"):
            array.flat[rng.integers(array.size)] = np.asarray(
                odd[rng.integers(8 if array.dtype.kind == "f" else 7)]
            ).astype(array.dtype)
    elif kind == 1:
        array = np.resize(array, rng.integers(0, 6, rng.integers(0, 4)))
    elif kind == 2:
        array = np.asfortranarray(array.T)
    elif kind == 3:
        array = array[..., : int(rng.integers(0, max(1, array.shape[-1])))] if array.ndim else array[None]
    elif array.dtype.kind in "iuf":
        with np.errstate(all="ignore"):
            array = array.astype(rng.choice(["f4", "i8", "u1", "c8", "b1", ">f8"]))
    return array


def of_header(rng, npy):
    """An .npy file whose header promises something else."""
    text = npy[10 : 10 + int.from_bytes(npy[8:10], "little")].decode("latin1")
    head = eval(text)  # our own
    choice = rng.integers(4)
    if choice == 0:
        head["descr"] = str(rng.choice(DTYPES))
    elif choice == 1:
        head["shape"] = tuple(int(n) for n in rng.choice([0, 1, 2, 3, 2**20, 2**33, 2**62, -1], rng.integers(0, 4)))
    elif choice == 2:
        head["fortran_order"] = not head["fortran_order"]
    else:
        del head[str(rng.choice(list(head)))]
    line = repr(head).encode().ljust(117) + b"\n"
    return npy[:8] + len(line).to_bytes(2, "little") + line + npy[10 + len(text) :]


def of_archive(rng, whole):
    """An archive that is sound as such: one member renamed, exchanged, without some, with another header, array or text."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    names, kind = list(members), rng.integers(6)
    one, other = names[rng.integers(len(names))], names[rng.integers(len(names))]
    if kind == 0:
        members[one], members[other] = members[other], members[one]
    elif kind == 1:
        del members[one]
    elif kind == 2:
        members[f"{one[:-4]}x.npy"] = members.pop(one)
    elif kind == 3:
        members[one] = of_header(rng, members[one])
    else:
        array = np.load(io.BytesIO(members[one]))
        if one in ("description.npy", "sigrnn_adaptive.npy"):
            text = text_of(of_json(rng, json.loads(array.tobytes() if array.ndim else str(array))))
            array = np.frombuffer(text.encode(), np.uint8) if array.ndim else np.array(text)
        else:
            array = of_array(rng, array)
        file = io.BytesIO()
        np.save(file, array)
        members[one] = file.getvalue()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED if rng.uniform() < 0.3 else zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def archive(rng, whole):
    return of_bytes(rng, whole) if rng.uniform() < 0.4 else of_archive(rng, whole)


# Valid files of each kind


def saved(thing):
    file = io.BytesIO()
    if isinstance(thing, sigrnn.models.Model):
        write(thing, file, {"samplerate": 8000})
    else:
        thing.save(file)
    return file.getvalue()


def models():
    yield sigrnn.FIR(5).init(2, rng=0)
    yield sigrnn.IIR(3).init(1, rng=0)
    yield sigrnn.SOS(2).init(1, rng=0)
    yield sigrnn.NonlinearIIR(3, 2).init(1, rng=0)
    yield sigrnn.Chain(sigrnn.GRU(3), sigrnn.Dense(1, activation="tanh")).init(2, rng=0)
    yield sigrnn.Residual(sigrnn.Chain(sigrnn.LSTM(2, peephole=True), sigrnn.Dense(1))).init(1, rng=0)
    yield sigrnn.Bidirectional(sigrnn.RNN(3), sigrnn.RNN(3)).init(1, rng=0)
    yield sigrnn.Parallel(sigrnn.FIR(2), sigrnn.NonlinearFIR(3), combine="concatenate").init(1, rng=0)
    yield sigrnn.MinGRU(2)


def filters():
    for make in (
        lambda: adaptive.NLMS(4, 0.5, w0=np.ones(4)),
        lambda: adaptive.AP(4, 0.5, order=2, on_divergence="reset"),
        lambda: adaptive.RLS(3),
        lambda: adaptive.KalmanFilter(3, 1e-3, 0.1),
        lambda: adaptive.BlockLMS(4, 0.01, block=4),
        lambda: adaptive.PBFDAF(8, 0.5, 2),
        lambda: adaptive.FxLMS(4, 0.01, [0.0, 1.0]),
        lambda: adaptive.IIRLMS(3, 2, 0.01),
        lambda: adaptive.VolterraLMS(3, 0.01),
    ):
        yield make()
        f = make()
        f(*X)
        yield f


def read_model(data):
    model = sigrnn.load(io.BytesIO(data))
    assert isinstance(model, sigrnn.models.Model)
    assert all(np.isrealobj(array) for array in model.params.values())
    assert isinstance(notes(io.BytesIO(data)), dict)
    repr(model)


def read_filter(data):
    f = adaptive.load(io.BytesIO(data))
    assert isinstance(f, adaptive.AdaptiveFilter)
    repr(f)
    f.copy().reset()
    if f.n_taps < 1000:  # a filter without a state may be of any size
        with np.errstate(all="ignore"):
            f.weights, f(*X)


def test_models():
    run([saved(model) for model in models()], archive, read_model, 0.3)


def test_adaptive_filters():
    run([saved(f) for f in filters()], archive, read_filter, 0.3, DivergenceError)


# Weights of other libraries


def rtneural_documents():
    for model in (
        sigrnn.Chain(sigrnn.GRU(3), sigrnn.Dense(1)).init(1, rng=0),
        sigrnn.Chain(sigrnn.LSTM(2), sigrnn.Dense(2, activation="relu"), sigrnn.Dense(1)).init(2, rng=0),
        sigrnn.Chain(sigrnn.NonlinearFIR(4), sigrnn.Dense(1)).init(1, rng=0),
    ):
        yield model.to_rtneural_json()


def test_rtneural():
    def mutate(rng, text):
        if rng.uniform() < 0.3:
            return of_bytes(rng, text.encode())
        return text_of(of_json(rng, json.loads(text))).encode()

    def read(data):
        assert isinstance(sigrnn.from_rtneural_json(io.BytesIO(data)), sigrnn.models.Model)

    run(list(rtneural_documents()), mutate, read, 0.2)


def test_weights_of_keras_and_torch():
    """Lists and dicts of arrays, from files that others read; a model keeps its weights if they are refused."""
    model = sigrnn.Chain(sigrnn.GRU(3), sigrnn.Dense(2), sigrnn.NonlinearFIR(4)).init(2, rng=0)
    rng = np.random.default_rng(1)
    of_keras = [rng.standard_normal(s) for s in ((2, 9), (3, 9), (2, 9), (3, 2), (2,), (4, 2, 1), (1,))]
    g = {"weight_ih_l0": (9, 2), "weight_hh_l0": (9, 3), "bias_ih_l0": (9,), "bias_hh_l0": (9,)}
    shapes = {
        **{f"0.{n}": s for n, s in g.items()},
        "1.weight": (2, 3),
        "1.bias": (2,),
        "2.weight": (1, 2, 4),
        "2.bias": (1,),
    }
    of_torch = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    model.copy().from_keras_weights(of_keras), model.copy().from_torch_state_dict(of_torch)

    def mutate(rng, given):
        keys = list(given) if isinstance(given, dict) else range(len(given))
        given, one, other = copy.copy(given), *(keys[k] for k in rng.integers(len(keys), size=2))
        kind = rng.integers(5)
        if kind == 0:
            given[one], given[other] = given[other], given[one]
        elif kind == 1:
            del given[one]
        elif kind == 2 and isinstance(given, dict):
            given[
                str(rng.choice(["", "0.weight", "x.y.z", "1.bias_ih_l7", "0.weight_hr_l0", "0.weight_ih_l99999999999"]))
            ] = given.pop(one)
        elif kind == 3:
            given[one] = ODD[rng.integers(len(ODD))]
        else:
            given[one] = of_array(rng, given[one])
        return given

    def read(given):
        mine = model.copy()
        try:
            (mine.from_torch_state_dict if isinstance(given, dict) else mine.from_keras_weights)(given)
        except ValueError:
            assert all(np.array_equal(a, model.params[name]) for name, a in mine.params.items())
            raise
        assert all(a.shape == model.params[name].shape for name, a in mine.params.items())

    run([of_keras, of_torch], mutate, read, 0.1)


# Sound


def test_sound_files(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    path, whole = tmp_path / "sound", []
    kinds = [
        ("WAV", "PCM_16"),
        ("WAV", "FLOAT"),
        ("FLAC", "PCM_16"),
        ("AIFF", "PCM_24"),
        ("W64", "PCM_16"),
        ("RF64", "PCM_16"),
        ("AU", "FLOAT"),
        ("OGG", "VORBIS"),
        ("CAF", "PCM_16"),
    ]
    for form, subtype in kinds:
        soundfile.write(path, 0.3 * np.random.default_rng(0).standard_normal((500, 2)), 8000, subtype, format=form)
        whole.append(path.read_bytes())

    def read(data):
        path.write_bytes(data)
        with audio.open_reader(path) as source:
            for block in source.blocks(2**12, zero=True):
                assert block.shape[1] == source.channels
                assert np.isfinite(block).all()

    run(whole, of_bytes, read, 0.1)


def run(valid, mutate, read, share, *allowed):
    """Read each as it is, and then as many mutations of them."""
    for thing in valid:
        read(thing if not isinstance(thing, str) else thing.encode())
    before = peak()
    faulthandler.dump_traceback_later(3600, exit=True)
    try:
        for seed in range(int(share * MUTATIONS)):
            rng = np.random.default_rng([seed, len(valid)])
            data = mutate(rng, valid[seed % len(valid)])
            try:
                read(data)
            except (ValueError, *allowed):
                pass
            except BaseException as error:
                error.add_note(f"mutation {seed} of file {seed % len(valid)}")
                raise
    finally:
        faulthandler.cancel_dump_traceback_later()
    assert (
        peak() - before < 100e6
    )  # the files are of some kilobytes; what is read of them, and twice as much, fits in 10 MB


def peak():
    """The most memory the process has had, in bytes; nothing on Windows."""
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_a_parameter_that_is_not_finite_is_named(bad):
    model = sigrnn.Chain(sigrnn.FIR(3), sigrnn.Dense(1)).init(1)
    model.params = {**model.params, "0.b": np.array([1.0, bad, 2.0])}
    with pytest.raises(ValueError, match=rf"broken: 0\.b is {bad} at \[1\]"):
        sigrnn.load(io.BytesIO(saved(model)))


def test_an_open_file_of_rtneural_is_read_once():
    text = sigrnn.Chain(sigrnn.GRU(2), sigrnn.Dense(1)).init(1, rng=0).to_rtneural_json()
    assert sigrnn.from_rtneural_json(io.StringIO(text)).to_rtneural_json() == text


@pytest.mark.parametrize(
    "kind", [adaptive.RLS, lambda n: adaptive.KalmanFilter(n, 1e-3, 0.1), lambda n: adaptive.NLMS(n, 0.5)]
)
def test_sizes_that_the_file_cannot_hold(kind):
    """A matrix of 10^5 by 10^5 would take 80 GB."""
    f = kind(4)
    f(*X)
    with zipfile.ZipFile(io.BytesIO(saved(f))) as archive:
        arrays = {name[:-4]: np.load(io.BytesIO(archive.read(name))) for name in archive.namelist()}
    head = json.loads(str(arrays["sigrnn_adaptive"]))
    for n_taps, wide in ((10**12, 4), (10**5, 10**5)):
        head["given"]["n_taps"] = n_taps
        file = io.BytesIO()
        np.savez(file, **arrays | {"sigrnn_adaptive": np.array(json.dumps(head)), "state_w": np.zeros((1, wide))})
        before = peak()
        with pytest.raises(ValueError, match=r"larger than the file|not those of"):
            adaptive.load(io.BytesIO(file.getvalue()))
        assert peak() - before < 200e6


@pytest.mark.parametrize("sizes", [(8, 2**70), (2**70, None), (2**70, 64)])
def test_sizes_beyond_all_transforms(sizes):
    """A block of 2^70 samples was found by mutation: the first call raised an OverflowError."""
    for kind in (adaptive.FDAF, adaptive.PBFDAF):
        with pytest.raises(ValueError, match="must be below"):
            kind(sizes[0], 0.5, sizes[1])
