"""Models of optical flow, from pairs of frames to what is served."""
