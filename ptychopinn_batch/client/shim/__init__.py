"""Packages of other names, to be found by Ptychodus' own PtychoPINN-Torch library (1.7.0).

With `FOLDER` on PYTHONPATH, its reconstructors hand their work to ours: the file that they call a
checkpoint, `model.ckpt`, is the `model.pth` of a package, `model.manifest.json` its manifest. They
reconstruct; to train, register the reconstructor itself.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
