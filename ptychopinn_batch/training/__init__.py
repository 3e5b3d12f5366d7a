"""Training of networks on simulated and measured regions."""
