"""Time and memory of converting the published checkpoints, from the file to a model file.

    python benchmarks/convert_checkpoint.py perceiver_io_language

writes a checkpoint of that model with random weights to a temporary folder, in transformers'
format and as a pickle like DeepMind's, and converts each in a process of its own. Memory is the
peak of resident memory above that of the process before it opens the file, mapped pages included.
"""

import argparse
import json
import pathlib
import pickle
import subprocess
import sys
import tempfile

CONVERSION = """
import ctypes, gc, json, sys, time
import tensorflow as tf
import zoo
from zoo import registry
from zoo.weights import checkpoints
from zoo.serving.model_file import save_model_file

def resident(field):
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith(field))

source, target = sys.argv[1:]
registry.build_model(zoo.configuration("perceiver_digits_tiny"))
gc.collect()
ctypes.CDLL(None).malloc_trim(0)
before = resident("VmRSS")
with open("/proc/self/clear_refs", "w") as record:
    record.write("5")
start, cpu = time.perf_counter(), time.process_time()
converted = checkpoints.convert(source)
loaded, at_load = time.perf_counter() - start, resident("VmHWM") - before
save_model_file(converted.model, target, converted.name, converted.overrides)
seconds = time.perf_counter() - start
figures = {"loaded": loaded, "peak_loaded": at_load, "seconds": seconds}
figures |= {"peak": resident("VmHWM") - before, "cpu": time.process_time() - cpu}
print(json.dumps(figures))
"""


def write_checkpoints(name, folder):
    """Write a model with random weights in both formats and return the paths."""
    import numpy as np

    import zoo
    from perceiver_tf.checkpoints import head_of, save_huggingface
    from perceiver_tf.checkpoints.deepmind_names import deepmind_names

    model = zoo.build_model(zoo.configuration(name, numerics="huggingface"))
    huggingface = save_huggingface(model, folder / "huggingface")
    names, tree = deepmind_names(head_of(model)), {}
    for variable in model.weights:
        stored, layout = names.stored(variable.path)
        module, _, leaf = stored.rpartition("/")
        tree.setdefault(module, {})[leaf] = layout.to_stored(np.asarray(variable))
    with open(folder / "deepmind.pystate", "wb") as file:
        pickle.dump(tree, file)
    return huggingface, folder / "deepmind.pystate"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", default="perceiver_io_language")
    name = parser.parse_args().name
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for source in write_checkpoints(name, folder):
            file = source / "model.safetensors" if source.is_dir() else source
            size = file.stat().st_size
            command = [sys.executable, "-c", CONVERSION, str(source), str(folder / "model.keras")]
            output = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
            figures = json.loads(output.splitlines()[-1])
            print(
                f"{source.name}: {size / 1e6:,.0f} MB; model with its weights after "
                f"{figures['loaded']:.1f} s, {figures['peak_loaded'] / size:.2f} x its size; "
                f"model file after {figures['seconds']:.1f} s ({figures['cpu']:.1f} s of CPU), "
                f"{figures['peak'] / size:.2f} x"
            )


if __name__ == "__main__":
    main()
