"""A loss compares something with something."""

from ptychopinn_batch.jobspec import Weights


def test_a_loss_compares_frames_or_objects(refused):
    assert refused(train={"weights": {"frames": 0}}) == (
        "frames",
        "frames and object both weigh 0, so nothing is compared",
        "Write 1, or object: 1",
    )
    assert Weights(frames=0, object=1).object == 1
