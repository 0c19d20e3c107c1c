"""Write what small models of transformers give, as numbers for the tests.

    python tests/perceiver_tf/write_huggingface_reference.py

needs `pip install -e ".[parity]"`. The weights are those of `huggingface_models.tensor`; a file
holds config.json, the names and shapes of the tensors, the inputs, the outputs and the latents.
"""

import json
import pathlib

import numpy as np
import torch
import transformers
from huggingface_models import HEADS, IMAGE_SHAPES, SMALL, inputs, tensor

FOLDER = pathlib.Path(__file__).parent / "huggingface"


def build(head, settings):
    """Return transformers' model of a head with the weights of `tensor`, in evaluation."""
    config = transformers.PerceiverConfig(**settings, architectures=[HEADS[head]])
    model = getattr(transformers, HEADS[head])(config).eval()
    state = {
        name: torch.from_numpy(tensor(name, tuple(value.shape)))
        for name, value in model.state_dict().items()
    }
    model.load_state_dict(state)
    return model


def run(head, model, arrays, points=None):
    """Return (outputs, latents) of transformers' model.

    Args:
        arrays: dict, what `inputs` returns.
        points: of the multimodal model, dict of the numbers of the patches to decode; None: all.

    Returns:
        dict from a name ("" where there is one output) to an array, and the final latents.
    """
    with torch.no_grad():
        outputs = model(**_arguments(head, model, arrays, points), output_hidden_states=True)
    latents = outputs.hidden_states[-1].numpy()
    logits = outputs.logits if isinstance(outputs.logits, dict) else {"": outputs.logits}
    return {name: value.numpy() for name, value in logits.items()}, latents


def _arguments(head, model, arrays, points):
    arrays = {name: torch.from_numpy(array) for name, array in arrays.items()}
    if "token_ids" in arrays:
        return {"inputs": arrays["token_ids"].long(), "attention_mask": arrays["mask"].long()}
    if head == "flow":
        return {"inputs": _neighbourhoods(arrays["frames"])}
    if head != "multimodal":
        return {"inputs": arrays["images"].permute(0, 3, 1, 2)}
    config = model.config
    label = torch.zeros((1, config.num_labels))
    image = arrays["image"].permute(0, 1, 4, 2, 3)
    if points is None:
        points = {
            "image": np.arange(np.prod(config.output_shape)),
            "audio": np.arange(arrays["audio"].shape[1] // config.samples_per_patch),
        }
    points = {name: torch.from_numpy(numbers) for name, numbers in points.items()}
    return {
        "inputs": {"image": image, "audio": arrays["audio"], "label": label},
        "subsampled_output_points": {**points, "label": None},
    }


def _neighbourhoods(frames):
    """Return the 3 x 3 patch around each pixel as (b, 2, 27, height, width)."""
    _, _, height, width, _ = frames.shape
    padded = torch.nn.functional.pad(frames, (0, 0, 1, 1, 1, 1))
    shifted = [
        padded[:, :, row : row + height, column : column + width]
        for row in range(3)
        for column in range(3)
    ]
    return torch.cat(shifted, dim=-1).permute(0, 1, 4, 2, 3)


def small_shape(head, settings):
    """Return the `image_shape` of a small model's inputs."""
    if head == "flow":
        return tuple(settings["train_size"])
    if head == "multimodal":
        return (*settings["output_shape"][1:], 3)
    return IMAGE_SHAPES.get(head)


def main():
    for head, settings in SMALL.items():
        model = build(head, settings)
        arrays = inputs(head, small_shape(head, settings))
        outputs, latents = run(head, model, arrays)
        stored = {f"input:{name}": array for name, array in arrays.items()}
        stored |= {f"output:{name}": array for name, array in outputs.items()}
        shapes = {name: list(value.shape) for name, value in model.state_dict().items()}
        about = {"config": model.config.to_diff_dict(), "shapes": shapes}
        np.savez_compressed(
            FOLDER / f"{head}.npz", about=json.dumps(about), latents=latents, **stored
        )
        print(f"{head}: {(FOLDER / f'{head}.npz').stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
