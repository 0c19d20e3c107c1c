"""Classifiers of images, from files to what is served."""
