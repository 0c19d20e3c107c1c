"""Classifiers of point clouds, from files to what is served."""
