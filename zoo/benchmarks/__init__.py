"""Measures models beside their peers, and pipelines beside the bare decoder."""
