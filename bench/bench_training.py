"""Training: an epoch beside PyTorch."""

from sigrnn.bench import training

CASES = training.CASES


def test_training(run):
    run()
