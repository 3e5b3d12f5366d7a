"""Ptychodus imports this to train, which needs more than can be stood in for."""

raise ImportError(
    "PtychoPINN itself is not installed. To train with ptychopinn-batch from Ptychodus, give "
    "`python -m ptychopinn_batch.client register` and choose the algorithm PtychoPINN-Batch."
)
