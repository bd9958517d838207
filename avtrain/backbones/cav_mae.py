"""CAV-MAE: an audio encoder and an image encoder, then a joint block that both share.  Gong et al., ICLR 2023."""

from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from avbuild.errors import UsageError
from avbuild.frozen import Frozen
from avtrain.backbones.base import AUDIO_IMAGE, Backbone, Encoder
from avtrain.backbones.cav_mae_blocks import (
    NORMS,
    UNIFIED,
    grid_positions,
    initialise,
    make_blocks,
    projections_of,
    run_blocks,
    sublayers_of,
)
from avtrain.backbones.cav_mae_checkpoint import load_checkpoint
from avtrain.backbones.weights import load_into
from avtrain.frontends.kaldi_fbank import MEL_BINS, FbankFrontend

PATCH = 16
SIZES = {"base": (768, 12), "small": (384, 6), "tiny": (192, 3)}  # width and heads
Mode = Literal["multimodal", "audioonly", "videoonly", "missingaudioonly", "missingvideoonly"]


class CavMaeConfig(Frozen):
    """Options of the backbone `cav-mae`."""

    size: Literal["base", "small", "tiny"] = Field("base", description="width 768, 384 or 192; published: base")
    layers: int = Field(11, description="layers of each encoder", ge=1)
    joint_layers: int = Field(1, description="layers that both modalities share", ge=1)
    weights: str | None = Field(None, description="a .pth, .pt or .safetensors file of CAV-MAE; None: random")
    audio_frames: int = Field(1024, description="frames of 10 ms, a multiple of 16; cut or zero-padded", ge=PATCH)
    image_size: int = Field(224, description="side of the image in pixels, a multiple of 16", ge=PATCH)
    audio_mean: float = Field(-5.081, description="subtracted from the log filter banks; of AudioSet")
    audio_std: float = Field(4.4849, description="divisor of the log filter banks; of AudioSet", gt=0)
    missing: Literal["missing", "only"] = Field(
        "missing",
        description="a sample with one modality: mean of a pass by unified and one by its own norms, or the latter",
    )

    @field_validator("audio_frames", "image_size")
    @classmethod
    def _whole_patches(cls, value: int) -> int:
        if value % PATCH:
            raise ValueError(f"must be a multiple of {PATCH}, the side of a patch")
        return value


class PatchEncoder(Encoder):
    """Patches with positions and a modality embedding, then blocks with unified norms; there is no last norm.

    Attributes:
        grid: rows and columns of patches.  Tokens are in row order; for audio, rows are mel bins and columns time.
    """

    def __init__(self, channels: int, grid: tuple[int, int], *, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.width, self.pooled_width, self.grid = width, width, grid
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(channels, width, PATCH, stride=PATCH)})
        self.pos_embed = nn.Parameter(grid_positions(*grid, width))
        self.modality = nn.Parameter(torch.zeros(1, 1, width))
        self.layers = make_blocks(layers, width, heads)

    def embed(self, inputs: Tensor) -> Tensor:
        # a spectrogram [B, 128, frames] is an image of one channel
        pixels = inputs[:, None] if inputs.dim() == 3 else inputs
        patches: Tensor = self.patch_embed["proj"](pixels)
        return patches.flatten(2).transpose(1, 2) + self.pos_embed + self.modality

    def blocks(self) -> list[nn.Module]:
        return list(self.layers)

    def sublayers(self) -> list[nn.Module]:
        return sublayers_of(self.layers)

    def attention_projections(self) -> list[nn.Module]:
        return projections_of(self.layers)

    def last_norm(self, tokens: Tensor) -> Tensor:
        return tokens  # the norms follow the joint block


class CavMae(Backbone):
    """Audio [B, 128, F] to tokens [B, F / 2, D], images [B, 3, S, S] to [B, (S / 16) ** 2, D]; pooled to one vector.

    Samples that have both modalities pass through the joint block with the tokens of both (`multimodal`).  Samples
    that have one pass with its own norms (`audioonly`, `videoonly`: for a model trained so), or take the mean of that
    pass and one with unified norms (`missingaudioonly`, `missingvideoonly`: for a model trained on both), as the
    option `missing` says.  The names of the modes are those of the released code.
    """

    name = "cav-mae"
    Config = CavMaeConfig
    frontend: FbankFrontend

    def __init__(
        self,
        config: CavMaeConfig,
        weights: Mapping[str, Tensor] | None = None,
        modalities: tuple[str, ...] = AUDIO_IMAGE,
    ) -> None:
        super().__init__()
        if modalities != AUDIO_IMAGE:
            raise UsageError(
                f"backbone cav-mae joins audio and image; this data set has {', '.join(modalities)}: "
                + ("use dual or tiny" if "text" in modalities else "use dual, tiny or resnet")
            )
        self.width, heads = SIZES[config.size]
        self.averages = config.missing == "missing"
        self.frontend = FbankFrontend(config.audio_frames, config.image_size, config.audio_mean, config.audio_std)
        side, shape = config.image_size // PATCH, {"width": self.width, "heads": heads, "layers": config.layers}
        self.audio_encoder = PatchEncoder(1, (MEL_BINS // PATCH, config.audio_frames // PATCH), **shape)
        self.image_encoder = PatchEncoder(3, (side, side), **shape)
        self.blocks_u = make_blocks(config.joint_layers, self.width, heads)
        self.norm, self.norm_a, self.norm_v = (nn.LayerNorm(self.width) for _ in range(3))
        self._initialise()
        if weights is not None:
            load_into(self, weights, "this run's backbone")
        elif config.weights is not None:
            grids = {"audio": self.audio_encoder.grid, "image": self.image_encoder.grid}
            self.pretrained_head = load_checkpoint(self, config.weights, grids)

    def _initialise(self) -> None:
        self.apply(initialise)
        for modality in self.modalities:
            nn.init.trunc_normal_(self.get_parameter(f"{modality}_encoder.modality"), std=0.02)

    @property
    def pooled_widths(self) -> dict[str, int]:
        return {"joint": self.width}

    def pool(self, tokens: dict[str, Tensor], present: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return {"joint": [B, D]}, one vector of all modalities that a sample has, which is at least one."""
        audio, image = present["audio"], present["image"]
        modes: dict[Mode, Tensor] = {
            "multimodal": audio & image,
            "missingaudioonly" if self.averages else "audioonly": audio & ~image,
            "missingvideoonly" if self.averages else "videoonly": image & ~audio,
        }
        if torch.compiler.is_exporting():  # shapes must not depend on what is present
            masked = [self.joint(mode, tokens).where(chosen[:, None], 0.0) for mode, chosen in modes.items()]
            return {"joint": torch.stack(masked).sum(dim=0)}
        rows, vectors = [], []
        for mode, chosen in modes.items():
            if chosen.any():
                rows.append(chosen.nonzero()[:, 0])
                vectors.append(self.joint(mode, {m: x[chosen] for m, x in tokens.items()}))
        return {"joint": torch.cat(vectors)[torch.cat(rows).argsort()]}

    @property
    def unimodal_widths(self) -> dict[str, int]:
        return dict.fromkeys(self.modalities, self.width)

    def pool_unimodal(self, tokens: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return [B, D] for each modality: its tokens alone through the joint block, with its own norms."""
        modes: dict[str, Mode] = {"audio": "audioonly", "image": "videoonly"}
        return {m: self.joint(modes[m], tokens) for m in tokens}

    def shared_sublayers(self) -> list[nn.Module]:
        return sublayers_of(self.blocks_u)

    def shared_projections(self) -> list[nn.Module]:
        return projections_of(self.blocks_u)

    def joint(self, mode: Mode, tokens: dict[str, Tensor]) -> Tensor:
        """Apply the joint block and average over its tokens.

        Args:
            mode: one of the five modes of the released code.
            tokens: modality -> [B, N, D].

        Returns:
            [B, D].
        """
        if mode == "multimodal":
            return self.joint_tokens(torch.cat([tokens[m] for m in self.modalities], dim=1)).mean(dim=1)
        modality = "audio" if mode.endswith("audioonly") else "image"
        unimodal = self.joint_tokens(tokens[modality], NORMS[modality]).mean(dim=1)
        if not mode.startswith("missing"):
            return unimodal
        return (unimodal + self.joint_tokens(tokens[modality]).mean(dim=1)) / 2

    def joint_tokens(self, tokens: Tensor, norms: str = UNIFIED) -> Tensor:
        """Apply the joint block and the last norm.

        Args:
            tokens: [B, N, D].
            norms: which of the norms to use, `UNIFIED` or one of `NORMS`.

        Returns:
            [B, N, D].
        """
        normed: Tensor = getattr(self, f"norm{norms}")(run_blocks(self.blocks_u, tokens, norms))
        return normed
