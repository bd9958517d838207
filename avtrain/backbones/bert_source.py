"""A pretrained BERT encoder from a file, a folder or the Hugging Face Hub, with its configuration and vocabulary."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from avbuild.errors import UsageError, UserError
from avtrain.backbones.bert import BertEncoder, as_weights, vocabulary_in
from avtrain.backbones.weights import count_layers, find_file, load_into, load_weights
from avtrain.frontends.base import AnyFrontend
from avtrain.frontends.text import TextFrontend
from avtrain.frontends.wordpiece import WordPiece, read_wordpiece

PUBLISHED_HEADS = {128: 2, 256: 4, 312: 12, 384: 12, 512: 8, 768: 12, 1024: 16}  # by width, of published BERT models
UNUSED = ("pooler.", "cls.", "classifier.", "qa_outputs.", "embeddings.position_ids")  # weights of heads, and a table
# what a config.json may say beside sizes; anything else would be computed wrongly
SUPPORTED = {
    "model_type": ("bert",),
    "hidden_act": ("gelu",),
    "layer_norm_eps": (1e-12,),
    "position_embedding_type": ("absolute", None),
    "is_decoder": (False,),
}


@dataclass(frozen=True)
class TextOptions:
    """The options of a text encoder, as a backbone has them.

    Attributes:
        source: a safetensors file, a folder or a name on the Hub.
        vocabulary: a vocab.txt or tokenizer.json; None: beside the weights in the folder or on the Hub.
        layers: number of layers to use, the first ones; None: all.
        heads: number of attention heads; None: as config.json says, or as published for the width.
        tokens: number of tokens of a text.
    """

    source: str
    vocabulary: str | None
    layers: int | None
    heads: int | None
    tokens: int


def load_bert(options: TextOptions) -> BertEncoder:
    """Build a pretrained encoder.

    Raises:
        UsageError: an option does not fit the encoder.
        UserError: a file cannot be read, or is of something else than a BERT encoder.
    """
    config, vocabulary = _read_config(options.source), _read_vocabulary(options)
    state = bert_layout(load_weights(options.source), options.source)
    width = state["embeddings.word_embeddings.weight"].shape[1]
    heads = _heads(options, config, width)
    state |= {"vocabulary": as_weights(vocabulary), "attention_heads": torch.tensor(heads)}
    return bert_from(state, options.source, options.layers, options.tokens)


def bert_from(state: Mapping[str, Tensor], source: str, layers: int | None, tokens: int) -> BertEncoder:
    """Build an encoder, its sizes, heads and vocabulary taken from the weights.

    Args:
        state: weights by the encoder's own names.
        source: where they come from, for the error.
        layers: number of layers to use, the first ones; None: all.
        tokens: number of tokens of a text.

    Raises:
        UsageError: there are fewer layers or positions.
        UserError: the weights are of something else.
    """
    lacking = [key for key in ("vocabulary", "encoder.layer.0.intermediate.dense.weight") if key not in state]
    if lacking:
        raise UserError(f"{source}: holds no text encoder (no {lacking[0]})")
    vocabulary = vocabulary_in(state["vocabulary"])
    words, width = state["embeddings.word_embeddings.weight"].shape
    positions = state["embeddings.position_embeddings.weight"].shape[0]
    available = count_layers(state, "encoder.layer.")
    if layers is not None and layers > available:
        raise UsageError(f"{source}: has {available} layers; backbone.text_layers asks for {layers}")
    if tokens > positions:
        raise UsageError(f"{source}: has {positions} positions; backbone.text_tokens asks for {tokens}")
    if len(vocabulary) > words:
        raise UserError(
            f"{source}: has {words:,} word embeddings, but its vocabulary has {len(vocabulary):,} tokens; "
            "backbone.text_vocab must be that of the encoder"
        )
    used = layers or available
    encoder = BertEncoder(
        width=width,
        heads=int(state["attention_heads"]),
        layers=used,
        hidden=state["encoder.layer.0.intermediate.dense.weight"].shape[0],
        positions=positions,
        words=words,
        vocabulary=vocabulary,
        types=state["embeddings.token_type_embeddings.weight"].shape[0],
    )
    load_into(encoder, state, source, ignore=tuple(f"encoder.layer.{index}." for index in range(used, available)))
    return encoder


def bert_layout(weights: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Return the weights of a BERT encoder by its own names, without a prefix and without heads.

    Args:
        weights: of any BERT model, such as a classifier.
        source: where they come from, for the error.

    Raises:
        UserError: there are no weights of a BERT encoder among them.
    """
    prefixed = any(key.startswith("bert.") for key in weights)
    kept = {key.removeprefix("bert."): x for key, x in weights.items() if key.startswith("bert.") or not prefixed}
    kept = {key: x for key, x in kept.items() if not key.startswith(UNUSED)}
    # the oldest checkpoints call gain and offset of a norm gamma and beta
    state = {re.sub(r"gamma$", "weight", re.sub(r"beta$", "bias", key)): x for key, x in kept.items()}
    tables = ("word_embeddings", "position_embeddings", "token_type_embeddings")
    if lacking := [f"embeddings.{name}.weight" for name in tables if f"embeddings.{name}.weight" not in state]:
        raise UserError(f"{source}: holds no BERT encoder (no key {lacking[0]})")
    return state


def with_text(frontend: AnyFrontend, encoders: nn.Module, tokens: int) -> AnyFrontend:
    """Return the front end of a backbone, which reads text too where the backbone has an encoder for it.

    Args:
        frontend: of its other modalities.
        encoders: the backbone.
        tokens: number of tokens of a text.
    """
    encoder = getattr(encoders, "text_encoder", None)
    if not isinstance(encoder, BertEncoder):
        return frontend
    return TextFrontend(frontend, tokens, vocabulary_in(encoder.vocabulary))


def _read_config(source: str) -> Mapping[str, Any]:
    """Return the config.json beside the weights, or nothing where they are a single file."""
    path = find_file(source, "config.json")
    if path is None:
        return {}
    try:
        config = json.loads(path.read_bytes())
        found = {key: config[key] for key in SUPPORTED if key in config}
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path}: cannot be read as the configuration of a model: {error}") from error
    if wrong := [f"{key} is {value!r}" for key, value in found.items() if value not in SUPPORTED[key]]:
        raise UserError(
            f"{path}: {', '.join(wrong)}; text encoders here are BERT models (model_type bert, hidden_act gelu, "
            "layer_norm_eps 1e-12, absolute positions)"
        )
    return {**config}


def _read_vocabulary(options: TextOptions) -> WordPiece:
    if options.vocabulary is not None:
        return read_wordpiece(Path(options.vocabulary).expanduser())
    path = find_file(options.source, "tokenizer.json") or find_file(options.source, "vocab.txt")
    if path is None:
        raise UsageError(
            f"{options.source}: no tokenizer.json or vocab.txt beside the weights; name the vocabulary of the "
            "encoder: --set backbone.text_vocab=vocab.txt"
        )
    return read_wordpiece(path)


def _heads(options: TextOptions, config: Mapping[str, Any], width: int) -> int:
    """Return the number of attention heads, which the weights do not tell."""
    said = config.get("num_attention_heads")
    if options.heads is not None and said not in (None, options.heads):
        raise UsageError(
            f"backbone.text_heads is {options.heads}, but {options.source} has {said} (config.json); leave it out"
        )
    heads = options.heads or said or PUBLISHED_HEADS.get(width)
    if not isinstance(heads, int) or heads < 1 or width % heads:
        raise UsageError(
            f"{options.source}: its number of attention heads is not known (width {width}, found {heads}); give "
            "--set backbone.text_heads=NUMBER, which divides the width"
        )
    return heads
