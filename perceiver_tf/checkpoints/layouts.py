"""How a tensor lies in a checkpoint, against how it lies in the Keras layer."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """An order of the axes and axes of length 1 around them.

    Attributes:
        axes: the Keras variable's axes in the order that the checkpoint has them, or None for
            the same order.
        ones_before, ones_after: how many axes of length 1 the checkpoint has besides.
    """

    axes: tuple[int, ...] | None = None
    ones_before: int = 0
    ones_after: int = 0

    def stored_shape(self, shape):
        """Return the shape in the checkpoint of a variable of this shape."""
        shape = tuple(shape)
        if self.axes is not None:
            shape = tuple(shape[axis] for axis in self.axes)
        return (1,) * self.ones_before + shape + (1,) * self.ones_after

    def from_stored(self, array):
        """Return an array of the checkpoint as the Keras variable has it."""
        inner = array.shape[self.ones_before : array.ndim - self.ones_after]
        array = array.reshape(inner)
        if self.axes is None:
            return array
        return array.transpose([self.axes.index(axis) for axis in range(len(self.axes))])

    def to_stored(self, array):
        """Return the array of a Keras variable as the checkpoint has it."""
        shape = self.stored_shape(array.shape)
        return (array if self.axes is None else array.transpose(self.axes)).reshape(shape)


SAME = Layout()
TRANSPOSED = Layout(axes=(1, 0))  # of a dense layer in PyTorch, (output, input)
CONVOLUTION = Layout(axes=(3, 2, 0, 1))  # in PyTorch, (output, input, height, width)
POINTWISE = Layout(axes=(1, 0), ones_after=2)  # a dense layer as a 1 x 1 convolution in PyTorch
POINTWISE_HAIKU = Layout(ones_before=2)
ROW = Layout(ones_before=1)
CHANNELS = Layout(ones_before=3)
