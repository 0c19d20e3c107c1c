"""Models of video with sound, or with another series of samples."""
