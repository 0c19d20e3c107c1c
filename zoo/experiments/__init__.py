"""Several trainings as one piece of work: the paper's comparisons, cross-validation."""
