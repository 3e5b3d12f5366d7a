"""The keys of a training agree with each other."""

from ptychopinn_batch.jobspec import Train


def test_unrolled_steps_are_ordered(complaint):
    assert complaint(train={"unroll": [6, 3]})[0] == "unroll"
    assert Train(unroll=(3, 3)).unroll == (3, 3)
