"""Autoencoders and their cascades against their formulas, and on data where the answer is known."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, relu

from avtrain.methods.shared.residual_autoencoder import MLP, Autoencoder, ResidualAutoencoder


def linear(module: nn.Module, x: Tensor) -> Tensor:
    assert isinstance(module, nn.Linear)
    return x @ module.weight.T + module.bias


def reference(coder: Autoencoder, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the reconstruction without the last activation, and the latent, of layers (4, 3)."""
    down = [part for part in coder.encoder if isinstance(part, nn.Linear)]
    up = [part for part in coder.decoder if isinstance(part, nn.Linear)]
    latent = leaky_relu(linear(down[1], leaky_relu(linear(down[0], x), 0.01)), 0.01)
    return linear(up[1], leaky_relu(linear(up[0], latent), 0.01)), latent


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


@pytest.mark.parametrize("relu_output", [False, True])
def test_an_autoencoder_is_its_layers(relu_output: bool) -> None:
    torch.manual_seed(0)
    coder, x = Autoencoder(6, (4, 3), relu_output).double(), noise(5, 6)
    expected, latent = reference(coder, x)
    found, found_latent = coder(x)
    torch.testing.assert_close(found, relu(expected) if relu_output else expected)
    torch.testing.assert_close(found_latent, latent)
    assert (found < 0).any() != relu_output


def test_a_residual_cascade_adds_to_what_there_was() -> None:
    torch.manual_seed(0)
    cascade, x = ResidualAutoencoder(6, (4, 3), blocks=3).double(), noise(5, 6)
    state, latents = x, []
    for block in cascade.blocks:
        assert isinstance(block, Autoencoder)
        out, latent = reference(block, state)
        state, latents = state + out, [*latents, latent]
    expected = linear(cascade.transition[2], relu(linear(cascade.transition[0], state)))
    found, found_latents = cascade(x)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found_latents, torch.cat(latents, dim=1))
    assert found_latents.shape == (5, 9)


def test_a_cascade_that_is_not_residual_replaces_and_adds_the_shared_part_to_every_input() -> None:
    torch.manual_seed(0)
    cascade = ResidualAutoencoder(6, (4, 3), blocks=2, residual=False).double()
    x, shared = noise(5, 6), noise(6, 6)[1:]
    first, second = cascade.blocks
    assert isinstance(first, Autoencoder)
    assert isinstance(second, Autoencoder)
    out = reference(second, reference(first, x + shared)[0] + shared)[0]
    expected = linear(cascade.transition[2], relu(linear(cascade.transition[0], out)))
    torch.testing.assert_close(cascade(x, shared)[0], expected)


def test_with_blocks_that_return_nothing_the_input_comes_through() -> None:
    cascade = ResidualAutoencoder(6, (4, 3), blocks=2).double()
    with torch.no_grad():
        for name, weight in cascade.named_parameters():
            weight.zero_()
            if name.startswith("transition") and weight.dim() == 2:
                weight.copy_(torch.eye(6))
    x = noise(5, 6).abs()  # the ReLU of the transition passes them
    torch.testing.assert_close(cascade(x)[0], x)


def test_it_learns_a_missing_half_that_is_known_from_the_other() -> None:
    torch.manual_seed(0)
    half = noise(256, 3)
    turned = half @ noise(3, 3)
    whole, seen = torch.cat([half, turned], dim=1), torch.cat([half, torch.zeros_like(half)], dim=1)
    cascade = ResidualAutoencoder(6, (16, 3), blocks=2).double()
    optimizer = torch.optim.Adam(cascade.parameters(), 1e-2)
    for _ in range(400):
        optimizer.zero_grad()
        loss = (cascade(seen)[0] - whole).square().mean()
        torch.autograd.backward(loss)
        optimizer.step()
    assert loss.item() < 0.02 * whole.var().item()


def test_an_mlp_has_two_hidden_layers_and_drops_out_in_training_alone() -> None:
    torch.manual_seed(0)
    mlp, x = MLP(6, 4).double().eval(), noise(5, 6)
    maps = [part for part in mlp if isinstance(part, nn.Linear)]
    assert [(part.in_features, part.out_features) for part in maps] == [(6, 128), (128, 128), (128, 4)]
    expected = linear(maps[2], relu(linear(maps[1], relu(linear(maps[0], x)))))
    torch.testing.assert_close(mlp(x), expected)
    assert not torch.allclose(mlp.train()(x), expected)
