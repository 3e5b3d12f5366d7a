"""`python -m ptychopinn_batch`: the command line, where its script is not on the path."""

from ptychopinn_batch.cli import main

main()
