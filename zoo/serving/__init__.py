"""Trained models, ready for use: exported, opened, asked."""
