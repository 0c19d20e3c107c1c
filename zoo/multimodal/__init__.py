"""The autoencoder of video, sound and label, from clips to what is served."""
