"""The commands of `perceiver-zoo`, one module for each group."""
