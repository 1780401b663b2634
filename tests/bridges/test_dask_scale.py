"""Filters over dask arrays at work: on every scheduler, in bounded memory; adaptive filters, channel by channel."""

import json
import sys

import numpy as np
import pytest
from helpers import answer_of_fresh_process, assert_close, run_in_fresh_process
from scipy.signal import butter

import sigrnn
from sigrnn.adaptive import NLMS

pytestmark = pytest.mark.slow

da = pytest.importorskip("dask.array")
sd = pytest.importorskip("sigrnn.dask")

B, A = butter(2, 0.2)
SOS = butter(2, 0.2, output="sos")


@pytest.mark.parametrize("scheduler", ["threads", "synchronous", "processes"])
def test_schedulers(scheduler, rng):
    x = rng.standard_normal((4, 2000))
    y = sd.sosfilt(SOS, da.from_array(x, (2, 500)))
    with sigrnn.set_workers(2):
        found = y.compute(scheduler=scheduler, num_workers=2)
    assert_close(found, sigrnn.sosfilt(SOS, x))


def test_workers_are_not_multiplied(monkeypatch):
    """A task uses one thread, whatever the thread that asks for the result is allowed: dask hands that on."""
    seen, fill = [], sd.spec._call.fill

    def noted(*arguments):
        seen.append(sigrnn.get_workers())
        fill(*arguments)

    monkeypatch.setattr(sd.spec._call, "fill", noted)
    with sigrnn.set_workers(3):
        y = sd.sosfilt(SOS, da.zeros((4, 100), chunks=(1, 50)))
        seen.clear()  # of the check that the filter is one
        y.compute(scheduler="threads", num_workers=2)
        assert sigrnn.get_workers() == 3
    assert set(seen) == {1}


CLUSTER = """
import json, warnings
warnings.simplefilter("ignore")
import dask.array as da, numpy as np, sigrnn, sigrnn.dask
from scipy.signal import butter
from distributed import Client, LocalCluster

if __name__ == "__main__":
    sos = butter(2, 0.2, output="sos")
    x = da.random.default_rng(0).standard_normal((4, 4000), chunks=(2, 500))
    settings = dict(n_workers=2, threads_per_worker=1, dashboard_address=None, processes=False)
    with LocalCluster(**settings) as cluster, Client(cluster) as client:
        assert len(client.scheduler_info()["workers"]) == 2
        whole = x.compute()
        wanted = sigrnn.sosfilt(sos, whole), sigrnn.sosfiltfilt(sos, whole)
        differences = []
        for source in (x, client.persist(x)):
            y = sigrnn.dask.sosfilt(sos, source).compute(), sigrnn.dask.sosfiltfilt(sos, source).compute()
            differences += [float(abs(one - other).max()) for one, other in zip(y, wanted)]
    print(json.dumps(differences))
"""


def test_distributed():
    pytest.importorskip("distributed")
    lines = run_in_fresh_process(CLUSTER).splitlines()
    assert max(json.loads(lines[-1])) < 1e-12


TRAFFIC = """
import json, warnings
warnings.simplefilter("ignore")
import dask, dask.array as da, numpy as np, sigrnn.dask
from scipy.signal import butter
from distributed import Client, LocalCluster

def noise(block, block_info=None):
    return np.random.default_rng(block_info[None]["chunk-location"][1]).standard_normal(block.shape)

def counts(cluster):
    # Bytes that workers have got from each other, and the tasks that each has done.
    workers = cluster.workers.values()
    received = sum(each["total"] for worker in workers for each in worker.transfer_incoming_log)
    return np.array([received, *(worker.state.executed_count for worker in workers)])

if __name__ == "__main__":
    sos, taps = butter(2, 0.2, output="sos"), np.ones(9) / 9
    x = da.zeros((4, 24 * 25_000), chunks=(4, 25_000)).map_blocks(noise, dtype=float, meta=np.empty((0, 0)))
    filtered = [
        sigrnn.dask.sosfilt(sos, x),
        sigrnn.dask.lfilter(taps, [1.0], x),
        sigrnn.dask.sosfiltfilt(sos, x),
    ]
    settings = dict(n_workers=2, threads_per_worker=1, dashboard_address=None, processes=False)
    # A network so slow that what may stay, stays: what moves then is what the graph makes move.
    with (
        dask.config.set({"distributed.scheduler.bandwidth": "100 kB"}),
        LocalCluster(**settings) as cluster,
        Client(cluster),
    ):
        found = [counts(cluster)]
        for y in filtered:
            (y**2).mean(axis=1).compute()
            found.append(counts(cluster))
    print(json.dumps([x.nbytes, np.diff(found, axis=0).tolist()]))
"""


def test_only_states_travel():
    """Of two workers, both have tasks, and neither needs what the other has read."""
    pytest.importorskip("distributed")
    size, counts = answer_of_fresh_process(TRAFFIC, timeout=300)
    assert len(counts) == 3
    for received, *tasks in counts:
        assert received < size / 100
        assert min(tasks) > 24  # there are two or more for each of 24 chunks, and as many of the mean


FAULTS = """
import json, resource
import numpy as np
import dask.array as da
from sigrnn.dask.spec import sections
from sigrnn.dask.tasks import from_rest

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

spec = sections({sos}, (8,), np.dtype(float), "auto")
found = []
for kind in (float, np.int16):
    x = np.ones((8, 500_000), kind)
    from_rest(spec, x, 1)
    before = faults()
    from_rest(spec, x, 1)
    found.append((faults() - before) * resource.getpagesize())
print(json.dumps([*found, 8 * x.size]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="how memory is given back is glibc's")
def test_an_effect_takes_little_new_memory(monkeypatch):
    """In dask's worker processes memory let go is memory given back, and asking for it again costs more than filtering."""
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
    *fresh, size = answer_of_fresh_process(FAULTS.format(sos=SOS.tolist()))
    assert max(fresh) < size / 4


RECORDING = """
import resource, json
import dask, dask.array as da, numpy as np, sigrnn, sigrnn.dask

def noise(block, block_info=None):
    return np.random.default_rng(block_info[None]["chunk-location"][1]).standard_normal(block.shape)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # MB

sos = {sos}
x = da.zeros((8, 60 * 62_500), chunks=(8, 62_500)).map_blocks(noise, dtype=float, meta=np.empty((0, 0)))
few = x[:, : 2 * 62_500]
found = []
for signal in (few, x):
    for function in (sigrnn.dask.sosfilt, sigrnn.dask.sosfiltfilt):
        y = function(sos, signal)
        da.stack([abs(block).max() for block in y.blocks.ravel()]).max().compute(scheduler="threads", num_workers=2)
    found.append(peak())
print(json.dumps([*found, x.nbytes / 2**20]))
"""


def test_memory_does_not_grow_with_the_signal():
    before, after, size = json.loads(run_in_fresh_process(RECORDING.format(sos=SOS.tolist())).splitlines()[-1])
    assert size > 220
    assert after - before < size / 2


def test_reading_is_done_once_or_twice():
    read = []

    def noted(block):
        read.append(block.shape)
        return block

    x = da.ones((2, 400), chunks=(2, 100)).map_blocks(noted, dtype=float, meta=np.empty((0, 0)))
    for filtered, times in (
        (sd.sosfilt(SOS, x), 1),
        (sd.sosfiltfilt(SOS, x), 2),
        (sd.sosfiltfilt(SOS, x, reread=False), 1),
    ):
        read.clear()
        filtered.compute(scheduler="synchronous")
        assert len(read) == 4 * times


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_adaptive_channel_by_channel(axis, rng):
    shape = [2, 3, 2]
    shape[axis] = 300
    x = rng.standard_normal(shape)
    d = np.roll(x, 1, axis) * 2 + 0.1 * rng.standard_normal(shape)
    start = NLMS(3, mu=0.3)
    start(x.ravel()[:50], d.ravel()[:50])  # with a past
    before = start.copy()
    lazy = sd.map_adaptive(
        start, da.from_array(x, [70 if n == axis else 2 for n in range(3)]), da.from_array(d, 40), axis
    )
    e, w = da.compute(*lazy, scheduler="threads")
    again = lazy[0].compute(scheduler="threads")  # the filters in the graph have not gone on
    np.testing.assert_array_equal(e, again)
    assert [v.shape for v in lazy] == [e.shape, w.shape]
    assert lazy[0].dtype == e.dtype
    x, d, e = (np.moveaxis(v, axis, -1) for v in (x, d, e))
    for channel in np.ndindex(x.shape[:-1]):
        wanted = before.copy()(x[channel], d[channel])
        np.testing.assert_allclose(e[channel], wanted.e, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(w[channel], wanted.w_final, rtol=1e-12, atol=1e-14)


def test_adaptive_errors():
    x = da.zeros((2, 40), chunks=(1, 10))
    with pytest.raises(ValueError, match="same shape"):
        sd.map_adaptive(NLMS(3, mu=0.5), x, x[:1])
    with pytest.raises(ValueError, match="compute_chunk_sizes"):
        sd.map_adaptive(NLMS(3, mu=0.5), x[x[:, 0] > 0], x)
    for wrong in (NLMS, "NLMS", None, [1.0]):
        with pytest.raises(TypeError, match=r"filter must be an adaptive filter.*got"):
            sd.map_adaptive(wrong, x, x)
