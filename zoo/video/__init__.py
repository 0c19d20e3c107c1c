"""Models of video: classifiers and taggers, from files to what is served."""
