"""How models are trained, as data, and what is built of it: optimisers and schedules."""
