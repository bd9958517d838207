"""BERT's encoder: its formula, the original's weights and results, padding, and where its parts are found."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from avbuild.errors import UsageError, UserError
from avtrain.backbones.adapters import add_adapters
from avtrain.backbones.base import Reading
from avtrain.backbones.bert import BertEncoder, Layer, before_padding
from avtrain.backbones.bert_source import TextOptions, bert_from, load_bert
from avtrain.backbones.checkpointing import recompute_blocks
from avtrain.backbones.registry import build_backbone
from avtrain.frontends.wordpiece import WordPiece, wordpiece_of
from tests.avtrain.backbones.test_encoders import attention, gelu, linear, norm

VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghij", *(f"##{c}" for c in "abcdefghij"))
WIDTH, HEADS, TOKENS = 24, 3, 10


def encoder(layers: int = 2) -> BertEncoder:
    torch.manual_seed(0)
    made = BertEncoder(
        width=WIDTH,
        heads=HEADS,
        layers=layers,
        hidden=40,
        positions=12,
        words=30,
        vocabulary=wordpiece_of(VOCABULARY, ""),
    )
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)
    return made.eval()


def ids(*lengths: int, tokens: int = TOKENS) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    found = torch.randint(4, 25, (len(lengths), tokens), generator=generator)
    return found * (torch.arange(tokens)[None] < torch.tensor(lengths)[:, None])


def checkpoint(folder: Path, prefix: str = "", **config: Any) -> BertEncoder:
    """Write an encoder as a Hugging Face folder, and return it."""
    made = encoder()
    state = {f"{prefix}{k}": v for k, v in made.state_dict().items() if k not in ("vocabulary", "attention_heads")}
    folder.mkdir(exist_ok=True)
    more = {"embeddings.position_ids": torch.arange(12)[None], "pooler.dense.weight": torch.zeros(2, 2)}
    save_file({k: v.contiguous() for k, v in {**state, **{f"{prefix}{k}": v for k, v in more.items()}}.items()},
              folder / "model.safetensors")  # fmt: skip
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "num_attention_heads": HEADS, **config}))
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    return made


def options(source: Path, **changed: Any) -> TextOptions:
    found = {"vocabulary": None, "layers": None, "heads": None, "tokens": TOKENS, **changed}
    return TextOptions(str(source), **found)


def test_a_layer_is_its_formula() -> None:
    layer, x = encoder().blocks()[0], torch.randn(1, 7, WIDTH)
    assert isinstance(layer, Layer)
    a, y = layer.attention, x[0].double().numpy()
    q, k, v = (linear(a.self[name]) for name in ("query", "key", "value"))
    y = norm(a.output["LayerNorm"])(y + attention(y, q, k, v, linear(a.output["dense"]), HEADS))
    hidden = gelu(linear(layer.intermediate["dense"])(y))
    y = norm(layer.output["LayerNorm"])(y + linear(layer.output["dense"])(hidden))
    np.testing.assert_allclose(layer(x)[0].detach().numpy(), y, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_padding_is_zeros_and_has_no_influence() -> None:
    made, short = encoder(), ids(4, 10, 7)
    tokens = made(short)
    assert tokens[0, 4:].eq(0).all()
    assert tokens[2, 7:].eq(0).all()
    assert not tokens[1].eq(0).all(dim=-1).any()
    torch.testing.assert_close(made(short[:1, :4])[0], tokens[0, :4])
    torch.testing.assert_close(made.pool(tokens)[0], tokens[0, :4].mean(dim=0))


@torch.no_grad()
def test_a_missing_text_is_finite() -> None:
    made = encoder()
    tokens = made(torch.zeros(2, TOKENS, dtype=torch.int64))
    assert tokens.isfinite().all()
    assert made.pool(tokens).isfinite().all()
    assert made.reduce(tokens, 4).isfinite().all()


def test_only_what_is_behind_the_last_token_is_padding() -> None:
    filled = torch.tensor([[True, False, True, False, False], [False] * 5])
    assert before_padding(filled).tolist() == [[True, True, True, False, False], [True] + [False] * 4]


@pytest.mark.parametrize("most", [1, 3, 4, 10, 99])
@torch.no_grad()
def test_groups_have_the_mean_of_all_tokens(most: int) -> None:
    made = encoder()
    tokens = made(ids(1, 4, 7, 10))
    reduced = made.reduce(tokens, most)
    assert reduced.shape == (4, min(most, TOKENS), WIDTH)
    torch.testing.assert_close(made.pool(reduced), made.pool(tokens))
    torch.testing.assert_close(made.read(ids(1, 4, 7, 10), Reading(most=most)), reduced)


@torch.no_grad()
def test_groups_of_a_text_that_divides_are_means_of_neighbours() -> None:
    tokens = encoder()(ids(8))
    expected = torch.stack([tokens[0, start : start + 2].mean(dim=0) for start in (0, 2, 4, 6)])
    torch.testing.assert_close(encoder().reduce(tokens, 4)[0], expected)


@torch.no_grad()
def test_blended_words_are_the_mean_of_embeddings() -> None:
    made, texts = encoder(), ids(4, 9)
    words = made.blendable(texts)
    assert torch.equal(made(words), made(texts))
    half = made(words[:1] / 2 + words[1:] / 2)
    assert half[0, 9:].eq(0).all()  # as long as the longer one
    assert not half[0, :9].eq(0).all(dim=-1).any()


@torch.no_grad()
def test_prompts_of_zeros_are_no_padding() -> None:
    made, texts = encoder(), ids(4, 9)
    tokens = made.transform(torch.cat([torch.zeros(2, 3, WIDTH), made.embed(texts)], dim=1))
    assert not tokens[0, :7].eq(0).all(dim=-1).any()
    assert tokens[0, 7:].eq(0).all()


def test_adapters_lora_and_recomputed_blocks_find_their_places() -> None:
    size = {"width": 24, "layers": 2, "heads": 2, "text_tokens": 12}
    torch.manual_seed(0)
    backbone, texts = build_backbone("tiny", size, None, ("text",)), ids(4, 9, tokens=12)
    plain = backbone.encoder("text")(texts)
    assert len(backbone.encoder("text").attention_projections()) == 8
    recompute_blocks(backbone)
    torch.testing.assert_close(backbone.encoder("text")(texts), plain)
    (adapters,) = add_adapters(backbone, 5)
    assert len(list(adapters.children())) == 4
    with torch.no_grad():
        for weight in adapters.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    changed = backbone.encoder("text")(texts)
    assert not torch.allclose(changed, plain)
    assert changed[0, 4:].eq(0).all()


@pytest.mark.parametrize("prefix", ["", "bert."])
@torch.no_grad()
def test_a_folder_is_read_with_its_configuration(tmp_path: Path, prefix: str) -> None:
    made = checkpoint(tmp_path / "model", prefix)
    read = load_bert(options(tmp_path / "model")).eval()
    assert torch.equal(read(ids(4, 9)), made(ids(4, 9)))
    assert len(load_bert(options(tmp_path / "model", layers=1)).blocks()) == 1
    again = bert_from(read.state_dict(), "this run's text encoder", None, TOKENS)
    assert torch.equal(again.eval()(ids(4, 9)), made(ids(4, 9)))


def test_norms_of_the_oldest_checkpoints_have_other_names(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    made = checkpoint(tmp_path, "bert.")
    state = load_file(tmp_path / "model.safetensors")
    old = {k.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"): v for k, v in state.items()}
    save_file({**old, "cls.predictions.bias": torch.zeros(3)}, tmp_path / "model.safetensors")
    assert torch.equal(load_bert(options(tmp_path)).eval()(ids(4)), made(ids(4)))


@pytest.mark.parametrize(
    ("changed", "config", "message"),
    [
        ({"layers": 3}, {}, "has 2 layers; backbone.text_layers asks for 3"),
        ({"tokens": 13}, {}, "has 12 positions; backbone.text_tokens asks for 13"),
        ({"heads": 4}, {}, r"text_heads is 4, but .* has 3 \(config.json\)"),
        ({}, {"model_type": "roberta"}, "model_type is 'roberta'; text encoders here are BERT models"),
        ({}, {"hidden_act": "relu"}, "hidden_act is 'relu'"),
        ({}, {"num_attention_heads": None}, r"its number of attention heads is not known \(width 24"),
        ({"vocabulary": "none.txt"}, {}, "none.txt: cannot be read as a vocabulary"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, changed: Any, config: Any, message: str) -> None:
    checkpoint(tmp_path, **config)
    with pytest.raises(UserError, match=message):
        load_bert(options(tmp_path, **changed))


def test_a_file_needs_its_vocabulary_and_a_folder_its_weights(tmp_path: Path) -> None:
    checkpoint(tmp_path)
    with pytest.raises(UsageError, match=r"no tokenizer.json or vocab.txt .*--set backbone.text_vocab=vocab.txt"):
        load_bert(options(tmp_path / "model.safetensors", heads=3))
    read = load_bert(options(tmp_path / "model.safetensors", heads=3, vocabulary=str(tmp_path / "vocab.txt")))
    assert len(read.blocks()) == 2
    longer = tmp_path / "longer.txt"
    longer.write_text("\n".join((*VOCABULARY, *map(str, range(9)))))
    with pytest.raises(UserError, match="has 30 word embeddings, but its vocabulary has 34 tokens"):
        load_bert(options(tmp_path, vocabulary=str(longer)))
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"this folder has no model\.safetensors"):
        load_bert(options(tmp_path))
    save_file({"conv1.weight": torch.zeros(2)}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"holds no BERT encoder \(no key embeddings\.word_embeddings\.weight\)"):
        load_bert(options(tmp_path))


@pytest.mark.parametrize(("name", "hint"), [("resnet", "use dual or tiny"), ("cav-mae", "use dual or tiny")])
def test_backbones_without_a_text_encoder_say_so(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=rf"backbone {name} .*this data set has image, text: {hint}"):
        build_backbone(name, {}, None, ("image", "text"))


@torch.no_grad()
def test_the_original_computes_the_same(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(3)
    config = transformers.BertConfig(
        vocab_size=30, hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=HEADS, intermediate_size=40,
        max_position_embeddings=12,
    )  # fmt: skip
    original = transformers.BertModel(config).eval()
    for weight in original.parameters():
        weight.add_(torch.randn_like(weight) * 0.2)
    original.save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY))
    texts = ids(4, 9, 10)
    expected = original(texts, attention_mask=(texts != 0).long()).last_hidden_state
    found = load_bert(options(tmp_path)).eval()(texts)
    for row, length in enumerate((4, 9, 10)):
        torch.testing.assert_close(found[row, :length], expected[row, :length], rtol=1e-5, atol=1e-5)


@pytest.mark.pilot
@torch.no_grad()
def test_minilm_knows_a_paraphrase(pilot_weights: Path) -> None:
    vocabulary = pilot_weights / "minilm_l6_vocab.txt"
    read = load_bert(options(pilot_weights / "minilm_l6_encoder.safetensors", vocabulary=str(vocabulary), tokens=32))
    texts = (
        "A man is playing a guitar.", "Someone plays the guitar.", "It is cold in Paris today.",
        "The weather in Paris is chilly.", "Stock markets fell sharply.",
    )  # fmt: skip
    from avtrain.backbones.bert import vocabulary_in

    words: WordPiece = vocabulary_in(read.vocabulary)
    pooled = read.eval().pool(read(torch.tensor([words.ids(text, 32) for text in texts])))
    cosine = torch.nn.functional.cosine_similarity(pooled[:, None], pooled[None], dim=-1)
    assert min(cosine[0, 1], cosine[2, 3]) > 0.6
    assert max(cosine[0, 2], cosine[0, 4], cosine[1, 3], cosine[2, 4]) < 0.15
