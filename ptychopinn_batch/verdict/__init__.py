"""Whether a scan can be trusted, and what was made of it: asked of the frames, without truth."""
