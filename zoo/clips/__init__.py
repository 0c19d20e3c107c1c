"""Clips with sound, for all models that read or write them: files, arrays, made-up ones."""
