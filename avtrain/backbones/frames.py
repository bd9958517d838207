"""Video by an image encoder: each frame is encoded alone, and the tokens are averaged over the frames."""

from collections.abc import Callable

from torch import Tensor, nn

from avtrain.backbones.base import Encoder, Reading


class FrameEncoder(Encoder):
    """[B, F, 3, S, S] to [B, N, D]: the N tokens of every frame, averaged over the F frames token by token.

    Since tokens are averaged, pooling gives the mean over the frames of what pooling a single frame gives, as MLA does
    it with the vectors of a ResNet (Zhang et al., CVPR 2024).  There is no `embed`, since the tokens of one frame are
    not those of the clip.
    """

    def __init__(self, image_encoder: Encoder) -> None:
        super().__init__()
        self.pictures = image_encoder  # the attribute names weights in checkpoints
        self.width, self.pooled_width = image_encoder.width, image_encoder.pooled_width

    def blocks(self) -> list[nn.Module]:
        return self.pictures.blocks()

    def sublayers(self) -> list[nn.Module]:
        return self.pictures.sublayers()

    def attention_projections(self) -> list[nn.Module]:
        return self.pictures.attention_projections()

    def read(self, inputs: Tensor, reading: Reading) -> Tensor:
        return self._mean_over_frames(inputs, lambda frames: self.pictures.read(frames, reading))

    def reduce(self, tokens: Tensor, most: int) -> Tensor:
        return self.pictures.reduce(tokens, most)

    def pool(self, tokens: Tensor) -> Tensor:
        return self.pictures.pool(tokens)

    def forward(self, inputs: Tensor) -> Tensor:
        return self._mean_over_frames(inputs, self.pictures)

    def _mean_over_frames(self, inputs: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
        tokens = encode(inputs.flatten(0, 1))
        return tokens.reshape(*inputs.shape[:2], *tokens.shape[1:]).mean(dim=1)
