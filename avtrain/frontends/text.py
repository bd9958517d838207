"""A front end with text: token ids by WordPiece; other modalities are left to the front end inside."""

from dataclasses import dataclass

import torch
from torch import Tensor

from avtrain.frontends.base import AnyFrontend
from avtrain.frontends.traceable import TraceableFrontend
from avtrain.frontends.wordpiece import WordPiece


@dataclass(frozen=True)
class TextFrontend:
    """Token ids of a fixed number, so that no sample depends on its batch; what follows a text is [PAD].

    Attributes:
        inner: prepares all other modalities.
        tokens: number of ids of a text, with [CLS] and [SEP]; longer texts are cut, shorter ones padded.
        vocabulary: of the text encoder.
    """

    inner: AnyFrontend
    tokens: int
    vocabulary: WordPiece

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of one sample's input, by modality."""
        return {**self.inner.shapes, "text": (self.tokens,)}

    @property
    def dtypes(self) -> dict[str, torch.dtype]:
        """Type of the inputs, by modality, where it is not float32."""
        return {"text": torch.int64}

    @property
    def tokenizer(self) -> str:
        """The content of a tokenizer.json that gives the same ids, cut and padded, with the library tokenizers."""
        return self.vocabulary.fitted(self.tokens)

    def prepare(self, modality: str, signal: Tensor | str) -> Tensor:
        """Return the token ids of a text, int64 [tokens].  signal: as for `AnyFrontend.prepare`."""
        if isinstance(signal, str):
            return torch.tensor(self.vocabulary.ids(signal, self.tokens))
        return self.inner.prepare(modality, signal)

    def finish(self, modality: str, prepared: Tensor) -> Tensor:
        """Turn prepared signals, stacked to [B, ...], into inputs [B, *shape]."""
        return prepared if modality == "text" else self.inner.finish(modality, prepared)

    def prepare_batch(self, modality: str, signals: Tensor, lengths: Tensor | None) -> Tensor:
        """Prepare a batch of raw signals, of which texts are token ids: no exported program splits texts into tokens.

        Args:
            modality: of the signals.
            signals: as for `TraceableFrontend.prepare_batch`; text int64 [B, tokens].
            lengths: as for `TraceableFrontend.prepare_batch`.
        """
        if modality == "text":
            return signals
        assert isinstance(self.inner, TraceableFrontend)
        return self.inner.prepare_batch(modality, signals, lengths)
