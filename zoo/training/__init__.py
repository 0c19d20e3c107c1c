"""Training runs: new, resumed, interrupted, evaluated."""
