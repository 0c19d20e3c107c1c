"""What the predictions of all models have in common: class names, scores, pictures."""
