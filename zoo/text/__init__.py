"""Models of text, from files to what is served."""
