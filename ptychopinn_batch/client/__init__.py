"""A reconstructor for Ptychodus that has its work done by `ptychopinn-batch`.

These modules run inside Ptychodus: they import its package, numpy and the standard library, no
torch. The work is done by the command, in this environment or in another one.
"""
