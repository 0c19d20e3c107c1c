"""Classifiers of graphs, from files to what is served."""
