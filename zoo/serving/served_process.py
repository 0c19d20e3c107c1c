"""A program that predicts with a SavedModel and imports only numpy and tensorflow.

    python served_process.py SAVED_MODEL IMAGES.npy OUTPUTS.npz

Started by file name in a process of its own, it stands for a server on a machine that has none
of this project's code. IMAGES.npy holds raw images, uint8 (b, height, width, c). OUTPUTS.npz
gets what the model answered, and `modules`: those of this project that were loaded, so none.
"""

import sys

import numpy as np
import tensorflow as tf


def main(saved_model: str, images_file: str, outputs_file: str) -> None:
    loaded = tf.saved_model.load(saved_model)
    outputs = loaded.signatures["serving_default"](images=tf.constant(np.load(images_file)))
    ours = [name for name in sys.modules if name.split(".")[0] in ("perceiver_tf", "zoo")]
    labels = outputs["label"].numpy().astype(str)
    np.savez(outputs_file, scores=outputs["scores"].numpy(), labels=labels, modules=ours)


if __name__ == "__main__":
    main(*sys.argv[1:])
