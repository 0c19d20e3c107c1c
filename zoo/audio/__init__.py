"""Models of sound: classifiers and taggers, from files to what is served."""
