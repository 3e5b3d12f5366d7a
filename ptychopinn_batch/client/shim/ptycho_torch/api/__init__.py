"""Where Ptychodus looks for `base_api`."""
