"""The words that settings are chosen from; without imports, so that reading them is free."""

GELUS = ("tanh", "erf")
IMPLEMENTATIONS = ("auto", "dense", "folded", "separable")
SHARING_SCHEMES = ("all_but_first_cross_attend", "all", "none")
POSITION_INITS = ("normal", "sinusoidal")
PATCH_INITIALIZERS = ("random", "spectral")
STEMS = ("imagenet", "small_images")
COST_VOLUME_PATCHES = (3, 7)  # rows and columns of the patches that are compared
