"""Networks that turn the frames of a region into an object on a canvas."""
