"""In PyTorch: training steps of layers, and filters forward and backward."""

from sigrnn.bench import bridges

CASES = bridges.CASES


def test_bridge(run):
    run()
