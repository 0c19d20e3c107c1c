"""Classifiers of sets of entities, from files to what is served."""
