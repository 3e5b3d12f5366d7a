"""What a plan must know of the files that a spec names: read once, remembered, held against it."""
